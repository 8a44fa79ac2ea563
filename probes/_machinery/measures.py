"""Values drawn from an exposition: one series, sums, ratios, quantiles, rates and increases over a window."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import inf, isfinite, isnan
from statistics import fmean
from typing import Any, Literal

from probes._machinery import counters
from probes._machinery.counters import Count, Course, Record
from probes._machinery.exposition import Series
from probes._machinery.selectors import Selector, selector
from probes._machinery.times import seconds

AGGREGATES: Mapping[str, Any] = {"sum": sum, "min": min, "max": max, "avg": fmean, "count": len}

_MOST_SERIES = 500
_LATE = 1.25  # times the window
_SHORTEST_WINDOW = 10.0
_BUCKET = "_bucket"

Why = Literal["", "absent", "untold", "waiting", "idle"]
"""absent: no such series; untold: there, but no answer; waiting: for more looks; idle: nothing happened to judge."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How one value is drawn. `form` is value, an aggregate, ratio or quantile; `window` in seconds, None: as it is."""

    form: str
    selectors: tuple[Selector, ...]
    quantile: float = 0.0
    window: float | None = None
    per_second: bool = False
    default: float | None = None

    @property
    def tells_early(self) -> bool:
        """Whether two looks say something: an increase is too small until the whole window was seen."""
        return self.window is not None and (self.per_second or self.form in ("ratio", "quantile"))

    def goes_on(self, record: Record, now: float) -> bool:
        """Whether a record is recent enough to go on from: one older than the window tells nothing about it.

        A look may come late: at an interval as long as the window, half of them do.
        """
        return self.window is not None and 0 < now - record["at"][-1] <= self.window * _LATE

    @property
    def identity(self) -> str:
        """What tells its record from that of another measure under the same name."""
        return _short(repr((self.form, [one.text for one in self.selectors], self.window)))


@dataclass(frozen=True, slots=True)
class Reading:
    """A value, or why there is none and in which words; `at_least` is a bound that is known all the same."""

    value: float | None
    why: Why = ""
    words: str = ""
    at_least: float | None = None
    record: Record | None = field(default=None, repr=False)


def measure(given: str | Mapping[str, Any]) -> Measure:
    """A value's definition as `schemas/probes/metrics.json` has it. Raises ValueError, its text what is wrong."""
    if isinstance(given, str):
        return Measure("value", (selector(given),))
    form, texts = _form(given)
    if len(windows := [key for key in ("rate", "increase") if key in given]) > 1:
        raise ValueError("rate or increase, not both")
    if windows and form not in ("value", "sum", "ratio", "quantile"):
        raise ValueError(f"{form} does not go with {windows[0]}; sum, ratio and quantile do")
    window = seconds(given[windows[0]]) if windows else None
    if window is not None and window < _SHORTEST_WINDOW:
        raise ValueError(f"expected a window of at least {_SHORTEST_WINDOW:g} s")
    default = given.get("default")
    if windows and form in ("value", "sum") and default:
        raise ValueError(
            "with a rate or an increase, default can only be 0: a counter that is not there counted nothing"
        )
    return Measure(
        form,
        tuple(selector(_bucket_name(text) if form == "quantile" else text) for text in texts),
        given.get("quantile", 0.0),
        window,
        windows == ["rate"],
        default,
    )


def _form(given: Mapping[str, Any]) -> tuple[str, list[str]]:
    forms = [key for key in ("value", *AGGREGATES, "ratio", "quantile") if key in given]
    if len(forms) != 1:
        raise ValueError(f"expected exactly one of value, {', '.join(AGGREGATES)}, ratio and quantile")
    if (forms[0] == "quantile") != ("of" in given):
        raise ValueError("quantile and of go together: quantile = 0.95, of = the histogram's name")
    asked = given["of"] if forms[0] == "quantile" else given[forms[0]]
    return forms[0], [asked] if isinstance(asked, str) else list(asked)


def _bucket_name(text: str) -> str:
    name, brace, rest = text.strip().partition("{")
    return text if name.strip().endswith(_BUCKET) else f"{name.strip()}{_BUCKET}{brace}{rest}"


def reading(asked: Measure, found: Iterable[Series], record: Record | None, now: float) -> Reading:
    """What the exposition, and for a window the record of earlier looks, says of a measure."""
    lists = [[one for one in found if _is_meant(which, one)] for which in asked.selectors]
    if trouble := _trouble(asked, lists):
        return Reading(None, *trouble, record=record)
    if asked.window is None:
        return _now(asked, lists)
    goes_on = record is not None and asked.goes_on(record, now)
    after = _recorded(asked, lists, record if goes_on else None, now)
    if goes_on:
        return _over_window(asked, counters.course(after, now, asked.window), after)
    return Reading(None, *_beginning(asked, record, now, asked.window), record=after)


