"""Kind `netdata` against real agents, alone and behind a parent, and against answers other versions gave."""

import json
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import psutil
import pytest

from probes import Observation, find
from probes._machinery.requests import HttpReply, HttpRequest, Request, Sleep
from probes._machinery.runner import check_config, run
from tests.servers.http_target import HttpTarget
from tests.servers.netdata import NetdataAgent, NetdataFamily
from tests.waiting import wait_until

ANSWERS = Path(__file__).parent / "netdata_answers"
NOW = 1_795_207_144.0
SUMMARY = {
    "cpu_percent", "memory_percent", "memory_used_bytes", "memory_total_bytes", "disk_percent", "disk_used_bytes",
    "disk_total_bytes", "network_rx_rate", "network_tx_rate", "container_count", "containers_healthy",
    "containers_unhealthy", "status", "queried_at",
}  # fmt: skip


def look(agent: NetdataAgent, previous: Observation | None = None, **more: Any) -> Observation:
    return run("netdata", {"url": agent.url, "timeout": 2, **more}, previous=previous)


def test_a_healthy_agent_is_measured(netdata_agent: NetdataAgent) -> None:
    def measured() -> Observation | None:
        seen = look(netdata_agent)
        # An agent looks at disks only some seconds after its start.
        return seen if seen.values.get("disk_percent") is not None else None

    seen = wait_until(measured, 60, "an observation with the disk")
    assert seen.status == "ok"
    assert set(seen.facts) >= SUMMARY
    assert seen.facts["netdata_version"].startswith("v")
    memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
    assert seen.values["memory_total_bytes"] == pytest.approx(memory.total, rel=0.02)
    assert seen.values["disk_percent"] == pytest.approx(100 * disk.used / (disk.used + disk.free), abs=3)
    assert 0 <= seen.values["cpu_percent"] <= 100
    assert 0 < seen.values["memory_percent"] < 100


def test_thresholds_colour_the_summary_and_leave_the_check_ok(netdata_agent: NetdataAgent) -> None:
    seen = look(netdata_agent, thresholds={"memory": [0, 100], "cpu": [100.1, 100.1], "disk": [100.1, 100.1]})
    assert (seen.status, seen.facts["status"]) == ("ok", "warning")
    seen = look(netdata_agent, thresholds={"memory": [0, 0], "cpu": [100.1, 100.1], "disk": [100.1, 100.1]})
    assert (seen.status, seen.facts["status"]) == ("ok", "critical")
    assert "(critical)" in seen.message


def test_a_killed_agent_is_critical_at_the_first_look(fresh_netdata_agent: NetdataAgent) -> None:
    before = look(fresh_netdata_agent)
    fresh_netdata_agent.kill()
    gone = look(fresh_netdata_agent, before)
    assert (gone.status, gone.facts["status"]) == ("critical", "unreachable")
    assert "connection refused" in gone.message
    assert gone.facts["netdata_version"] == before.facts["netdata_version"]
    assert gone.facts["cpu_percent"] is None
    fresh_netdata_agent.start().wait_data()
    assert look(fresh_netdata_agent, gone).status == "ok"


def test_a_frozen_agent_is_critical_by_the_deadline(fresh_netdata_agent: NetdataAgent) -> None:
    fresh_netdata_agent.freeze()
    began = time.monotonic()
    seen = look(fresh_netdata_agent, timeout=1)
    assert time.monotonic() - began < 2
    assert (seen.status, seen.facts["status"]) == ("critical", "unreachable")
    assert "no answer within 1 s" in seen.message
    fresh_netdata_agent.thaw()
    assert wait_until(lambda: look(fresh_netdata_agent).status == "ok", 60, "back again")


