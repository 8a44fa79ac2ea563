"""What `docker` prints for people, as numbers: sizes, percentages, how long something is up."""

import re

_SIZE = re.compile(r"^\s*([\d.]+)\s*([kKMGT]?)(i?)B\s*$")
_POWERS = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_UP = re.compile(r"^Up (?:About )?(an?|\d+) (second|minute|hour|day|week|month|year)s?\b")
_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "week": 604_800,
    "month": 2_592_000,
    "year": 31_536_000,
}


def size(text: object) -> float | None:
    """Bytes: "1.5MiB" → 1572864.0, "3kB" → 3000.0; None for anything else."""
    found = _SIZE.match(text) if isinstance(text, str) else None
    if found is None:
        return None
    try:
        return float(found[1]) * (1024.0 if found[3] else 1000.0) ** _POWERS[found[2]]
    except ValueError:
        return None


def percent(text: object) -> float | None:
    """A percentage: "0.50%" → 0.5; None for anything else."""
    try:
        return float(text.removesuffix("%")) if isinstance(text, str) and text.endswith("%") else None
    except ValueError:
        return None


def uptime(status: object) -> float | None:
    """Seconds, as exact as Docker says it: "Up 2 hours (healthy)" → 7200.0; None for what is not up."""
    text = status if isinstance(status, str) else ""
    if text.startswith("Up Less than a second"):
        return 0.0
    found = _UP.match(text)
    if found is None:
        return None
    return float(_SECONDS[found[2]] * (1 if found[1] in ("a", "an") else int(found[1])))
