"""Whom a change concerns, and when it is due: the severity policy, routes, cooldowns, groups, digests, flapping.

All of it against what each channel was last told: a message is due where that differs from what is true.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import floor
from typing import Literal

from alerting.config import Channel, Config, Route, Rule
from alerting.lifecycle import Alert, Change
from alerting.messages import Reason
from alerting.phrasing import clock
from alerting.rules import rank

SEVERITY_POLICY: Mapping[str, tuple[str, ...]] = {
    "info": (),
    "warning": ("email",),
    "critical": ("email", "slack"),
}
"""Kinds of channels told when nothing else is named. Everything is also in the app."""

REMIND: Mapping[str, float] = {"critical": 14_400.0}
"""Seconds after which who knows of an alert is told again, by severity; nobody is for the rest."""

GROUP_WAIT = 10.0
"""Seconds others of a group may join its first message."""

TRIGGERS = ("triggered", "escalated", "reminder", "flapping", "settled")
"""Reasons that say something is wrong: what a silence, a window, a parent or a snooze holds back."""

STATE_AT_SENDING = ("flapping", "settled")
"""Reasons whose message tells the state at the time it leaves."""

_HOUR = 3600.0

Restless = Literal["", "begins", "goes on"]
"""Whether the alert flaps: not, since this change, or since an earlier one."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a channel was last told about a fingerprint, and by which alert. Times are epoch seconds.

    `digest`: it was told of the beginning in a digest, and is told of the end in one.
    """

    channel: str
    alert: int
    state: str
    severity: str
    triggered_at: float | None
    digest: bool = False
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Due:
    """A message that is to leave: for an outbox row. Rows of one `group` that are due together leave as one."""

    channel: str
    reason: Reason
    change: str
    due_at: float
    digest: bool = False
    group: str | None = None
    gathers_until: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """An outbox row not yet done. `maybe_told`: an attempt began and nobody knows whether it arrived."""

    id: int
    channel: str
    reason: str
    maybe_told: bool
    alert: int = 0
    digest: bool = False
    change: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change does to the outbox.

    due      rows to add
    dropped  waiting rows that have nothing left to say
    hurried  waiting rows that leave at once: something that follows them cannot wait
    """

    due: tuple[Due, ...] = ()
    dropped: tuple[int, ...] = ()
    hurried: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Addressee:
    """A channel an alert is told to, and how: gathered for the hour, or with others of its group, or by itself."""

    channel: str
    digest: bool = False
    group: str | None = None
    group_wait: float = GROUP_WAIT


