"""Servers seen by Netdata, from what was seen of them to what is told: one trouble is one alert, and named."""

import json
from typing import Any

import pytest

import schemas
from alerting import holds, pipeline
from alerting.config import Config
from alerting.lifecycle import Alert
from alerting.store import alerts, events
from alerting.store.database import reading
from probes import Observation, Status
from tests.alerting.test_config_netdata import FLEET, config_of

NOW = 1_800_000_000.0
WELL: dict[str, Any] = {
    "status": "healthy", "streaming_status": "connected", "cpu_percent": 12.5, "memory_percent": 40.0,
    "disk_percent": None, "container_count": 2, "containers_healthy": 2, "containers_unhealthy": 0,
}  # fmt: skip


@pytest.fixture
def fleet(store: str) -> Config:
    return config_of(FLEET)


def seen(fleet: Config, name: str, after: float, verdict: Status = "ok", message: str = "", **facts: Any) -> None:
    at = NOW + after
    told = {**WELL, **facts}
    values = {name: told[name] for name in ("containers_unhealthy", "cpu_percent")} if verdict == "ok" else {}
    pipeline.ingest(fleet, [Observation(verdict, values, message, told, name, at)], at)


def open_alerts() -> dict[str, Alert]:
    with reading():
        return {one.fingerprint: one for one in alerts.unresolved()}


def stored() -> list[tuple[str, dict[str, Any]]]:
    with reading():
        found = [(event.type, json.loads(event.data)) for event in events.after(0)]
    for kind, data in found:
        assert schemas.faults(f"events/{kind}", data) == []
    return found


def test_a_parent_that_is_away_is_one_trouble(fleet: Config) -> None:
    for minute in range(6):
        for name in ("server/web", "server/db"):
            words = "the Netdata parent does not answer: connection refused"
            seen(fleet, name, 60.0 * minute, "unknown" if minute else "ok", words, status="unreachable")
        verdict: Status = "critical" if minute else "ok"
        seen(fleet, "netdata/main", 60.0 * minute + 5, verdict, "Netdata does not answer: connection refused")
    raised = open_alerts()
    assert "server_down:netdata/main:status" in raised
    assert not [name for name in raised if name.startswith(("server_down:web", "server_down:db"))]
    with reading():
        held = holds.held(fleet, NOW + 86_400)
        told = {alert.subject for alert in alerts.many(held).values()}
        assert told <= {"server/web", "server/db"}  # what else is noted of them is not told
    assert raised["server_down:netdata/main:status"].reason == "Netdata does not answer: connection refused"


def test_a_child_that_is_gone_is_a_server_that_is_down(fleet: Config) -> None:
    seen(fleet, "server/web", 0)
    seen(fleet, "server/web", 60, "critical", "the server is gone: its data is 61 s old", status="unreachable")
    assert set(open_alerts()) == {"server_down:web:status"}
    seen(fleet, "server/web", 120)
    assert open_alerts() == {}


def test_a_container_that_is_down_is_told_by_its_name(fleet: Config) -> None:
    seen(fleet, "server/web", 0)
    words = "container shop_web is down (stopped); cpu 12 %"
    for at in (60, 120):
        seen(fleet, "server/web", at, "ok", words, containers_unhealthy=1, containers_healthy=1)
    (alert,) = open_alerts().values()
    assert (alert.fingerprint, alert.severity) == ("container_down:web:containers_unhealthy", "critical")
    assert alert.reason == words
    seen(fleet, "server/web", 180)
    assert open_alerts() == {}


def test_a_spike_between_two_looks_can_be_caught_by_a_rule(store: str) -> None:
    rule = """[[rules]]
name = "Netdata's own"
alert_type = "custom"
severity = "warning"
metric_name = "netdata_critical"
threshold = 0
duration_seconds = 0
subjects = ["server/*"]
"""
    config = config_of(FLEET + rule)
    one = Observation("ok", {"netdata_critical": 1.0}, "Netdata: cpu critical (97.2%)", WELL, "server/web", NOW)
    assert pipeline.ingest(config, [one], NOW) == 1
    assert [alert.rule for alert in open_alerts().values()] == ["Netdata's own"]


def test_events_tell_who_came_and_what_changed(fleet: Config) -> None:
    seen(fleet, "server/web", 0)
    assert [kind for kind, _ in stored()] == ["server.health_updated", "server.connected"]
    seen(fleet, "server/web", 60, cpu_percent=13.0)
    assert len(stored()) == 2  # nothing changed but a number: shown live, not kept
    seen(fleet, "server/web", 120, containers_unhealthy=1)
    seen(fleet, "server/web", 180, containers_unhealthy=1, netdata_alerts=[{"name": "cpu", "status": "critical"}])
    updates = [data for kind, data in stored() if kind == "server.health_updated"]
    assert [data["containers_unhealthy"] for data in updates] == [0, 1, 1]
    assert updates[2]["netdata_alerts"] == [{"name": "cpu", "status": "critical"}]
    seen(fleet, "server/web", 240, "critical", "gone", status="unreachable", streaming_status="disconnected")
    seen(fleet, "server/web", 300)
    assert [kind for kind, _ in stored()].count("server.connected") == 2
    connected = [data for kind, data in stored() if kind == "server.connected"]
    assert connected[-1] == {"server_id": "web", "server_name": "web", "status": "connected"}