def test_a_child_is_seen_by_its_parent_and_missed_once_the_parent_has_settled(netdata_family: NetdataFamily) -> None:
    parent, child = netdata_family.parent, netdata_family.add_child("web-1")
    seen = look(parent, machine_guid=child.guid.upper())
    assert seen.status == "ok", seen.message
    assert seen.facts["netdata_version"].startswith("v")
    child.freeze()

    def silent() -> bool:
        status, body = parent.get(f"/host/{child.guid}/api/v1/allmetrics?format=json&filter=system.ram")
        return status == 200 and time.time() - json.loads(body)["system.ram"]["last_updated"] > 17

    wait_until(silent, 60, "the child's data is old")
    missed = look(parent, seen, machine_guid=child.guid)
    assert missed.status == "unknown"  # the parent is younger than its children's way back
    assert "the parent started only" in missed.message
    child.thaw()
    assert wait_until(lambda: look(parent, missed, machine_guid=child.guid).status == "ok", 60, "back again")


def test_a_child_the_parent_never_saw_is_not_blamed_while_the_parent_is_young(netdata_agent: NetdataAgent) -> None:
    seen = look(netdata_agent, machine_guid="00000000-0000-0000-0000-000000000001")
    assert seen.status in ("unknown", "critical")
    assert "the parent has no database for it" in seen.message


def test_a_parent_that_is_away_is_nobodys_death(netdata_agent: NetdataAgent) -> None:
    url = "http://127.0.0.1:1"
    seen = run("netdata", {"url": url, "machine_guid": netdata_agent.guid})
    assert (seen.status, seen.facts["status"]) == ("unknown", "unreachable")
    assert "the Netdata parent does not answer" in seen.message


@pytest.mark.parametrize("status", [401, 403, 412, 451, 503])
def test_a_refusal_is_unknown_and_named(http_target: HttpTarget, status: int) -> None:
    http_target.documents.clear()
    seen = answered(HttpReply(status, body=b"You need to be authorized"))
    assert seen.status == "unknown"
    assert f"HTTP {status}" in seen.message


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"system.cpu": 5}', b"\xff\xfe", b"null"])
def test_an_answer_that_is_not_netdatas_is_unknown(body: bytes) -> None:
    assert answered(HttpReply(200, body=body)).status == "unknown"


def test_an_agent_without_data_yet_is_unknown() -> None:
    assert "no data yet" in answered(HttpReply(200, body=b"{}")).message


def test_another_versions_answer_is_read_by_name() -> None:
    seen = answered(_reply("v2.10-allmetrics.json"), HttpReply(404, body=b"No metrics where matched to query."))
    assert seen.status == "ok"
    assert seen.facts["netdata_version"] == "v2.10.4"
    assert seen.values["cpu_percent"] == pytest.approx(100 - 87.3737374)  # no row of ten seconds: the last one
    assert seen.values["memory_percent"] == pytest.approx(100 * 626.7695312 / 24105.5625)
    assert seen.values["disk_percent"] == pytest.approx(57.48, abs=0.01)  # reserved for root left out, as df does
    assert seen.values["network_rx_rate"] == 0


def test_the_processor_is_the_sum_of_ten_seconds() -> None:
    row = b'{"labels":["time","user","system","iowait"],"data":[[1795207144,60.5,20.25,null]]}'
    assert answered(_reply("v2.10-allmetrics.json"), HttpReply(200, body=row)).values["cpu_percent"] == 80.75
    empty = b'{"labels":["time","no data"],"data":[]}'
    assert answered(_reply("v2.10-allmetrics.json"), HttpReply(200, body=empty)).values["cpu_percent"] is not None


def test_what_is_sent_is_negative_in_netdata_and_counted_in_kilobits() -> None:
    charts = _charts()
    charts["system.net"]["dimensions"] = {"InOctets": {"value": 80.0}, "OutOctets": {"value": -8.0}}
    seen = answered(_reply(charts))
    assert (seen.values["network_rx_rate"], seen.values["network_tx_rate"]) == (10_000, 1_000)


def test_a_first_row_of_zeros_is_no_measurement() -> None:
    charts = _charts()
    for dimension in charts["system.ram"]["dimensions"].values():
        dimension["value"] = 0
    seen = answered(_reply(charts))
    assert seen.status == "ok"
    assert seen.values["memory_percent"] is None and seen.values["cpu_percent"] is None