@dataclass(frozen=True, slots=True)
class Gathering:
    """A group that others may still join, in one channel. `critical`: its first critical has left or is leaving."""

    until: float
    critical: bool


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What there is to know about a change beside the alert itself.

    told       what each channel was last told about the fingerprint
    waiting    rows of the fingerprint that are not done, oldest first
    gathering  (channel, group) → the group that is open there
    patience   seconds a first message waits, because a child is often seen to fail before its parent is
    """

    told: Mapping[str, Told]
    waiting: Sequence[Pending]
    now: float
    cooldown: float = 0.0
    patience: float = 0.0
    gathering: Mapping[tuple[str, str], Gathering] | None = None
    restless: Restless = ""


def addressees(config: Config, alert: Alert, rule: Rule | None) -> tuple[Addressee, ...]:
    """Whom this alert is told to: the channels its own rule names, those of matching routes, else the policy's.

    A channel that is named is told at once; a kind means its channels, and what is not critical gathers for the hour.
    """
    named: tuple[str, ...] = ()
    if rule is not None and rule.managed_by != "default":
        named = rule.notify_channels
    if not named and (matching := _routes(config.routes, alert)):
        return _merged(one for route in matching for one in _by_route(config, alert, route))
    if not named and rule is not None and rule.severity == alert.severity:
        named = rule.notify_channels
    return tuple(_expand(config.channels, alert, named or SEVERITY_POLICY[alert.severity]))


def escalation(config: Config, alert: Alert, rule: Rule | None) -> tuple[float, tuple[Addressee, ...]] | None:
    """After how many seconds whom else to tell where nobody acknowledges this alert; None: nobody."""
    if rule is not None and rule.escalate_to and rule.escalate_after_seconds is not None:
        after, names = rule.escalate_after_seconds, rule.escalate_to
    else:
        routes = (one for one in _routes(config.routes, alert) if one.escalate_to and one.escalate_after is not None)
        found = next(routes, None)
        if found is None or found.escalate_after is None:
            return None
        after, names = found.escalate_after, found.escalate_to
    return after, tuple(replace(one, digest=False) for one in _expand(config.channels, alert, names))


def remind_after(alert: Alert, rule: Rule | None) -> float | None:
    """Seconds after which who knows of this alert is told again; never more often than its cooldown. None: never."""
    wish = rule.remind_seconds if rule is not None else None
    if wish is None:
        wish = REMIND.get(alert.severity)
    if not wish:
        return None
    return max(wish, rule.cooldown_seconds if rule is not None else 0.0)


def plan(change: Change, to: Iterable[Addressee], at: Circumstances) -> Plan:
    """The outbox rows a change asks for."""
    if at.restless and change.move in ("triggered", "escalated", "resolved"):
        return _restless(change, tuple(to), at)
    if change.move == "triggered":
        return _trigger(change.alert, to, at)
    if change.move == "escalated":
        return _escalate(change.alert, to, at)
    if change.move == "resolved":
        return _resolve(change.alert, to, at)
    if change.move == "acknowledged":
        return _acknowledge(change.alert, to, at)
    return Plan()


def settled(alert: Alert, since: float, to: Iterable[Addressee], at: Circumstances) -> Plan:
    """What is told once a flapping alert has been steady: to whoever was told that it flaps, always."""
    heard = {name for name, told in at.told.items() if told.at >= since or told.state == "triggered"}
    heard |= {row.channel for row in at.waiting if row.maybe_told}
    digests = {one.channel for one in to if one.digest}
    due = [Due(name, "settled", f"settled:{since:.3f}", at.now) for name in sorted(heard - digests)]
    dropped = tuple(row.id for row in at.waiting if row.channel not in digests)
    if alert.resolved_at is None:
        others = [one for one in to if one.channel not in heard | digests]
        due += _trigger(alert, others, replace(at, waiting=())).due
    return Plan(tuple(due), dropped)


def _trigger(alert: Alert, to: Iterable[Addressee], at: Circumstances) -> Plan:
    to = tuple(to)
    ends = [row for row in at.waiting if row.reason == "resolved" and row.channel in {one.channel for one in to}]
    # Who is told of ends by the hour has not been told of this one: to them the trouble simply goes on.
    dropped = tuple(row.id for row in ends if row.digest and not row.maybe_told)
    due = tuple(_first(alert, one, at) for one in to)
    return Plan(due, dropped, tuple(row.id for row in ends if row.id not in dropped))


def _first(alert: Alert, to: Addressee, at: Circumstances, reason: Reason = "triggered") -> Due:
    due_at, why = at.now, ""
    if at.patience:
        due_at, why = at.now + at.patience, "waits until its parents have been looked at"
    told = at.told.get(to.channel)
    if alert.severity != "critical" and told is not None and told.triggered_at is not None:
        cooled = told.triggered_at + at.cooldown
        if cooled > due_at:
            due_at, why = cooled, f"cools down until {clock(cooled)}"
            to = replace(to, group_wait=0.0)  # it has waited enough
    if to.digest:
        due_at = next_hour(due_at)
        return Due(to.channel, reason, reason, due_at, digest=True, why=f"gathers for the digest at {clock(due_at)}")
    return _gathered(alert, to, at, Due(to.channel, reason, reason, due_at, why=why))


def _gathered(alert: Alert, to: Addressee, at: Circumstances, due: Due) -> Due:
    """The message, together with others of its group: the first critical leaves at once, all others gather."""
    if to.group is None or not to.group_wait:
        return replace(due, group=to.group)
    critical = alert.severity == "critical"
    open_group = (at.gathering or {}).get((to.channel, to.group))
    if open_group is None or due.due_at > open_group.until:
        until = due.due_at + to.group_wait
        joins = not critical
    else:
        until = open_group.until
        joins = not critical or open_group.critical
    if not joins:
        return replace(due, group=to.group, gathers_until=until)
    why = f"gathers with others of {to.group} until {clock(until)}"
    return replace(due, due_at=until, group=to.group, gathers_until=until, why=why)


def _escalate(alert: Alert, to: Iterable[Addressee], at: Circumstances) -> Plan:
    due: list[Due] = []
    for one in to:
        told = at.told.get(one.channel)
        if _knows_the_worst(told, alert):
            continue
        reason: Reason = "escalated" if _knows(told, alert) else "triggered"
        due_at = next_hour(at.now) if one.digest else at.now
        group = None if one.digest else one.group
        due.append(Due(one.channel, reason, f"escalated:{alert.last_at:.6f}", due_at, one.digest, group))
    # A row still waiting would say at its own time what the new one says now.
    overtaken = {one.channel for one in due}
    rows = [row for row in at.waiting if row.alert == alert.id and row.channel in overtaken]
    return Plan(tuple(due), tuple(row.id for row in rows))


def _resolve(alert: Alert, to: Iterable[Addressee], at: Circumstances) -> Plan:
    """The end, to whoever believes, or may believe, in the trouble, by whichever alert of it they were told."""
    ending = {row.channel for row in at.waiting if row.reason in ("resolved", *STATE_AT_SENDING)}
    dropped = tuple(row.id for row in at.waiting if row.reason not in ("resolved", *STATE_AT_SENDING))
    believing = {name for name, told in at.told.items() if told.state == "triggered"}
    believing |= {row.channel for row in at.waiting if row.maybe_told and row.id in dropped}
    groups = {one.channel: one.group for one in to}
    due = tuple(_end(name, groups.get(name, group_of(alert, None)), at) for name in sorted(believing - ending))
    return Plan(due, dropped)


def _end(channel: str, group: str | None, at: Circumstances) -> Due:
    told = at.told.get(channel)
    if told is not None and told.digest:
        due_at = next_hour(at.now)
        why = f"gathers for the digest at {clock(due_at)}"
        return Due(channel, "resolved", "resolved", due_at, digest=True, why=why)
    found = (at.gathering or {}).get((channel, group or ""))
    if found is None:
        return Due(channel, "resolved", "resolved", at.now, group=group)
    why = f"gathers with others of {group} until {clock(found.until)}"
    return Due(channel, "resolved", "resolved", found.until, False, group, found.until, why)


def _acknowledge(alert: Alert, to: Iterable[Addressee], at: Circumstances) -> Plan:
    """Channels that show an incident's state are told; nobody is reminded any more, and nobody else is called."""
    change = f"acknowledged:{alert.acknowledged_at:.6f}"
    due = tuple(
        Due(one.channel, "acknowledged", change, at.now) for one in to if _knows(at.told.get(one.channel), alert)
    )
    calls = [row.id for row in at.waiting if row.reason == "reminder" or row.change.startswith("escalated_to")]
    return Plan(due, tuple(calls))


