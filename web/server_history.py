"""A server's last hours and days as series: from its Netdata, which averages them, else from our own history."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

from alerting.config import Config, Watch
from alerting.notices import rfc3339
from alerting.store import history
from probes._machinery.guard import address_guard
from probes._machinery.netdata_answers import KILOBIT, percent, received, scaled, sent, share
from probes._machinery.netdata_asking import headers_of, host_path
from web.kept import Kept
from web.netdata_client import Agent, NoAnswer, deadline


class Range(NamedTuple):
    """How far back, in seconds, and by how many points."""

    seconds: float
    points: int


RANGES: Mapping[str, Range] = {
    "1h": Range(3600.0, 60),
    "6h": Range(6 * 3600.0, 72),
    "24h": Range(86_400.0, 96),
    "7d": Range(7 * 86_400.0, 168),
    "30d": Range(30 * 86_400.0, 180),
}
UNITS: Mapping[str, str] = {
    "cpu_percent": "percent",
    "memory_percent": "percent",
    "disk_percent": "percent",
    "network_rx_rate": "bytes/s",
    "network_tx_rate": "bytes/s",
}
"""The metrics there are series of; a series is called by its metric without the last word."""

_KEPT = 60.0
_TROUBLE_KEPT = 10.0
_AT_ONCE = 4  # servers asked by one worker
_PATIENCE = 5.0  # seconds to wait for one of those to end
_LONGEST = 10.0  # seconds for all questions about one server

Point = tuple[float, float | None]
Row = Mapping[str, float]
Reading = Callable[[Row], float | None]


@dataclass(frozen=True, slots=True)
class Past:
    """Points by metric, oldest first, None for a metric nobody knows; when they were asked for (epoch seconds).

    trouble: why there are none, in one sentence
    """

    series: Mapping[str, Sequence[Point] | None]
    at: float
    trouble: str | None = None


_kept: Kept[Past] = Kept()
_places = threading.BoundedSemaphore(_AT_ONCE)


def past(config: Config, watch: Watch, name: str, now: float) -> Past:
    """The server's past over the range of that name. What Netdata says is kept a minute, for all who look."""
    if watch.kind != "netdata" or "ssh" in watch.config:
        return Past(_own(watch, RANGES[name], now), now)
    key = (watch.subject, watch.organization, name, repr(dict(watch.config)))
    return _kept.get(key, lambda: _asked(config, watch, RANGES[name], now))


def shown(found: Past) -> dict[str, Any]:
    """The series as the API has them, each by its short name."""
    return {metric.rpartition("_")[0]: _series(metric, found.series.get(metric)) for metric in UNITS}


def _series(metric: str, points: Sequence[Point] | None) -> dict[str, Any] | None:
    if points is None:
        return None
    listed = [{"timestamp": rfc3339(at), "value": value} for at, value in points]
    return {"metric_name": metric, "points": listed, "unit": UNITS[metric]}


def _own(watch: Watch, span: Range, now: float) -> dict[str, Sequence[Point] | None]:
    """What we saw ourselves at each look."""
    seen = history.series(watch, list(UNITS), now - span.seconds, now, span.points)
    return {metric: _known([(at, values[metric]) for at, values in seen]) for metric in UNITS}


def _asked(config: Config, watch: Watch, span: Range, now: float) -> tuple[Past, float]:
    if not _places.acquire(timeout=_PATIENCE):
        return Past({}, now, "too many ask Netdata at this moment"), 1.0
    allowed = address_guard(config.denied_networks, config.allowed_networks)
    agent = Agent(watch.config["url"], headers_of(watch.config), allowed)
    try:
        with deadline(_LONGEST):
            found = _answers(agent, host_path(watch.config), span)
        known = any(points is not None for points in found.values())
        return Past(found, now, None if known else "Netdata has no data of it"), _KEPT
    except NoAnswer as trouble:
        return Past({}, now, str(trouble)), _TROUBLE_KEPT
    finally:
        agent.close()
        _places.release()


def _answers(agent: Agent, host: str, span: Range) -> dict[str, Sequence[Point] | None]:
    asked = f"after=-{span.seconds:.0f}&points={span.points}&group=average&format=json"
    found: dict[str, Sequence[Point] | None] = {}
    for charts, readings in _CHARTS:
        # A chart may have another name in another version; no other is asked for once one is known.
        answers = (agent.get(f"{host}/api/v1/data?chart={chart}&{asked}") for chart in charts)
        rows = _rows(next((answer for answer in answers if answer is not None), None))
        found |= {metric: _known([(at, read(row)) for at, row in rows]) for metric, read in readings.items()}
    return found


def _known(points: Sequence[Point]) -> Sequence[Point] | None:
    """The points, oldest first; None where no value is known."""
    return sorted(points) if any(value is not None for _, value in points) else None


def _rows(answer: Any) -> list[tuple[float, dict[str, float]]]:
    """(time, value by dimension) of each row of a `data` answer, gaps without values."""
    try:
        names = answer["labels"][1:]
        return [
            (float(at), {name: value for name, value in zip(names, values, strict=True) if _is_number(value)})
            for at, *values in answer["data"]
        ]
    except (TypeError, KeyError, ValueError, IndexError):
        return []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def _memory(row: Row) -> float | None:
    return percent(*share(row, ("free", "used", "cached", "buffers")))


def _disk(row: Row) -> float | None:
    return percent(*share(row, ("avail", "used")))


_CHARTS: Sequence[tuple[Sequence[str], Mapping[str, Reading]]] = (
    (("system.cpu",), {"cpu_percent": lambda row: min(100.0, max(0.0, sum(row.values()))) if row else None}),
    (("system.ram",), {"memory_percent": _memory}),
    (("disk_space._", "disk_space./"), {"disk_percent": _disk}),
    (
        ("system.net",),
        {
            "network_rx_rate": lambda row: scaled(received(row), KILOBIT),
            "network_tx_rate": lambda row: scaled(sent(row), KILOBIT),
        },
    ),
)