def test_missing_charts_are_null_and_never_zero() -> None:
    charts = {"system.cpu": _charts()["system.cpu"]}
    seen = answered(_reply(charts))
    assert seen.values["disk_percent"] is None and seen.values["network_rx_rate"] is None
    assert seen.facts["container_count"] is None


def test_containers_are_counted_and_stopped_ones_are_not() -> None:
    charts = _charts() | json.loads((ANSWERS / "v1.37-allmetrics-containers.json").read_text())
    for name, chart in charts.items():
        chart["last_updated"] = NOW - (600 if name.startswith("cgroup_nonet") else 0)
    assert answered(_reply(charts)).facts["container_count"] == 3


def test_old_data_is_a_server_that_is_gone() -> None:
    previous = _previous(last_updated=NOW - 50, looked_at=NOW - 60)
    seen = answered(_reply(_charts(at=NOW - 40)), previous=previous)
    assert (seen.status, seen.facts["status"]) == ("critical", "unreachable")
    assert seen.message == "the server is gone: its data is 40 s old"


def test_data_that_goes_on_in_step_is_a_clock_that_is_behind() -> None:
    previous = _previous(last_updated=NOW - 100, looked_at=NOW - 60)
    seen = answered(_reply(_charts(at=NOW - 40)), previous=previous)
    assert seen.status == "ok"
    assert "its clock is 40 s behind Netdata's" in seen.message


def test_a_clock_ahead_is_alive() -> None:
    assert answered(_reply(_charts(at=NOW + 300))).status == "ok"


def test_old_data_at_a_first_look_is_looked_at_twice() -> None:
    old, newer = _reply(_charts(at=NOW - 40)), _reply(_charts(at=NOW - 37))
    assert answered(old, None, newer).status == "ok"
    assert answered(old, None, old).status == "critical"


def test_a_key_goes_to_the_server_named_and_no_further() -> None:
    asking = find("netdata")({"url": "http://a.example/", "api_key": "s3cr3t"}, NOW, None)
    request = next(asking)
    assert isinstance(request, HttpRequest)
    assert request.headers == {"Authorization": "Bearer s3cr3t"}
    assert not request.follow_redirects
    assert request.url.startswith("http://a.example/api/v1/allmetrics?")


def test_faults_name_the_key_and_no_secret() -> None:
    assert check_config("netdata", {"url": "http://a.example:19999"}) == []
    faults = check_config("netdata", {"url": "https://a.example", "machine_guid": "web-1", "api_key": "a\nb", "x": 1})
    assert {fault.pointer for fault in faults} == {"", "/machine_guid", "/api_key"}
    assert "a\nb" not in repr(faults) and "a\\nb" not in repr(faults)
    assert "expected http or https" in check_config("netdata", {"url": "ssh://a.example"})[0].message


def answered(*replies: HttpReply | None, previous: Observation | None = None) -> Observation:
    """What the probe concludes when its questions are answered so, in order; what is asked beyond that fails."""
    asking = find("netdata")({"url": "http://a.example"}, NOW, previous)
    left = list(replies)
    try:
        request: Request = next(asking)
        while True:
            given = left.pop(0) if left else HttpReply(error="no more answers")
            assert isinstance(request, Sleep) == (given is None), request
            request = asking.send(given)
    except StopIteration as end:
        observation: Observation = end.value
        return observation


def _charts(at: float = NOW) -> dict[str, Any]:
    charts: dict[str, Any] = json.loads((ANSWERS / "v2.10-allmetrics.json").read_text())
    return {name: {**chart, "last_updated": at} for name, chart in charts.items()}


def _reply(charts: dict[str, Any] | str) -> HttpReply:
    body = json.dumps(charts).encode() if isinstance(charts, dict) else (ANSWERS / charts).read_bytes()
    headers = {"date": formatdate(NOW, usegmt=True), "server": "Netdata Embedded HTTP Server v2.10.4"}
    return HttpReply(200, headers, body)


def _previous(last_updated: float, looked_at: float) -> Observation:
    return Observation("ok", facts={"last_updated": last_updated, "looked_at": looked_at, "netdata_version": "v2"})
