"""Kind `netdata` against what other versions answered, served byte for byte, and against what nobody should answer."""

import json
from typing import Any

import pytest

from probes import Observation, find
from probes._machinery.requests import HttpReply, HttpRequest
from probes._machinery.runner import Runner, run
from tests.servers.netdata_replay import ANSWERS, NetdataReplay

NOW = 1_795_207_144.0
DATE = "Fri, 20 Nov 2026 20:39:04 GMT"
PARENT = "11111111-1111-11f0-8001-000000000001"
CHILD1 = "22222222-2222-11f0-8002-000000000002"
CHILD2 = "33333333-3333-11f0-8003-000000000003"


@pytest.fixture
def modern(netdata_replay: NetdataReplay) -> NetdataReplay:
    """A parent of version 2.10 with two children."""
    netdata_replay.answer("/api/v1/info", "v2.10/v1_info")
    netdata_replay.answer("/api/v1/allmetrics", "v2.10/v1_allmetrics_filter")
    netdata_replay.answer("/api/v1/data", "v2.10/v1_data_system.cpu")
    netdata_replay.answer("/api/v3/data", "v2.10/v3_data_multi_inst")
    netdata_replay.answer("/api/v3/alert_transitions", "v2.10/v3_alert_transitions")
    for guid in (CHILD1, CHILD2):
        netdata_replay.answer(f"/host/{guid}/api/v1/allmetrics", "v2.10/child_v1_allmetrics_filter")
        netdata_replay.answer(f"/host/{guid}/api/v1/info", "v2.10/v1_info")
    return netdata_replay


def look(replay: NetdataReplay, previous: Observation | None = None, now: float = NOW, **more: Any) -> Observation:
    return run("netdata", {"url": replay.url, "timeout": 2, **more}, now=now, previous=previous)


def test_a_modern_agent_is_read_by_name(modern: NetdataReplay) -> None:
    seen = look(modern)
    assert seen.status == "ok", seen.message
    assert (seen.facts["netdata_version"], seen.facts["machine_guid"]) == ("v2.10.4", PARENT)
    row = json.loads((ANSWERS / "v2.10/v1_data_system.cpu.body").read_bytes())["data"][0][1:]
    assert seen.values["cpu_percent"] == pytest.approx(sum(row))
    assert seen.values["memory_percent"] == pytest.approx(100 * 626.7695312 / 24105.5625, rel=0.1)
    assert seen.values["disk_percent"] == pytest.approx(57.5, abs=0.5)  # reserved for root left out, as df does
    assert seen.values["network_rx_rate"] == 0
    assert seen.values["netdata_critical"] == 0


def test_many_children_of_a_modern_parent_share_what_it_says_of_all(modern: NetdataReplay) -> None:
    runner, seen = Runner(), dict[str, Observation]()
    try:
        for guid in (CHILD1, CHILD2):
            runner.start(find("netdata")({"url": modern.url, "machine_guid": guid}, NOW, None), guid, 10.0)
        while len(seen) < 2:
            seen |= dict(runner.run_once(1.0))
    finally:
        runner.close()
    body = json.loads((ANSWERS / "v2.10/v3_data_multi_inst.body").read_bytes())
    points = zip(body["view"]["dimensions"]["ids"], body["result"]["data"][0][1:], strict=True)
    cpu = sum(point[0] for name, point in points if name.endswith(f"system.cpu,{CHILD1}"))
    assert seen[CHILD1].values["cpu_percent"] == pytest.approx(cpu)
    assert {one.status for one in seen.values()} == {"ok"}
    assert modern.count("/api/v3/data") == 1
    assert sum(path.startswith("/api/v1/info") for path in modern.asked) == 1
    assert all(headers["connection"] == "keep-alive" for headers in modern.headers)


def test_what_was_learned_is_not_asked_again_until_the_version_changes(modern: NetdataReplay) -> None:
    first = look(modern, machine_guid=CHILD1)
    modern.asked.clear()
    second = look(modern, first, NOW + 1, machine_guid=CHILD1)
    assert second.status == "ok"
    assert [path.partition("?")[0] for path in modern.asked] == [
        f"/host/{CHILD1}/api/v1/allmetrics", "/api/v3/data", "/api/v3/alert_transitions",
    ]  # fmt: skip
    path = f"/host/{CHILD1}/api/v1/allmetrics"
    modern.answers[path] = modern.answers[path].replace(b"Server v2.10.4", b"Server v2.11.0")
    third = look(modern, second, NOW + 2, machine_guid=CHILD1)
    modern.asked.clear()
    look(modern, third, NOW + 3, machine_guid=CHILD1)
    assert modern.asked[0] == "/api/v1/info"


