"""Events for the log, made of what happened: the shapes of schemas/events. Pure."""

from collections.abc import Mapping
from typing import Any

from alerting import replicas
from alerting.config import Watch
from alerting.lifecycle import Alert, Change
from alerting.store.events import NewEvent
from alerting.store.subjects import State
from probes import Observation
from probes._machinery import times

_SERVER_FIELDS = (
    "cpu_percent",
    "memory_percent",
    "disk_percent",
    "status",
    "streaming_status",
    "container_count",
    "containers_healthy",
    "containers_unhealthy",
    "netdata_alerts",
)


def rfc3339(at: float | None) -> str | None:
    """Epoch seconds as the wire has them: "2026-11-21T02:19:00.123Z"."""
    return None if at is None else times.rfc3339(at)


def changed(change: Change) -> list[NewEvent]:
    """The events of an alert's change. A severity that rose is an `alert_triggered` of the same alert."""
    if change.move in ("triggered", "escalated"):
        return [triggered(change.alert)]
    if change.move == "resolved":
        return [_resolved(change.alert)]
    return [acknowledged(change.alert)] if change.move == "acknowledged" else []


def triggered(alert: Alert) -> NewEvent:
    """It wants a person, or wants one again."""
    return NewEvent("alert_triggered", triggered_data(alert), alert.organization)


def triggered_data(alert: Alert) -> dict[str, Any]:
    """The data of `alert_triggered`."""
    return {
        **_reference(alert),
        "alert_type": alert.alert_type,
        "severity": alert.severity,
        "title": alert.title,
        "message": alert.reason,
        "server_id": alert.server,
        "server_name": alert.server,
        "metric_value": alert.metric_value,
        "threshold": alert.threshold,
        "triggered_at": rfc3339(alert.triggered_at),
    }


def acknowledged(alert: Alert) -> NewEvent:
    """A person has seen it."""
    data = {
        **_reference(alert),
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_at": rfc3339(alert.acknowledged_at),
    }
    return NewEvent("alert_acknowledged", data, alert.organization)


def observed(watch: Watch, observation: Observation, before: State | None) -> list[NewEvent]:
    """The events an observation is worth keeping: only where something changed. What did not is shown live."""
    previous = before.observation if before is not None else None
    happened = observation.facts.get("netdata_alerts")  # a spike may have come and gone between two equal looks
    if previous is not None and _standing(previous) == _standing(observation) and not happened:
        return []
    return live(watch, observation) + _connected(watch, observation, previous) + _lag(watch, observation, previous)


def live(watch: Watch, observation: Observation) -> list[NewEvent]:
    """What an open page wants to know of an observation, whether it is kept or not."""
    sort = watch.sort
    if sort == "server":
        return [NewEvent("server.health_updated", _server(watch.name, observation.facts), watch.organization)]
    if sort == "environment":
        data = {"environment_id": watch.name, **replicas.health(observation)}
        return [NewEvent("replica.health_updated", data, watch.organization)]
    if sort == "check":
        return [NewEvent("check.updated", _check(watch.name, observation), watch.organization)]
    if sort == "heartbeat":
        return [NewEvent("check.updated", _check(watch.subject, observation), watch.organization)]
    return []


def notification(kind: str, channel: str, alerts: list[int], reason: str, organization: str) -> NewEvent:
    """`notification.sent` or `notification.failed`."""
    return NewEvent(kind, {"channel": channel, "alert_ids": alerts, "reason": reason}, organization)


def _reference(alert: Alert) -> dict[str, Any]:
    return {"alert_id": alert.id, "fingerprint": alert.fingerprint, "subject": alert.subject}


def _resolved(alert: Alert) -> NewEvent:
    data = {**_reference(alert), "resolved_at": rfc3339(alert.resolved_at), "resolved_by": alert.resolved_by}
    return NewEvent("alert_resolved", data, alert.organization)


def _standing(observation: Observation) -> tuple[Any, ...]:
    facts = observation.facts
    serves = facts.get("streaming_status"), facts.get("containers_unhealthy")
    return observation.status, *serves, *replicas.standing(facts)


def _connected(watch: Watch, observation: Observation, previous: Observation | None) -> list[NewEvent]:
    if watch.sort != "server" or observation.status != "ok" or (previous is not None and previous.status == "ok"):
        return []
    data = {"server_id": watch.name, "server_name": watch.name, "status": "connected"}
    return [NewEvent("server.connected", data, watch.organization)]


def _lag(watch: Watch, observation: Observation, previous: Observation | None) -> list[NewEvent]:
    before = previous.facts if previous is not None else {}
    data = replicas.lag_alert(watch.name, observation.facts, before) if watch.sort == "environment" else None
    return [] if data is None else [NewEvent("replica.lag_alert", data, watch.organization)]


def _server(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"server_id": name, **{field: facts.get(field) for field in _SERVER_FIELDS}}


def _check(name: str, observation: Observation) -> dict[str, Any]:
    return {
        "check_id": name,
        "status": observation.status,
        "message": observation.message,
        "values": dict(observation.values),
        "observed_at": rfc3339(observation.at),
        "duration_seconds": observation.duration,
    }