def _beginning(asked: Measure, record: Record | None, now: float, window: float) -> tuple[Why, str]:
    """Why there is no value at a look that earlier ones tell nothing for."""
    late = 0.0 if record is None else now - record["at"][-1]
    if late < 0:
        return "untold", "the clock was set back since the last look: its window begins anew"
    if late > 0:
        return "untold", f"the last look was {_told(late)} ago, too long for a window of {_told(window)}"
    return "waiting", "a rate needs two looks" if asked.tells_early else f"{_told(window)} of looks are needed"


def _is_meant(which: Selector, one: Series) -> bool:
    return one.name == which.name and which.selects(one.labels)


def _trouble(asked: Measure, lists: Sequence[list[Series]]) -> tuple[Why, str] | None:
    for which, found in zip(asked.selectors, lists, strict=True):
        if not found and asked.default is None and asked.form != "count":
            return "absent", f"there is no series {which.text}"
        if asked.form == "value" and len(found) > 1:
            return "untold", f"{len(found)} series are {which.text}, expected one: add labels or use sum"
        if asked.window is not None and len(found) > _MOST_SERIES:
            return "untold", f"{len(found)} series are {which.text}, more than the {_MOST_SERIES} that can be followed"
        if len({tuple(sorted(one.labels.items())) for one in found}) < len(found):
            return "untold", f"one series of {which.text} is there twice: nobody knows which of the two counts"
        if any(not isfinite(one.value) for one in found):
            return "untold", f"{which.text} is no number now"
    return None


def _now(asked: Measure, lists: Sequence[list[Series]]) -> Reading:
    if asked.form == "ratio":
        return _ratio(asked, *(sum(one.value for one in found) for found in lists))
    if asked.form == "quantile":
        return _quantile(asked, _added_up((_bound(one), one.value) for one in lists[0]))
    if not lists[0]:
        return Reading(0.0 if asked.form == "count" else asked.default)
    aggregate = AGGREGATES.get(asked.form, sum)
    return Reading(float(aggregate([one.value for one in lists[0]])))


def _recorded(asked: Measure, lists: Sequence[list[Series]], record: Record | None, now: float) -> Record:
    counts = [
        Count(_short(repr((number, sorted(one.labels.items())))), _lane(asked, number, one), one.value)
        for number, found in enumerate(lists)
        for one in found
    ]
    assert asked.window is not None
    return counters.carried_on(record, counts, now, asked.window, asked.default is not None)


def _lane(asked: Measure, number: int, one: Series) -> str:
    return repr(_bound(one)) if asked.form == "quantile" else str(number)


def _over_window(asked: Measure, course: Course, record: Record) -> Reading:
    scale = 1 / course.seconds if asked.per_second else 1.0
    if asked.form == "quantile":
        found = _quantile(asked, {float(lane): grown for lane, grown in course.grown.items()})
    elif asked.form == "ratio":
        found = _ratio(asked, *(course.grown.get(lane, 0.0) for lane in ("0", "1")))
    else:
        found = Reading(course.grown.get("0", 0.0) * scale)
        if not asked.tells_early and not course.whole:
            words = f"{_told(course.seconds)} of {_told(asked.window or 0.0)} have been seen"
            found = Reading(None, "waiting", words, at_least=found.value)
    return Reading(found.value, found.why, found.words, found.at_least, record)


def _ratio(asked: Measure, above: float, below: float) -> Reading:
    if below == 0:
        return Reading(asked.default, "" if asked.default is not None else "idle", f"{asked.selectors[1].text} is 0")
    return Reading(above / below)


def _quantile(asked: Measure, buckets: Mapping[float, float]) -> Reading:
    """As Prometheus has it: within a bucket the observations are taken to lie evenly."""
    bounds = sorted(bound for bound in buckets if not isnan(bound))
    if not bounds and asked.default is not None:
        return Reading(asked.default)
    if len(bounds) < 2 or bounds[-1] != inf:
        return Reading(None, "untold", f"{asked.selectors[0].text} is no histogram with a bucket up to +Inf")
    total = buckets[inf]
    if total <= 0:
        return Reading(asked.default, "" if asked.default is not None else "idle", "nothing was observed")
    rank = asked.quantile * total
    place = next(place for place, bound in enumerate(bounds) if bound == inf or buckets[bound] >= rank)
    if bounds[place] == inf:
        return Reading(bounds[-2])
    if place == 0 and bounds[0] <= 0:
        return Reading(bounds[0])
    begin, before = (bounds[place - 1], buckets[bounds[place - 1]]) if place else (0.0, 0.0)
    inside = buckets[bounds[place]] - before
    return Reading(begin + (bounds[place] - begin) * ((rank - before) / inside if inside > 0 else 0.0))


def _added_up(pairs: Iterable[tuple[float, float]]) -> dict[float, float]:
    sums: dict[float, float] = {}
    for bound, value in pairs:
        sums[bound] = sums.get(bound, 0.0) + value
    return sums


def _bound(one: Series) -> float:
    try:
        return float(one.labels.get("le", "nan"))
    except ValueError:
        return float("nan")


def _short(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=6).hexdigest()


def _told(span: float) -> str:
    """A span in its largest unit: "5 m", "24 h"."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if span >= size:
            return f"{span / size:.3g} {unit}"
    return f"{span:.3g} s"
