"""Kind `netdata` against real agents: alone, and two that stream to a parent; killed, frozen, started anew."""

import time
from collections.abc import Mapping
from typing import Any

import psutil
import pytest

from probes import Observation, find
from probes._machinery.requests import HttpRequest
from probes._machinery.runner import Runner, check_config, run
from tests.servers.netdata import NetdataAgent, NetdataFamily
from tests.waiting import wait_until

SUMMARY = {
    "cpu_percent", "memory_percent", "memory_used_bytes", "memory_total_bytes", "disk_percent", "disk_used_bytes",
    "disk_total_bytes", "network_rx_rate", "network_tx_rate", "container_count", "containers_healthy",
    "containers_unhealthy", "status", "queried_at",
}  # fmt: skip


def look(agent: NetdataAgent, previous: Observation | None = None, **more: Any) -> Observation:
    return run("netdata", {"url": agent.url, "timeout": 2, **more}, previous=previous)


def look_at(family: NetdataFamily, before: Mapping[str, Observation]) -> dict[str, Observation]:
    """All children at once, each by its name, as the scheduler would."""
    runner, seen = Runner(), {}
    try:
        for child in family.children:
            config = {"url": family.parent.url, "machine_guid": child.guid, "timeout": 2}
            runner.start(find("netdata")(config, time.time(), before.get(child.name)), child.name, 60.0)
        while len(seen) < len(family.children):
            seen |= dict(runner.run_once(1.0))
        return seen
    finally:
        runner.close()


def statuses(seen: Mapping[str, Observation]) -> set[str]:
    return {one.status for one in seen.values()}


def test_a_healthy_agent_is_measured(netdata_agent: NetdataAgent) -> None:
    def measured() -> Observation | None:
        seen = look(netdata_agent)
        # An agent looks at disks only some seconds after its start.
        return seen if seen.values.get("disk_percent") is not None else None

    seen = wait_until(measured, 60, "an observation with the disk")
    assert seen.status == "ok"
    assert set(seen.facts) >= SUMMARY
    assert seen.facts["netdata_version"].startswith("v")
    assert (seen.facts["machine_guid"], seen.facts["streaming_status"]) == (netdata_agent.guid, "connected")
    memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
    assert seen.values["memory_total_bytes"] == pytest.approx(memory.total, rel=0.02)
    assert seen.values["disk_percent"] == pytest.approx(100 * disk.used / (disk.used + disk.free), abs=3)
    assert 0 <= (seen.values["cpu_percent"] or 0) <= 100
    assert 0 < (seen.values["memory_percent"] or 0) < 100


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


def test_children_that_die_freeze_and_come_back(netdata_family: NetdataFamily, monkeypatch: pytest.MonkeyPatch) -> None:
    parent, web, db = netdata_family.parent, netdata_family.add_child("web-1"), netdata_family.add_child("db-1")
    well = look_at(netdata_family, {})
    assert statuses(well) == {"ok"}, well
    assert {one.facts["streaming_status"] for one in well.values()} == {"connected"}
    assert {one.facts["machine_guid"] for one in well.values()} == {web.guid, db.guid}
    assert all(one.facts["netdata_version"].startswith("v") for one in well.values())

    web.kill()
    db.freeze()
    monkeypatch.setattr("probes._machinery.netdata_look._STALE_AFTER", 6.0)  # two minutes are not a test's to wait
    monkeypatch.setattr("probes.netdata._CERTAIN", 7.0)
    wait_until(lambda: _age(parent, web) > 7 and _age(parent, db) > 7, 60, "their data is old")
    held = look_at(netdata_family, well)
    assert statuses(held) == {"unknown"}  # the parent is younger than its children's way back
    assert all("the parent started only" in one.message for one in held.values())
    monkeypatch.setattr("probes.netdata._PARENT_SETTLED", 5.0)
    gone = look_at(netdata_family, held)
    assert statuses(gone) == {"critical"}
    assert gone["web-1"].message.startswith("the server is gone: its data is ")
    assert gone["web-1"].message.endswith("it is not connected to its parent")
    assert gone["db-1"].message.endswith("it is frozen, or cut off from the network")
    assert {one.facts["streaming_status"] for one in gone.values()} == {"disconnected"}
    assert {one.facts["status"] for one in gone.values()} == {"unreachable"}

    web.start()
    db.thaw()
    back = wait_until(lambda: _all_ok(netdata_family, gone), 60, "both are back")
    parent.kill()
    away = look_at(netdata_family, back)
    assert statuses(away) == {"unknown"}  # nobody's death but the parent's
    assert all("the Netdata parent does not answer" in one.message for one in away.values())
    assert look(parent).status == "critical"
    monkeypatch.undo()
    parent.start()
    met: set[str] = set()

    def settled() -> bool:
        seen = look_at(netdata_family, away)
        met.update(statuses(seen))
        return statuses(seen) == {"ok"}

    wait_until(settled, 90, "the parent and its children have found each other")
    assert "critical" not in met


def test_a_child_the_parent_never_saw_is_pending(netdata_agent: NetdataAgent) -> None:
    seen = look(netdata_agent, machine_guid="00000000-0000-0000-0000-000000000001")
    assert seen.status in ("unknown", "critical")
    assert "the parent has no database for it" in seen.message
    assert seen.facts["streaming_status"] == "pending"


def test_a_parent_that_is_away_is_nobodys_death(netdata_agent: NetdataAgent) -> None:
    seen = run("netdata", {"url": "http://127.0.0.1:1", "machine_guid": netdata_agent.guid})
    assert (seen.status, seen.facts["status"], seen.facts["streaming_status"]) == ("unknown", "unreachable", "error")
    assert "the Netdata parent does not answer" in seen.message


def test_a_key_goes_to_the_server_named_and_no_further() -> None:
    asking = find("netdata")(
        {"url": "http://a.example/", "api_key": "s3cr3t", "headers": {"X-Team": "acme"}}, 0.0, None
    )
    request = next(asking)
    assert isinstance(request, HttpRequest)
    assert request.headers["Authorization"] == "Bearer s3cr3t"
    assert request.headers["X-Team"] == "acme"
    assert not request.follow_redirects
    assert request.url == "http://a.example/api/v1/info"


def test_faults_name_the_key_and_no_secret() -> None:
    assert check_config("netdata", {"url": "http://a.example:19999"}) == []
    assert check_config("netdata", {"ssh": "ops@a.example:22"}) == []
    faults = check_config("netdata", {"url": "https://a.example", "machine_guid": "web-1", "api_key": "a\nb", "x": 1})
    assert {fault.pointer for fault in faults} == {"", "/machine_guid", "/api_key"}
    assert "a\nb" not in repr(faults) and "a\\nb" not in repr(faults)
    assert "expected http or https" in check_config("netdata", {"url": "ssh://a.example"})[0].message
    assert check_config("netdata", {})
    assert check_config("netdata", {"ssh": "-oProxyCommand=x@a"})


def _age(parent: NetdataAgent, child: NetdataAgent) -> float:
    """How old the parent's data of a child is, in seconds."""
    import json

    status, body = parent.get(f"/host/{child.guid}/api/v1/allmetrics?format=json&filter=system.ram")
    return time.time() - float(json.loads(body)["system.ram"]["last_updated"]) if status == 200 else 0.0


def _all_ok(family: NetdataFamily, before: Mapping[str, Observation]) -> dict[str, Observation] | None:
    seen = look_at(family, before)
    return seen if statuses(seen) == {"ok"} else None
