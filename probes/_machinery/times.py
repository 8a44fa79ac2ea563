"""Moments and durations as configurations and answers write them."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPOKEN = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def rfc3339(moment: float) -> str:
    """Epoch seconds as "2026-11-21T02:33:00.250Z"."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(value: float | str) -> float:
    """A duration that a schema took, in seconds: "2m" → 120.0, "1.5" → 1.5, 90 → 90.0."""
    if isinstance(value, str) and value[-1] in _UNITS:
        return float(value[:-1]) * _UNITS[value[-1]]
    return float(value)


def clock(moment: float, zone: str) -> str:
    """Epoch seconds as a person in that zone reads them: "21 Nov 03:00 CET", with seconds where there are any."""
    local = datetime.fromtimestamp(moment, ZoneInfo(zone))
    return f"{local.day} {local:%b %H:%M:%S %Z}" if local.second else f"{local.day} {local:%b %H:%M %Z}"


def spoken(span: float) -> str:
    """A span in its two largest units: "0.4 s", "12 s", "3 min 12 s", "2 h 5 min", "1 d 3 h"."""
    if span < 10:
        return f"{span:.1f}".removesuffix(".0") + " s"
    whole = round(span)
    for (name, size), (smaller, part) in pairwise(_SPOKEN):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {name}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"