def test_a_protected_agent_is_known_by_its_version_and_says_what_it_wants(modern: NetdataReplay) -> None:
    refusal = b"You need to be authorized to access this resource"
    for path in list(modern.answers):
        modern.say(path, 412, refusal)
    modern.answer("/api/v3/info", "v2.10/v3_info")
    seen = look(modern)
    assert seen.status == "unknown"
    assert seen.message == "Netdata v2.10.4 refused: HTTP 412 (it wants a bearer token: set api_key)"
    assert seen.facts["streaming_status"] == "error"


@pytest.mark.parametrize("status", [401, 403, 412, 451, 503])
@pytest.mark.parametrize("where", ["info", "metrics"])
def test_a_refusal_is_unknown_and_named(modern: NetdataReplay, status: int, where: str) -> None:
    modern.say("/api/v1/info" if where == "info" else "/api/v1/allmetrics", status, b"no")
    if where == "info" and status == 412:
        modern.say("/api/v1/allmetrics", 412, b"no")
    seen = look(modern)
    assert seen.status == "unknown"
    assert f"HTTP {status}" in seen.message
    assert seen.facts["cpu_percent"] is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"system.cpu": 5}', b"\xff\xfe", b"null"])
def test_an_answer_that_is_not_netdatas_is_unknown(modern: NetdataReplay, body: bytes) -> None:
    modern.say("/api/v1/allmetrics", 200, body)
    assert look(modern).status == "unknown"
    modern.say("/api/v1/info", 200, body)
    seen = look(modern)
    assert (seen.status, "not Netdata's" in seen.message) == ("unknown", True)


def test_an_agent_without_data_yet_is_unknown(modern: NetdataReplay) -> None:
    modern.say("/api/v1/allmetrics", 200, b"{}")
    seen = look(modern)
    assert (seen.status, seen.facts["streaming_status"]) == ("unknown", "pending")


def test_without_ten_seconds_of_load_the_last_one_counts(modern: NetdataReplay) -> None:
    modern.say("/api/v1/allmetrics", 200, json.dumps(charts()).encode())
    modern.say("/api/v1/data", 404, b"No metrics where matched to query.")
    assert look(modern).values["cpu_percent"] == pytest.approx(100 - 87.3737374)
    modern.say("/api/v1/data", 200, b'{"labels":["time","no data"],"data":[]}')
    assert look(modern).values["cpu_percent"] == pytest.approx(100 - 87.3737374)
    modern.say("/api/v1/data", 200, b'{"labels":["time","user","iowait"],"data":[[1795207144,60.5,null]]}')
    assert look(modern).values["cpu_percent"] == 60.5


def test_what_is_sent_is_negative_in_netdata_and_counted_in_kilobits(modern: NetdataReplay) -> None:
    found = charts()
    found["system.net"]["dimensions"] = {"InOctets": {"value": 80.0}, "OutOctets": {"value": -8.0}}
    modern.say("/api/v1/allmetrics", 200, json.dumps(found).encode())
    seen = look(modern)
    assert (seen.values["network_rx_rate"], seen.values["network_tx_rate"]) == (10_000, 1_000)


def test_a_first_row_of_zeros_is_no_measurement(modern: NetdataReplay) -> None:
    found = charts()
    for dimension in found["system.ram"]["dimensions"].values():
        dimension["value"] = 0
    modern.say("/api/v1/allmetrics", 200, json.dumps(found).encode())
    seen = look(modern)
    assert seen.status == "ok"
    assert seen.values["memory_percent"] is None and seen.values["cpu_percent"] is None


def test_missing_charts_are_null_and_never_zero(modern: NetdataReplay) -> None:
    modern.say("/api/v1/allmetrics", 200, json.dumps({"system.cpu": charts()["system.cpu"]}).encode())
    seen = look(modern)
    assert seen.values["disk_percent"] is None and seen.values["network_rx_rate"] is None
    assert seen.facts["container_count"] is None and seen.values["containers_unhealthy"] is None


def test_a_server_its_parent_does_not_know_is_gone_once_that_has_settled(modern: NetdataReplay) -> None:
    stranger = "99999999-2222-2222-2222-222222222222"
    for path in ("allmetrics", "info", "data", "chart"):
        modern.answer(f"/host/{stranger}/api/v1/{path}", "v2.10/err_unknown_host")
    modern.say("/api/v1/data", 200, b'{"labels":["time","uptime"],"data":[[1795207144,119]]}')
    young = look(modern, machine_guid=stranger)
    assert (young.status, young.facts["streaming_status"]) == ("unknown", "pending")
    assert "the parent started only 119 s ago" in young.message
    modern.say("/api/v1/data", 200, b'{"labels":["time","uptime"],"data":[[1795207144,120]]}')
    gone = look(modern, young, machine_guid=stranger)
    assert (gone.status, gone.facts["streaming_status"]) == ("critical", "pending")
    assert gone.message == "the server is gone: the parent has no database for it; its parent does not list it"


