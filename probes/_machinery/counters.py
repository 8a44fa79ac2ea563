"""What counters did over a window, from looks that remember little: how far each has come, resets seen through."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_POINTS = 48  # moments kept of a window: between two of them the course is taken for a straight line

Record = Mapping[str, Any]
"""{"at": [moments], "lanes": {lane: [how far it has come at each]}, "seen": {series: [its value, when]}}."""


@dataclass(frozen=True, slots=True)
class Count:
    """The reading of one counter: the series it is, the lane it is added up in, its value."""

    series: str
    lane: str
    value: float


@dataclass(frozen=True, slots=True)
class Course:
    """By how much each lane has grown over the last `seconds`; `whole` where those are all of the window."""

    grown: Mapping[str, float]
    seconds: float
    whole: bool


def carried_on(record: Record | None, counts: Iterable[Count], now: float, window: float, from_zero: bool) -> Record:
    """The record after one more look; None begins one.

    A counter below what it was has begun anew, and all it shows has been counted since. One that was never seen counts
    from what it shows, as in Prometheus; with `from_zero` from nothing, so that the first failure is not lost.
    """
    counts = list(counts)
    seen = {} if record is None else {key: one for key, one in record["seen"].items() if now - one[1] <= window}
    steps: dict[str, float] = {}
    for one in counts:
        first = one.value if from_zero and record is not None else 0.0
        before = seen.get(one.series)
        step = first if before is None else one.value if one.value < before[0] else one.value - before[0]
        steps[one.lane] = steps.get(one.lane, 0.0) + step
        seen[one.series] = [one.value, now]
    return _with_point(record or {"at": [], "lanes": {}}, steps, now, window) | {"seen": seen}


def course(record: Record, now: float, window: float) -> Course:
    """What the record says of the window that ends now."""
    moments = record["at"]
    begin = max(moments[0], now - window)
    grown = {lane: points[-1] - _at(moments, points, begin) for lane, points in record["lanes"].items()}
    return Course(grown, now - begin, moments[0] <= now - window)


def _with_point(record: Record, steps: Mapping[str, float], now: float, window: float) -> dict[str, Any]:
    moments = record["at"]
    lanes = {lane: record["lanes"].get(lane, [0.0] * len(moments)) for lane in {**record["lanes"], **steps}}
    reached = {lane: (points[-1] if points else 0.0) + steps.get(lane, 0.0) for lane, points in lanes.items()}
    # The newest moment gives way to the next while it is close to the one before it.
    until = len(moments) - (len(moments) > 1 and moments[-1] - moments[-2] < window / _POINTS)
    start = max(0, bisect_right(moments, now - window, hi=until) - 1)  # one before the window, to draw the line from
    return {
        "at": [*moments[start:until], now],
        "lanes": {lane: [*points[start:until], reached[lane]] for lane, points in lanes.items()},
    }


def _at(moments: list[float], points: list[float], moment: float) -> float:
    """How far a lane had come at a moment within the record."""
    after = bisect_right(moments, moment)
    if after >= len(moments):
        return points[-1]
    begin, end = moments[after - 1], moments[after]
    return points[after - 1] + (points[after] - points[after - 1]) * (moment - begin) / (end - begin)
