"""Whom a change concerns, and when it is due: the severity policy, routes, and cooldowns against what was last told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from alerting.config import Channel, Config, Route, Rule
from alerting.lifecycle import Alert, Change
from alerting.messages import Reason
from alerting.rules import rank

SEVERITY_POLICY: Mapping[str, tuple[str, ...]] = {
    "info": (),
    "warning": ("email",),
    "critical": ("email", "slack"),
}
"""Kinds of channels told when nothing else is named. Everything is also in the app."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a channel was last told about a fingerprint, and by which alert. Times are epoch seconds."""

    channel: str
    alert: int
    state: str
    severity: str
    triggered_at: float | None


@dataclass(frozen=True, slots=True)
class Due:
    """A message that is to leave: for an outbox row."""

    channel: str
    reason: Reason
    change: str
    due_at: float


@dataclass(frozen=True, slots=True)
class Pending:
    """An outbox row not yet done. `maybe_told`: an attempt began and nobody knows whether it arrived."""

    id: int
    channel: str
    reason: str
    maybe_told: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change does to the outbox: rows to add, and waiting rows that have nothing left to say."""

    due: tuple[Due, ...] = ()
    dropped: tuple[int, ...] = ()


def channels_for(config: Config, alert: Alert, rule: Rule | None) -> tuple[str, ...]:
    """Names of the channels this alert is told to: those its own rule names, a matching route's, else the policy's."""
    named: tuple[str, ...] = ()
    if rule is not None and rule.managed_by != "default":
        named = rule.notify_channels
    if not named and (route := _route(config.routes, alert)) is not None:
        return _expand(config.channels, alert.organization, route.channels)
    if not named and rule is not None and rule.severity == alert.severity:
        named = rule.notify_channels
    return _expand(config.channels, alert.organization, named or SEVERITY_POLICY[alert.severity])


def plan(
    change: Change,
    channels: Iterable[str],
    told: Mapping[str, Told],
    waiting: Sequence[Pending],
    now: float,
    cooldown: float,
    patience: float = 0.0,
) -> Plan:
    """The outbox rows a change asks for, given what each channel was last told and what still waits to be told.

    `patience`: seconds a first message waits, because a child is often seen to fail before its parent is.
    """
    if change.move == "triggered":
        first = now + patience
        return Plan(tuple(_trigger(change.alert, name, told.get(name), first, cooldown) for name in channels))
    if change.move == "escalated":
        return _escalate(change.alert, channels, told, waiting, now)
    if change.move == "resolved":
        return _resolve(change.alert, told, waiting, now)
    return Plan()


def _trigger(alert: Alert, channel: str, told: Told | None, first: float, cooldown: float) -> Due:
    due_at = first
    if alert.severity != "critical" and told is not None and told.triggered_at is not None:
        due_at = max(first, told.triggered_at + cooldown)
    return Due(channel, "triggered", "triggered", due_at)


def _escalate(
    alert: Alert, channels: Iterable[str], told: Mapping[str, Told], waiting: Sequence[Pending], now: float
) -> Plan:
    due = tuple(
        Due(name, "escalated" if _knows(told.get(name), alert) else "triggered", f"escalated:{alert.last_at:.6f}", now)
        for name in channels
        if not _knows_the_worst(told.get(name), alert)
    )
    # A row still waiting would say at its own time what the new one says now.
    overtaken = {one.channel for one in due}
    return Plan(due, tuple(row.id for row in waiting if row.channel in overtaken))


def _resolve(alert: Alert, told: Mapping[str, Told], waiting: Sequence[Pending], now: float) -> Plan:
    knowing = {name for name, last in told.items() if _knows(last, alert)}
    knowing |= {row.channel for row in waiting if row.maybe_told}
    due = tuple(Due(name, "resolved", "resolved", now) for name in sorted(knowing))
    return Plan(due, tuple(row.id for row in waiting))


def _knows(told: Told | None, alert: Alert) -> bool:
    return told is not None and told.state == "triggered" and told.alert == alert.id


def _knows_the_worst(told: Told | None, alert: Alert) -> bool:
    """It eased and rose again, and this channel was never told that it had eased."""
    return _knows(told, alert) and told is not None and rank(told.severity) >= rank(alert.severity)


def _route(routes: Iterable[Route], alert: Alert) -> Route | None:
    return next((route for route in routes if _matches(route, alert)), None)


def _matches(route: Route, alert: Alert) -> bool:
    if route.organization not in (None, alert.organization):
        return False
    return all(fnmatchcase(str(getattr(alert, name, None) or ""), pattern) for name, pattern in route.match.items())


def _expand(channels: Sequence[Channel], organization: str, named: Iterable[str]) -> tuple[str, ...]:
    """Names stay names; a kind means its channels. Only the organization's own."""
    wanted = set(named)
    return tuple(
        channel.name
        for channel in channels
        if channel.organization == organization and (channel.name in wanted or channel.kind in wanted)
    )