def test_a_parent_that_hides_its_age_is_trusted_after_two_minutes(modern: NetdataReplay) -> None:
    stranger = "99999999-2222-2222-2222-222222222222"
    del modern.answers["/api/v1/data"]
    doubtful = look(modern, machine_guid=stranger)
    assert doubtful.status == "unknown"
    assert look(modern, doubtful, NOW + 60, machine_guid=stranger).status == "unknown"
    assert look(modern, doubtful, NOW + 121, machine_guid=stranger).status == "critical"


@pytest.mark.parametrize(
    ("advanced", "age", "status"),
    [
        (60, 0, "ok"),  # in step, fresh
        (60, 40, "ok"),  # in step, its clock behind
        (59, -300, "ok"),  # its clock ahead
        (0, -300, "critical"),  # its clock ahead, and dead: its data will look fresh for five minutes
        (10, 50, "critical"),  # it stopped soon after the last look
        (40, 20.5, "critical"),  # it stopped a moment ago: certain after a second look
        (0, 60, "critical"),
    ],
)
def test_old_data_is_a_dead_server_or_a_slow_clock(
    modern: NetdataReplay, monkeypatch: pytest.MonkeyPatch, advanced: float, age: float, status: str
) -> None:
    monkeypatch.setattr("probes.netdata._SECOND_LOOK", 0.01)
    monkeypatch.setattr("probes.netdata._CERTAIN", 0.01)
    modern.say("/api/v1/data", 200, b'{"data":[[1795207144,5000]]}')
    facts = {"last_updated": NOW - age - advanced, "looked_at": NOW - 60, "agent_version": "v2.10.4"}
    found = {name: {**chart, "last_updated": NOW - age} for name, chart in charts().items()}
    modern.say(f"/host/{CHILD1}/api/v1/allmetrics", 200, json.dumps(found).encode())
    seen = look(modern, Observation("ok", facts=facts), machine_guid=CHILD1)
    assert seen.status == status, seen.message
    if abs(age) == 40:
        assert "its clock is 40 s behind Netdata's" in seen.message
    if status == "critical":
        assert f"its data is {60 if advanced == 0 else age:.0f} s old" in seen.message
        assert seen.facts["status"] == "unreachable"


def test_an_agent_that_writes_a_row_a_minute_is_not_dead(modern: NetdataReplay) -> None:
    found = {name: {**chart, "last_updated": NOW - 55} for name, chart in charts().items()}
    modern.say(f"/host/{CHILD1}/api/v1/allmetrics", 200, json.dumps(found).encode())
    modern.say(f"/host/{CHILD1}/api/v1/chart", 200, b'{"update_every": 60}')
    seen = look(modern, machine_guid=CHILD1)
    assert (seen.status, seen.facts["update_every"]) == ("ok", 60)
    modern.asked.clear()
    assert look(modern, seen, NOW + 10, machine_guid=CHILD1).status == "ok"
    assert modern.count("/chart?") == 0


@pytest.mark.parametrize("at", [NOW - 40, NOW + 300])
def test_data_of_another_time_at_a_first_look_is_looked_at_twice(at: float) -> None:
    def reply(written: float) -> HttpReply:
        found = {name: {**chart, "last_updated": written} for name, chart in charts().items()}
        return HttpReply(200, {"date": DATE}, json.dumps(found).encode())

    def conclude(newer: float) -> Observation:
        asking = find("netdata")({"url": "http://a.example", "machine_guid": CHILD1}, NOW, None)
        looks, request = [reply(at), reply(newer)], next(asking)
        info = HttpReply(200, {}, (ANSWERS / "v1.37/parent_info.body").read_bytes())
        uptime = HttpReply(200, {}, b'{"data": [[1, 5000]]}')
        try:
            while True:
                if not isinstance(request, HttpRequest):
                    request = asking.send(None)
                elif "allmetrics" in request.url:
                    request = asking.send(looks.pop(0))
                elif "uptime" in request.url:
                    request = asking.send(uptime)
                else:
                    request = asking.send(info if "/info" in request.url else HttpReply(404))
        except StopIteration as end:
            found: Observation = end.value
            return found

    assert conclude(at + 3).status == "ok"
    assert conclude(at).status == "critical"