def _restless(change: Change, to: tuple[Addressee, ...], at: Circumstances) -> Plan:
    """One message says that it flaps; then nothing until it has been steady. Digests gather as ever."""
    hourly = {one.channel for one in to if one.digest} | {name for name, told in at.told.items() if told.digest}
    calm = replace(
        at,
        restless="",
        told={name: told for name, told in at.told.items() if name in hourly},
        waiting=[row for row in at.waiting if row.channel in hourly],
    )
    found = plan(change, [one for one in to if one.channel in hourly], calm)
    if at.restless == "goes on":
        return found
    flap = f"flapping:{at.now:.3f}"
    concerned = {one.channel for one in to} | {name for name, told in at.told.items() if told.state == "triggered"}
    concerned |= {row.channel for row in at.waiting if row.maybe_told}
    due = tuple(Due(name, "flapping", flap, at.now) for name in sorted(concerned - hourly))
    dropped = tuple(row.id for row in at.waiting if row.channel not in hourly)
    return replace(found, due=(*found.due, *due), dropped=(*found.dropped, *dropped))


def next_hour(at: float) -> float:
    """The first full hour after a moment: when digests leave."""
    return (floor(at / _HOUR) + 1) * _HOUR


def group_of(alert: Alert, by: Sequence[str] | None) -> str | None:
    """What alerts that leave together have in common; None: this one leaves by itself."""
    if by is None:
        if alert.server is not None:
            return f"server {alert.server}"
        return f"environment {alert.environment}" if alert.environment is not None else None
    return ", ".join(f"{name} {_field(alert, name) or '-'}" for name in by) or "everything"


def _knows(told: Told | None, alert: Alert) -> bool:
    return told is not None and told.state == "triggered" and told.alert == alert.id


def _knows_the_worst(told: Told | None, alert: Alert) -> bool:
    """It eased and rose again, and this channel was never told that it had eased."""
    return _knows(told, alert) and told is not None and rank(told.severity) >= rank(alert.severity)


def _routes(routes: Iterable[Route], alert: Alert) -> list[Route]:
    """The first route that matches, and those after it where it goes on."""
    found: list[Route] = []
    for route in routes:
        if _matches(route, alert):
            found.append(route)
            if not route.goes_on:
                break
    return found


def _matches(route: Route, alert: Alert) -> bool:
    if route.organization not in (None, alert.organization):
        return False
    fields = all(fnmatchcase(_field(alert, name), pattern) for name, pattern in route.match.items())
    return fields and all(fnmatchcase(alert.labels.get(name, ""), text) for name, text in route.labels.items())


def _field(alert: Alert, name: str) -> str:
    """The alert's field of that name, or its label."""
    return str(getattr(alert, name, None) or alert.labels.get(name) or "")


def _by_route(config: Config, alert: Alert, route: Route) -> Iterator[Addressee]:
    for one in _expand(config.channels, alert, route.channels):
        digest = route.digest or one.digest
        yield replace(one, digest=digest, group=group_of(alert, route.group_by), group_wait=route.group_wait)


def _merged(found: Iterable[Addressee]) -> tuple[Addressee, ...]:
    """Each channel once: at once where any route says so."""
    channels: dict[str, Addressee] = {}
    for one in found:
        before = channels.get(one.channel)
        if before is None or (before.digest and not one.digest):
            channels[one.channel] = one
    return tuple(channels.values())


def _expand(channels: Sequence[Channel], alert: Alert, named: Iterable[str]) -> Iterator[Addressee]:
    """Names stay names; a kind means its channels. Only the organization's own."""
    wanted = set(named)
    for channel in channels:
        if channel.organization != alert.organization or not wanted & {channel.name, channel.kind}:
            continue
        by_kind = channel.name not in wanted and alert.severity != "critical"
        yield Addressee(channel.name, channel.digest or by_kind, group_of(alert, None))
