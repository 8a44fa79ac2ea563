"""What Netdata posts: real agents' alarms as captured, and Cloud's webhook as its documentation has it."""

import json
from pathlib import Path
from typing import Any

import pytest

import schemas
from alerting.config import Hook
from alerting.sources import Report, netdata

HOOK = Hook("nd", "acme", "netdata")
FOLDER = Path(__file__).parent / "netdata_webhooks"
CAPTURED = {
    version: [json.loads(line) for line in (FOLDER / f"{version}.jsonl").read_text("utf-8").splitlines()]
    for version in ("1.37", "2.10")
}
CLOUD = {
    "message": "disk_space_usage is critical on web-1",
    "alert": "disk_space_usage",
    "info": "disk space utilization of mount point /",
    "chart": "disk_space._",
    "context": "disk.space",
    "space": "acme",
    "Rooms": {"prod": "https://app.netdata.cloud/spaces/acme/rooms/prod"},
    "family": "/",
    "class": "Utilization",
    "severity": "critical",
    "date": "2027-01-15T07:58:00Z",
    "duration": "2m",
    "additional_active_critical_alerts": 0,
    "additional_active_warning_alerts": 1,
    "alert_url": "https://app.netdata.cloud/spaces/acme/alerts/1",
}
REACHABILITY = {
    "message": "Node web-1 is unreachable",
    "url": "https://app.netdata.cloud/spaces/acme/nodes/1",
    "host": "web-1",
    "severity": "critical",
    "status": {"reachable": False, "text": "unreachable"},
}


def report(payload: dict[str, Any], **changed: Any) -> Report:
    payload = {**payload, **changed}
    assert schemas.faults("sources/netdata", payload) == []
    (found,) = netdata.reports(payload, HOOK)
    return found


@pytest.mark.parametrize("version", CAPTURED)
def test_every_capture_of_a_real_agent_is_read(version: str) -> None:
    found = [report(payload) for payload in CAPTURED[version]]
    assert len({one.id for one in found}) == 2  # one alarm on each of two hosts, however often it changed
    levels = {"WARNING": 2, "CRITICAL": 3, "CLEAR": 0}
    assert [one.level for one in found] == [levels[payload["status"]] for payload in CAPTURED[version]]
    for one, payload in zip(found, CAPTURED[version], strict=True):
        assert one.title == f"test_cpu_low on {payload['host']}"
        assert one.at == float(payload["when"]) and one.number == int(payload["event_id"])
        assert one.url.startswith("https://registry.my-netdata.io/")
        assert payload["host"] in one.names


def test_an_alarm_says_what_is_wrong_and_since_when() -> None:
    raised = report(CAPTURED["1.37"][2])
    assert raised.message == "test cpu low = 79.4%: TEST average CPU utilization over the last 10 s, quoted info"
    assert raised.started_at == 1795208346 - 5  # it was a warning for five seconds before
    assert raised.labels["chart"] == "system.cpu" and raised.labels["alertname"] == "test_cpu_low"


def test_an_alarm_is_the_same_after_the_agent_was_started_anew() -> None:
    first = CAPTURED["1.37"][1]
    assert report(first).id == report(first, alarm_id="7", unique_id="8", event_id="1").id
    assert report(first).id != report(first, chart="system.load").id
    assert report(first).id != report(first, machine_guid="33333333-2222-11f0-8002-000000000002").id


@pytest.mark.parametrize(
    ("status", "level"),
    [("WARNING", 2), ("CRITICAL", 3), ("CLEAR", 0), ("REMOVED", 0), ("UNDEFINED", None), ("UNINITIALIZED", None)],
)
def test_each_status_of_an_alarm(status: str, level: int | None) -> None:
    assert report(CAPTURED["2.10"][0], status=status).level == level


def test_numbers_may_come_as_numbers() -> None:
    found = report(CAPTURED["2.10"][0], when=1795208805, event_id=25, value=26, non_clear_duration=3)
    assert (found.at, found.number, found.started_at) == (1795208805.0, 25, 1795208802.0)


def test_clouds_webhook() -> None:
    found = report(CLOUD)
    assert (found.title, found.level, found.names) == ("disk_space_usage on web-1", 3, ("web-1",))
    assert found.message == "disk_space_usage is critical on web-1: disk space utilization of mount point /"
    assert found.at == found.started_at == 1_800_000_000 - 120
    assert found.url == "https://app.netdata.cloud/spaces/acme/alerts/1"
    over = report(CLOUD, severity="clear", message="disk_space_usage recovered on web-1")
    assert (over.id, over.level) == (found.id, 0)
    assert report(CLOUD, message="disk_space_usage is critical on web-2").id != found.id
    older = {key: value for key, value in CLOUD.items() if key not in ("alert", "alert_url")}
    again = report(older, alarm="disk_space_usage", alarm_url="https://app.netdata.cloud/x", severity="warning")
    assert (again.id, again.level, again.url) == (found.id, 2, "https://app.netdata.cloud/x")


@pytest.mark.parametrize(
    ("message", "host"),
    [
        ("ram_in_use is critical on node db-1.acme.example.", "db-1.acme.example"),
        ("db-1 needs attention, ram_in_use on chart system.ram", "db-1"),
        ("something happened", ""),
        ("", ""),
    ],
)
def test_the_host_that_cloud_names_in_a_sentence_alone(message: str, host: str) -> None:
    assert report(CLOUD, message=message).names == ((host,) if host else ())


def test_clouds_reachability() -> None:
    gone = report(REACHABILITY)
    assert (gone.level, gone.title, gone.names) == (3, "web-1 is unreachable for Netdata Cloud", ("web-1",))
    back = report(REACHABILITY, severity="info", status={"reachable": True, "text": "reachable"})
    assert (back.id, back.level) == (gone.id, 0)


def test_clouds_test_carries_a_token_and_no_alert() -> None:
    payload = {"title": "Test", "message": "Test notification", "token": "a1b2c3"}
    assert schemas.faults("sources/netdata", payload) == []
    assert netdata.reports(payload, HOOK) == [] and netdata.verification_token(payload) == "a1b2c3"
    assert netdata.verification_token(CLOUD) is None


@pytest.mark.parametrize(
    ("payload", "pointer", "words"),
    [
        ({}, "", "expected an alert of a Netdata agent"),
        ([], "", "is not of type 'object'"),
        ({**CAPTURED["2.10"][0], "status": "ODD"}, "/status", "is not one of"),
        ({**CAPTURED["2.10"][0], "host": ""}, "/host", "should be non-empty"),
        ({"status": "CLEAR"}, "", "'host' is a required property"),
        ({**CLOUD, "severity": "odd"}, "/severity", "is not one of"),
        ({**REACHABILITY, "status": {"reachable": "yes"}}, "/status/reachable", "is not of type 'boolean'"),
        ({"token": 7}, "/token", "is not of type 'string'"),
    ],
)
def test_what_is_none_of_these_is_a_fault_in_its_place(payload: Any, pointer: str, words: str) -> None:
    found = schemas.faults("sources/netdata", payload)
    assert any(fault.pointer == pointer and words in fault.message for fault in found), found