def test_old_data_that_cannot_be_looked_at_again_tells_nothing() -> None:
    found = {name: {**chart, "last_updated": NOW - 40} for name, chart in charts().items()}
    asking = find("netdata")({"url": "http://a.example", "machine_guid": CHILD1}, NOW, None)
    replies = [HttpReply(200, {"date": DATE}, json.dumps(found).encode()), HttpReply(503)]
    info = HttpReply(200, {}, (ANSWERS / "v1.37/parent_info.body").read_bytes())
    request: Any = next(asking)
    with pytest.raises(StopIteration) as end:
        while True:
            is_metrics = isinstance(request, HttpRequest) and "allmetrics" in request.url
            is_info = isinstance(request, HttpRequest) and "/info" in request.url
            other = HttpReply(200, {}, b'{"data": [[1, 5000]]}') if isinstance(request, HttpRequest) else None
            request = asking.send(replies.pop(0) if is_metrics else info if is_info else other)
    assert end.value.value.status == "unknown"


def test_a_proxy_in_the_parents_place_tells_nothing_of_its_children(modern: NetdataReplay) -> None:
    first = look(modern, machine_guid=CHILD1)
    assert first.status == "ok"
    modern.answers.clear()  # from now on everything is 404
    seen = look(modern, first, NOW + 60, machine_guid=CHILD1)
    later = look(modern, seen, NOW + 600, machine_guid=CHILD1)
    assert (seen.status, later.status) == ("unknown", "unknown")
    assert "no Netdata (HTTP 404)" in seen.message


def test_an_old_parent_is_asked_for_each_child(netdata_replay: NetdataReplay) -> None:
    netdata_replay.answer("/api/v1/info", "v1.37/parent_info")
    netdata_replay.answer(f"/host/{CHILD1}/api/v1/info", "v1.37/child_info")
    netdata_replay.answer(f"/host/{CHILD1}/api/v1/allmetrics", "v1.37/child_allmetrics_filter")
    seen = look(netdata_replay, machine_guid=CHILD1.upper())
    assert (seen.status, seen.facts["netdata_version"]) == ("ok", "v1.37.1"), seen.message
    assert seen.values["disk_percent"] is not None  # `disk_space._`, as agents before 2.0 call it
    assert netdata_replay.count("/api/v3") == netdata_replay.count("/api/v2") == 0


def charts() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ANSWERS / "v2.10/child_v1_allmetrics_filter.body").read_bytes())
    return {name: {**chart, "last_updated": NOW} for name, chart in found.items()}


def test_a_lone_agent_that_collects_nothing_is_not_a_server_that_is_gone(modern: NetdataReplay) -> None:
    found = {name: {**chart, "last_updated": NOW - 60} for name, chart in charts().items()}
    modern.say("/api/v1/allmetrics", 200, json.dumps(found).encode())
    before = Observation("ok", facts={"last_updated": NOW - 60, "looked_at": NOW - 60, "agent_version": "v2.10.4"})
    seen = look(modern, before)
    assert (seen.status, seen.message) == ("unknown", "Netdata answers, but its data is 60 s old")


def test_an_upgrade_that_numbers_alarms_anew_makes_no_old_alarm_news(modern: NetdataReplay) -> None:
    old = {"gi": 1791644633516394, "alert": "disk", "instance": "d", "when": 1, "units": "%",
           "new": {"status": "CRITICAL", "value": 1}, "old": {"status": "CLEAR", "value": 1}}  # fmt: skip
    modern.say("/api/v3/alert_transitions", 200, json.dumps({"transitions": [old]}).encode())
    facts = {"netdata_api": 1, "netdata_alert_id": 1795239798, "last_updated": NOW, "looked_at": NOW}
    seen = look(modern, Observation("ok", facts=facts))
    assert (seen.status, seen.facts["netdata_alerts"]) == ("ok", [])
    assert seen.facts["netdata_alert_id"] == 1791644633516394


def test_containers_that_must_run_and_cannot_be_seen_are_said_to_be_unknown(modern: NetdataReplay) -> None:
    seen = look(modern, containers=["shop_*"])
    assert seen.message.endswith("; containers unknown: its Netdata shows none")
    assert seen.values["containers_unhealthy"] is None


def test_looking_often_at_a_dead_server_does_not_keep_it_alive(modern: NetdataReplay) -> None:
    """Its clock is ahead, and each look alone sees data that has not moved for only five seconds."""
    found = {name: {**chart, "last_updated": NOW + 300} for name, chart in charts().items()}
    modern.say(f"/host/{CHILD1}/api/v1/allmetrics", 200, json.dumps(found).encode())
    modern.say("/api/v1/data", 200, b'{"data":[[1795207144,5000]]}')
    seen, told = Observation("ok", facts={"last_updated": NOW + 300, "looked_at": NOW, "agent_version": "v2.10.4"}), []
    for number in range(9):
        seen = look(modern, seen, NOW + 5 * number, machine_guid=CHILD1) if number not in (4, 5, 6) else seen
        told.append(seen.status)
    assert told[:4] == ["ok"] * 4
    assert told[-1] == "critical"
