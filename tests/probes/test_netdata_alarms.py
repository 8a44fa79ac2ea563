"""Netdata's own alarms: nothing that came and went between two looks is missed, and nothing is told twice."""

import json
from typing import Any

import pytest

from probes._machinery.netdata_alarms import alarms, said, shown
from probes._machinery.requests import HttpReply
from probes._machinery.runner import run
from tests.servers.netdata import NetdataAgent
from tests.servers.netdata_replay import ANSWERS
from tests.waiting import wait_until


def entry(number: int, status: str, old: str = "CLEAR", name: str = "cpu") -> dict[str, Any]:
    return {"unique_id": number, "name": name, "chart": "system.cpu", "status": status, "old_status": old,
            "value_string": "97.2&#37;", "when": 1_795_207_000 + number}  # fmt: skip


def log(*entries: dict[str, Any]) -> HttpReply:
    return HttpReply(200, body=json.dumps(list(reversed(entries))).encode())


def test_a_spike_that_came_and_went_is_counted_and_shown() -> None:
    first = alarms(log(entry(1, "CLEAR", "UNINITIALIZED")), None, {})
    assert (first.critical, first.warning, first.last, first.changes) == (0, 0, 1, [])
    spike = alarms(log(entry(2, "WARNING"), entry(3, "CRITICAL", "WARNING"), entry(4, "CLEAR", "CRITICAL")), 1, {})
    assert (spike.critical, spike.warning, spike.last, spike.raised) == (1, 0, 4, {})
    assert [one["status"] for one in shown(spike.changes)] == ["warning", "critical", "clear"]
    assert said(spike.changes) == "Netdata: cpu critical (97.2%)"
    calm = alarms(log(), 4, spike.raised)
    assert (calm.critical, calm.warning, calm.last, calm.changes) == (0, 0, 4, [])


def test_what_is_raised_stays_counted_until_it_is_clear() -> None:
    first = alarms(log(entry(1, "WARNING"), entry(2, "CRITICAL", name="disk")), None, {})
    assert (first.critical, first.warning, first.changes) == (1, 1, [])  # raised before we came: no news, but true
    same = alarms(log(), first.last, first.raised)
    assert (same.critical, same.warning) == (1, 1)
    ended = alarms(log(entry(3, "CLEAR", "WARNING"), entry(4, "REMOVED", "CRITICAL", "disk")), 2, same.raised)
    assert (ended.critical, ended.warning, ended.raised) == (1, 1, {})  # they were, for a part of the time
    assert alarms(log(), 4, ended.raised).warning == 0


def test_an_empty_log_at_first_makes_the_next_entry_news() -> None:
    first = alarms(log(), None, {})
    assert first.last == 0
    assert alarms(log(entry(7, "CRITICAL")), first.last, {}).critical == 1


@pytest.mark.parametrize(
    "reply",
    [
        None,
        HttpReply(error="x"),
        HttpReply(404),
        HttpReply(200, body=b"<html>"),
        HttpReply(200, body=b'[{"x": 1}]'),
        HttpReply(200, body=b"[]", truncated=True),
    ],
)
def test_a_log_that_cannot_be_had_tells_nothing_and_forgets_nothing(reply: HttpReply | None) -> None:
    seen = alarms(reply, 5, {"cpu on system.cpu": "WARNING"})
    assert (seen.critical, seen.warning, seen.last, seen.raised) == (None, None, 5, {"cpu on system.cpu": "WARNING"})


def test_modern_agents_tell_transitions_or_nothing() -> None:
    for name in ("v3_alert_transitions", "v1_alarm_log"):
        body = (ANSWERS / f"v2.10/{name}.body").read_bytes()
        assert alarms(HttpReply(200, body=body), 5, {}).critical == 0
    one = {"gi": 1791644633516394, "alert": "disk_fill", "instance": "disk_space./", "when": 1791644633, "units": "%",
           "new": {"status": "CRITICAL", "value": 98.76543}, "old": {"status": "CLEAR", "value": 10}}  # fmt: skip
    seen = alarms(HttpReply(200, body=json.dumps({"transitions": [one]}).encode()), 5, {})
    assert (seen.critical, seen.last) == (1, 1791644633516394)
    assert said(seen.changes) == "Netdata: disk_fill critical (98.77 %)"


def test_a_real_agents_alarm_is_seen_when_it_is_raised(alarmed_netdata_agent: NetdataAgent) -> None:
    config = {"url": alarmed_netdata_agent.url, "timeout": 2}
    before = run("netdata", config)

    def raised() -> Any:
        nonlocal before
        before = run("netdata", config, previous=before)
        return before if before.values["netdata_warning"] else None

    seen = wait_until(raised, 60, "Netdata's own alarm")
    assert seen.status == "ok"
    assert "low_memory_for_a_test on system.ram" in seen.facts["netdata_raised"]
    quiet = run("netdata", {**config, "own_alarms": False}, previous=seen)
    assert quiet.values["netdata_warning"] is None
