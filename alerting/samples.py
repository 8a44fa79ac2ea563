"""Samples: what one look saw, many of them packed small, and an hour of them rolled up. Pure."""

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

from probes import Status

STATUSES: tuple[Status, ...] = ("ok", "warning", "critical", "unknown")
"""By their numbers in the tables."""

HOUR = 3600.0

_GRAVITY: Mapping[str, int] = {"ok": 0, "unknown": 1, "warning": 2, "critical": 3}
_ABSENT = False  # in a packed column: this look did not have the metric at all (null: it had, and it was not known)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: when (epoch seconds, in whole milliseconds), what came of it, its numbers (None: not known).

    `message` is None where all was well: the latest one is the subject's, older ones would only repeat the numbers.
    """

    at: float
    status: Status
    values: Mapping[str, float | None]
    duration: float
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """The known values of a metric: how many, the least, the most, their mean, and the last."""

    count: int
    least: float
    most: float
    average: float
    last: float


@dataclass(frozen=True, slots=True)
class Rollup:
    """Looks of one hour: how many of each status, and the spread of each metric (None: never known in that hour)."""

    hour: float
    statuses: Mapping[str, int]
    duration: Spread
    values: Mapping[str, Spread | None] = field(default_factory=dict)
    last_at: float = 0.0

    @property
    def count(self) -> int:
        """How many looks."""
        return sum(self.statuses.values())

    @property
    def status(self) -> str:
        """The gravest status seen."""
        return max(self.statuses, key=_GRAVITY.__getitem__)


def hour_of(at: float) -> int:
    """The number of the hour since the epoch in which a moment lies."""
    return int(at // HOUR)


def pack(samples: Sequence[Sample]) -> bytes:
    """The samples as compressed columns; `unpack` gives them back as they were, oldest first."""
    ordered = sorted(samples, key=lambda one: one.at)
    moments = [round(one.at * 1000) for one in ordered]
    names = {name: None for one in ordered for name in one.values}
    columns = {
        "at": [*moments[:1], *(later - sooner for sooner, later in pairwise(moments))],
        "status": [STATUSES.index(one.status) for one in ordered],
        "duration": [one.duration for one in ordered],
        "message": {number: one.message for number, one in enumerate(ordered) if one.message is not None},
        "values": {name: [one.values.get(name, _ABSENT) for one in ordered] for name in names},
    }
    return zlib.compress(json.dumps(columns, allow_nan=False, separators=(",", ":")).encode())


def unpack(data: bytes) -> list[Sample]:
    """The samples that were packed, oldest first."""
    columns: dict[str, Any] = json.loads(zlib.decompress(data))
    moments, messages = accumulate(columns["at"]), columns["message"]
    rows = zip(moments, columns["status"], columns["duration"], strict=True)
    return [
        Sample(at / 1000, STATUSES[status], _row(columns["values"], number), duration, messages.get(str(number)))
        for number, (at, status, duration) in enumerate(rows)
    ]


def roll_up(samples: Sequence[Sample]) -> Rollup:
    """The samples of one hour, at least one, as their rollup."""
    ordered = sorted(samples, key=lambda one: one.at)
    names = {name: None for one in ordered for name in one.values}
    statuses = [one.status for one in ordered]
    duration = _spread([one.duration for one in ordered])
    assert duration is not None, "a rollup of nothing"
    return Rollup(
        hour=hour_of(ordered[0].at) * HOUR,
        statuses={status: statuses.count(status) for status in STATUSES if status in statuses},
        duration=duration,
        values={name: _spread([one.values.get(name) for one in ordered]) for name in names},
        last_at=ordered[-1].at,
    )


def merged(one: Rollup, other: Rollup) -> Rollup:
    """Both as one: looks may come late, after a clock was set back say."""
    sooner, later = sorted((one, other), key=lambda rollup: rollup.last_at)
    names = {**sooner.values, **later.values}
    duration = _joined(sooner.duration, later.duration)
    assert duration is not None
    return Rollup(
        hour=one.hour,
        statuses=dict(Counter(sooner.statuses) + Counter(later.statuses)),
        duration=duration,
        values={name: _joined(sooner.values.get(name), later.values.get(name)) for name in names},
        last_at=later.last_at,
    )


def written(rollup: Rollup) -> str:
    """The rollup as JSON text. A metric that never moved takes two numbers instead of five."""
    values = {name: _short(spread) for name, spread in rollup.values.items()}
    document = [rollup.last_at, rollup.statuses, _short(rollup.duration), values]
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


def read(hour: int, text: str) -> Rollup:
    """The rollup of an hour from its text."""
    last_at, statuses, duration, values = json.loads(text)
    spreads = {name: _long(numbers) for name, numbers in values.items()}
    spread = _long(duration)
    assert spread is not None
    return Rollup(hour * HOUR, statuses, spread, spreads, last_at)


def _row(columns: Mapping[str, Sequence[Any]], number: int) -> dict[str, float | None]:
    return {name: column[number] for name, column in columns.items() if column[number] is not _ABSENT}


def _spread(values: Iterable[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    average = sum(value / len(known) for value in known)  # the sum itself may be more than a float can hold
    return _bounded(len(known), min(known), max(known), average, known[-1])


def _joined(sooner: Spread | None, later: Spread | None) -> Spread | None:
    if sooner is None or later is None:
        return sooner or later
    count = sooner.count + later.count
    average = sooner.average * (sooner.count / count) + later.average * (later.count / count)
    return _bounded(count, min(sooner.least, later.least), max(sooner.most, later.most), average, later.last)


def _bounded(count: int, least: float, most: float, average: float, last: float) -> Spread:
    return Spread(count, least, most, min(max(float(f"{average:.12g}"), least), most), last)


def _short(spread: Spread | None) -> list[float] | None:
    if spread is None:
        return None
    if spread.least == spread.most:
        return [spread.count, spread.last]
    return [spread.count, spread.least, spread.most, spread.average, spread.last]


def _long(numbers: list[Any] | None) -> Spread | None:
    if numbers is None:
        return None
    if len(numbers) == 2:
        count, value = numbers
        return Spread(count, value, value, value, value)
    return Spread(*numbers)
