"""What the monitoring page shows of this moment: values only, worst first; the templates give them their form."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from alerting import own
from alerting.lifecycle import Alert
from alerting.store import alerts
from probes import Observation
from web import watched
from web.api import checks, environments, heartbeats, servers
from web.callers import Caller
from web.state import Vedette
from web.watched import Watched

Mark = Literal["critical", "warning", "info", "unknown", "ok"]
"""How something is, as one of the page's five signs."""

MARKS: tuple[Mark, ...] = ("critical", "warning", "info", "unknown", "ok")
"""Worst first."""

VIEW_ALERTS, CHANGE_ALERTS = "org.monitoring.alerts.view", "org.monitoring.alerts.configure"

_RECENT = 86_400.0  # seconds a resolved alert stays on the page
_MOST_RECENT = 6
_MARK_OF: Mapping[str, Mark] = {
    "healthy": "ok", "online": "ok", "ok": "ok", "warning": "warning", "critical": "critical",
    "unreachable": "critical", "offline": "critical", "error": "critical",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Meter:
    """A share of something. `key` names it in the catalogue; `percent` None where it could not be had."""

    key: str
    percent: float | None
    used: float | None
    total: float | None
    warning: float
    critical: float

    @property
    def mark(self) -> Mark:
        """How that is by its thresholds, which count as reached."""
        if self.percent is None:
            return "unknown"
        return "critical" if self.percent >= self.critical else "warning" if self.percent >= self.warning else "ok"


@dataclass(frozen=True, slots=True)
class Row:
    """Something watched: its sign, what its state is called, when it was last seen, and its API document."""

    name: str
    mark: Mark
    status: str
    seen_at: float | None
    stale: bool
    kind: str
    document: Mapping[str, Any]
    meters: tuple[Meter, ...] = ()


@dataclass(frozen=True, slots=True)
class Board:
    """The whole page. `fault`: why nothing is being checked, None while it is."""

    at: float
    fault: str | None
    open: tuple[Alert, ...]
    resolved: tuple[Alert, ...]
    sees_alerts: bool
    checks: tuple[Row, ...]
    servers: tuple[Row, ...]
    replicas: tuple[Row, ...]

    @property
    def worst(self) -> Mark:
        """The worst that is true now: of open alerts, of what cannot be seen, of the watch itself."""
        if self.fault is not None:
            return "critical"
        rows = (*self.checks, *self.servers, *self.replicas)
        found = {_severity(alert) for alert in self.open} | {row.mark for row in rows if row.mark == "unknown"}
        return next((mark for mark in MARKS if mark in found), "ok")

    @property
    def strained(self) -> bool:
        """Whether something is not well that no alert speaks of: it would be too much to say that all is quiet."""
        rows = (*self.checks, *self.servers, *self.replicas)
        return any(row.mark in ("critical", "warning") for row in rows)

    def open_with(self, severity: str) -> int:
        """How many open alerts are of that severity."""
        return sum(alert.severity == severity for alert in self.open)


def board(state: Vedette, caller: Caller, at: float) -> Board:
    """What the caller may see of what is true at `at`."""
    where = caller.where(VIEW_ALERTS)
    return Board(
        at=at,
        fault=own.scheduler_fault(at),
        open=tuple(sorted(_visible(alerts.unresolved(), where), key=_urgency)),
        resolved=tuple(_lately(where, at)),
        sees_alerts=where is None or bool(where),
        checks=_worst_first([*(_check(one) for one in watched.visible("check")), *_heartbeats()]),
        servers=_worst_first(_server(one) for one in watched.visible("server")),
        replicas=_worst_first(_replica(one) for one in watched.visible("environment")),
    )


def _visible(found: Iterable[Alert], where: Collection[str] | None) -> list[Alert]:
    return [alert for alert in found if where is None or alert.organization in where]


def _lately(where: Collection[str] | None, at: float) -> list[Alert]:
    found = alerts.page(where, None, _MOST_RECENT, status="resolved")
    return [alert for alert in found if at - (alert.resolved_at or 0) < _RECENT]


def _severity(alert: Alert) -> Mark:
    return alert.severity if alert.severity in MARKS else "critical"


def _urgency(alert: Alert) -> tuple[Any, ...]:
    return MARKS.index(_severity(alert)), alert.status == "acknowledged", -alert.triggered_at


def _worst_first(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: MARKS.index(row.mark)))


def _row(one: Watched, status: str, document: Mapping[str, Any], meters: tuple[Meter, ...] = ()) -> Row:
    seen = one.state.observation if one.state is not None else None
    mark = _MARK_OF.get(status, "unknown")
    if seen is not None and mark != "ok" and seen.status in ("warning", "unknown"):
        mark = seen.status  # a replica that lags a little is a warning; one we could not ask is not known
    return Row(one.watch.name, mark, status, seen.at if seen else None, one.stale, one.watch.kind, document, meters)


def _check(one: Watched) -> Row:
    document = checks.shown(one)
    return _row(one, document["status"], document)


def _heartbeats() -> Iterable[Row]:
    """Jobs that ping, among the checks: what a check took is how long a job ran, and it is seen when it pings."""
    for one, seen, document in heartbeats.shown(watched.visible("heartbeat")):
        pinged = document["last_ping_at"]
        seen_at = datetime.fromisoformat(pinged).timestamp() if pinged else None
        row = {**document, "duration_seconds": document["last_run_seconds"]}
        yield Row(one.watch.name, _heard(seen), document["status"], seen_at, False, one.watch.kind, row)


def _heard(seen: Observation) -> Mark:
    """A heartbeat's sign: one that never told how a run ended is not well, and nothing is wrong with it either."""
    state = seen.facts["status"]
    if seen.status == "unknown":
        return "unknown" if state == "late" else "info"
    return "critical" if seen.status == "critical" else "warning" if state == "late" else "ok"


def _server(one: Watched) -> Row:
    document = servers.shown(one)
    limits = one.watch.config.get("thresholds", {})
    meters = (
        _meter("cpu", document, limits, (80, 95)),
        _meter("memory", document, limits, (80, 95)),
        _meter("disk", document, limits, (80, 90)),
    )
    return _row(one, document["status"], document, meters)


def _meter(key: str, document: Mapping[str, Any], limits: Mapping[str, Any], usual: tuple[float, float]) -> Meter:
    warning, critical = limits.get(key) or usual
    percent = None if document["status"] == watched.UNKNOWN else document[f"{key}_percent"]
    used, total = document.get(f"{key}_used_bytes"), document.get(f"{key}_total_bytes")
    return Meter(f"servers.{key}", percent, used, total, warning, critical)


def _replica(one: Watched) -> Row:
    document = environments.replica(one)
    return _row(one, document["status"], document)
