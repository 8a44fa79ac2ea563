"""What a rule would have done: when it would have fired, for how long, and how many messages that makes. Pure.

The same functions judge as in the pipeline. Silences, people and flapping are left out: nobody was there.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, nextafter
from typing import cast

from alerting import rules
from alerting.config import Rule, Watch
from alerting.routing import REMIND
from alerting.rules import STATUS, Breach
from alerting.samples import Rollup, Sample, Spread
from probes import Observation, Status


@dataclass(frozen=True, slots=True)
class Look:
    """One observation, and for how long it speaks where nothing newer is seen: after that nobody can tell."""

    observation: Observation
    speaks_for: float


@dataclass(frozen=True, slots=True)
class Fire:
    """The rule firing once: since when its condition held, when it was confirmed, when it was over (None: it is not).

    value     the furthest beyond the threshold
    messages  to each receiver: of its beginning, of its end, and reminders in between
    """

    started_at: float
    fired_at: float
    ended_at: float | None
    value: float | None
    messages: int = 0

    def seconds(self, until: float) -> float:
        """For how long it fired, up to `until`."""
        return (until if self.ended_at is None else self.ended_at) - self.fired_at


@dataclass(frozen=True, slots=True)
class Tried:
    """A rule put to what was seen of one subject in [since, until): how many looks said something, and its fires."""

    subject: str
    since: float
    until: float
    looks: int
    fires: tuple[Fire, ...]

    @property
    def messages(self) -> int:
        """To each receiver."""
        return sum(fire.messages for fire in self.fires)

    @property
    def firing_seconds(self) -> float:
        """Altogether."""
        return sum(fire.seconds(self.until) for fire in self.fires)


def tried(rule: Rule, watch: Watch, looks: Iterable[Look], since: float, until: float) -> Tried:
    """Put the rule to these looks, oldest first."""
    course = _Course(rule, watch)
    for look in looks:
        course.pass_time(look.observation.at)
        course.see(look)
    course.pass_time(until)
    fires = (*course.fires, *course.under_way())
    return Tried(watch.subject, since, until, course.looks, _counted(rule, fires, until))


class _Course:
    """The rule's breach as it goes through the looks, and the fires it makes."""

    def __init__(self, rule: Rule, watch: Watch) -> None:
        self._rule, self._watch = rule, watch
        self._breach: Breach | None = None
        self._last: Look | None = None
        self._peak: float | None = None
        self._fired_at: float | None = None
        self._started_at = 0.0
        self.fires: list[Fire] = []
        self.looks = 0

    def see(self, look: Look) -> None:
        value = rules.value_of(look.observation, self._rule.metric_name)
        self.looks += value is not None
        self._last = look
        self._judge(look.observation.at, is_new=True)
        if value is not None and self._breach is not None:
            self._peak = _further(self._rule, self._peak, value)

    def pass_time(self, until: float) -> None:
        """Confirm or end what time alone confirms or ends before `until`, while the last look still speaks."""
        if self._last is None or self._breach is None:
            return
        at, seen_at = self._turn(self._breach), self._last.observation.at
        if at is not None and seen_at < at < until and at <= seen_at + self._last.speaks_for:
            self._judge(at, is_new=False)

    def under_way(self) -> Iterator[Fire]:
        if self._fired_at is not None:
            yield Fire(self._started_at, self._fired_at, None, self._peak)

    def _turn(self, breach: Breach) -> float | None:
        if breach.cleared_at is not None:
            return _after(breach.cleared_at, self._rule.keep_firing_seconds)
        return None if breach.fired else _after(breach.started_at, self._rule.duration_seconds)

    def _judge(self, at: float, is_new: bool) -> None:
        assert self._last is not None
        self._breach = rules.judge(self._rule, self._watch, self._breach, self._last.observation, at, is_new)
        fires = self._breach is not None and self._breach.fired
        if self._breach is not None and fires and self._fired_at is None:
            self._fired_at, self._started_at = at, self._breach.started_at
        elif not fires and self._fired_at is not None:
            self.fires.append(Fire(self._started_at, self._fired_at, at, self._peak))
            self._fired_at = self._peak = None
        if self._breach is None:
            self._peak = None


def _after(at: float, seconds: float) -> float:
    """The first moment that is so many seconds later, whatever floats make of the sum."""
    moment = at + seconds
    return moment if moment - at >= seconds else nextafter(moment, inf)


