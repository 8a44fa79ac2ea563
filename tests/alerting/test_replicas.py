"""What the log tells of a replica: what changed, its lag past a limit, and nothing that nobody knows."""

from typing import Any

import pytest

import schemas
from alerting import notices
from alerting.config import Watch
from alerting.store.subjects import State
from probes import Observation

WATCH = Watch("environment/shop", "replica", "acme", 120.0, {})
MIB = 1_048_576
THRESHOLDS = {"warning_bytes": 50 * MIB, "warning_seconds": 15, "critical_bytes": 100 * MIB, "critical_seconds": 30}


def seen(checked: Any = "ok", **facts: Any) -> Observation:
    whole = {"status": "online", "lag_bytes": 0, "lag_seconds": 0.0, "error_message": None, "over": "ok"}
    return Observation(checked, {}, "as told", {**whole, "thresholds": THRESHOLDS, **facts}, "environment/shop", 1.0)


def told(observation: Observation, before: Observation | None) -> dict[str, dict[str, Any]]:
    """The events by type, each held to its schema."""
    state = None if before is None else State(before, "replica", "acme", before.at, before.at)
    events = {event.type: dict(event.data) for event in notices.observed(WATCH, observation, state)}
    for name, data in events.items():
        assert schemas.faults(f"events/{name}", data) == []
    return events


def test_what_is_as_before_is_no_news() -> None:
    assert told(seen(), seen()) == {}
    assert told(seen(lag_bytes=1000, lag_seconds=1.0), seen()) == {}


@pytest.mark.parametrize(
    "news",
    [{"status": "offline"}, {"lag_bytes": 30 * MIB}, {"lag_seconds": 9.0}, {"lag_bytes": None}, {"over": "warning"}],
)
def test_what_has_changed_is_told(news: dict[str, Any]) -> None:
    assert told(seen(**news), seen())["replica.health_updated"]["environment_id"] == "shop"


def test_lag_that_goes_past_a_limit_is_told_once_a_limit() -> None:
    warning = seen("warning", status="lagging", lag_bytes=60 * MIB, lag_seconds=None, over="warning")
    assert told(warning, seen())["replica.lag_alert"] == {
        "environment_id": "shop",
        "severity": "warning",
        "lag_bytes": 60 * MIB,
        "lag_seconds": None,
        "threshold_bytes": 50 * MIB,
        "threshold_seconds": 15,
    }
    assert "replica.lag_alert" not in told(warning, warning)
    critical = seen("critical", status="lagging", lag_bytes=400 * MIB, over="critical")
    assert told(critical, warning)["replica.lag_alert"]["threshold_bytes"] == 100 * MIB
    assert "replica.lag_alert" not in told(warning, critical)
    assert told(critical, None)["replica.lag_alert"]["severity"] == "critical"


def test_what_nobody_could_tell_is_an_error_without_numbers() -> None:
    unsure = seen("unknown", lag_bytes=7, last_check="2027-01-15T08:00:00.000Z")
    assert told(unsure, seen())["replica.health_updated"] == {
        "environment_id": "shop",
        "status": "error",
        "lag_bytes": None,
        "lag_seconds": None,
        "error_message": "as told",
        "last_check": "2027-01-15T08:00:00.000Z",
    }
