"""Moments and durations as configurations and answers write them."""

from datetime import UTC, datetime

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def rfc3339(moment: float) -> str:
    """Epoch seconds as "2026-11-21T02:33:00.250Z"."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(value: float | str) -> float:
    """A duration that a schema took, in seconds: "2m" → 120.0, "1.5" → 1.5, 90 → 90.0."""
    if isinstance(value, str) and value[-1] in _UNITS:
        return float(value[:-1]) * _UNITS[value[-1]]
    return float(value)