def _further(rule: Rule, one: float | None, other: float) -> float:
    if one is None or rule.operator in ("==", "!="):
        return other
    return max(one, other) if rule.operator in (">", ">=") else min(one, other)


# Messages


def _counted(rule: Rule, fires: Sequence[Fire], until: float) -> tuple[Fire, ...]:
    """The fires with the messages each receiver would have had: a cooldown defers a beginning, or spares both."""
    told_at: float | None = None
    found: list[Fire] = []
    for fire in fires:
        end = until if fire.ended_at is None else fire.ended_at
        due = fire.fired_at
        if rule.severity != "critical" and told_at is not None:
            due = max(due, told_at + rule.cooldown_seconds)
        if due > end or (due == end and due > fire.fired_at):
            found.append(fire)
            continue
        told_at = due
        found.append(replace(fire, messages=1 + _reminders(rule, end - due) + (fire.ended_at is not None)))
    return tuple(found)


def _reminders(rule: Rule, seconds: float) -> int:
    after = REMIND.get(rule.severity, 0.0) if rule.remind_seconds is None else rule.remind_seconds
    if not after:
        return 0
    every = max(after, rule.cooldown_seconds)
    whole = int(seconds // every)
    return whole - 1 if whole and whole * every >= seconds else whole


# What was kept, as looks


def of_samples(watch: Watch, kept: Iterable[Sample], speaks_for: float) -> Iterator[Look]:
    """Samples, oldest first, as the looks they were."""
    for one in kept:
        seen = Observation(one.status, one.values, one.message or "", {}, watch.subject, one.at, one.duration)
        yield Look(seen, speaks_for)


def of_hours(
    rule: Rule, watch: Watch, hours: Iterable[Rollup], changes: Sequence[tuple[float, Status]], speaks_for: float
) -> Iterator[Look]:
    """Hours of which only a rollup is kept, oldest first, as looks: as many as the rule counts.

    An hour's furthest value stands for all of it but its end, which is known: so a rule fires rather too often than too
    seldom, by an hour at most. Of the status each change is known, oldest first in `changes`.
    """
    for hour in hours:
        said = _status_of(hour, changes) if _asks_status(rule, hour) else _values_of(rule, hour)
        for at, status, value in said:
            values = {} if value is None else {rule.metric_name: value}
            yield Look(Observation(status, values, "", {}, watch.subject, at), speaks_for)


_Said = Iterator[tuple[float, Status, float | None]]


def _asks_status(rule: Rule, hour: Rollup) -> bool:
    return rule.metric_name == STATUS and STATUS not in hour.values


def _values_of(rule: Rule, hour: Rollup) -> _Said:
    spread = hour.values.get(rule.metric_name)
    if spread is None:
        return
    moments = _moments(hour, min(spread.count, max(rule.failures, rule.of, 2)))
    for at in moments[:-1]:
        yield at, "ok", furthest(rule, spread)
    yield moments[-1], "ok", spread.last


def _status_of(hour: Rollup, changes: Sequence[tuple[float, Status]]) -> _Said:
    turned, gravest = [at for at, _ in changes], cast("Status", hour.status)
    inside = [at for at in turned if hour.hour <= at <= hour.last_at]
    for at in sorted({*_moments(hour, hour.count), *inside}):
        number = bisect_right(turned, at)
        yield at, changes[number - 1][1] if number else gravest, None


def _moments(hour: Rollup, count: int) -> list[float]:
    """Evenly from the hour's beginning to its last look."""
    step = (hour.last_at - hour.hour) / max(count - 1, 1)
    return [hour.last_at - step * (count - 1 - number) for number in range(count)]


def furthest(rule: Rule, spread: Spread) -> float:
    """Of an hour's values the one that the rule would have been broken by, if any did."""
    choose: Mapping[str, Callable[[], float]] = {
        ">": lambda: spread.most,
        ">=": lambda: spread.most,
        "<": lambda: spread.least,
        "<=": lambda: spread.least,
        "==": lambda: rule.threshold if spread.least <= rule.threshold <= spread.most else spread.last,
        "!=": lambda: spread.most if spread.most != rule.threshold else spread.least,
    }
    return choose[rule.operator]()
