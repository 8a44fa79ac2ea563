"""Quantities, durations and moments as a person reads them, and text of unknown origin made fit to print. Pure."""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

ELLIPSIS = "…"

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_SIZES = ("bytes", "KB", "MB", "GB", "TB", "PB")
_LABELS: Mapping[str, str] = {
    "cpu_percent": "CPU",
    "rtt_min_seconds": "Shortest round trip",
    "rtt_avg_seconds": "Average round trip",
    "rtt_max_seconds": "Longest round trip",
    "run_seconds": "Run time",
    "dns_seconds": "Name lookup",
    "tls_seconds": "TLS handshake",
    "total_seconds": "Answer after",
    "silent_intervals": "Not known for",
}
_COUNTED = ("days", "intervals")  # units that are words
_SUFFIXES = ("_percent", "_seconds", "_bytes", "_rate", "_total", "_count", "_days", "_intervals")

# These turn the direction of everything after them: "gpj.exe" would read "exe.jpg".
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: str) -> str:
    """The text on one line, without control characters, lone surrogates and marks that turn its direction."""
    shown = text if text.isprintable() else "".join(char for char in text if char.isspace() or _is_shown(char))
    return " ".join(shown.split())


def clip(text: str, limit: int) -> str:
    """The text on one line of at most `limit` characters, with an ellipsis where something was left out."""
    line = one_line(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + ELLIPSIS


def duration(seconds: float) -> str:
    """Seconds in the two largest units that say something: "12 minutes", "1 hour 5 minutes", "2 days 3 hours"."""
    left = max(0, round(seconds))
    for index, (name, size) in enumerate(_UNITS):
        if left >= size:
            whole, rest = divmod(left, size)
            smaller = _UNITS[index + 1 : index + 2]
            second = rest // smaller[0][1] if smaller and whole < 10 else 0
            return counted(whole, name) + (f" {counted(second, smaller[0][0])}" if second else "")
    return "less than a second"


def ago(seconds: float) -> str:
    """How long ago: "12 minutes ago", "just now"."""
    return f"{duration(seconds)} ago" if seconds >= 1 else "just now"


def moment(at: float, zone: str) -> str:
    """Epoch seconds in a zone (IANA name): "21 Nov 2026, 03:37 CET". An unknown zone: UTC."""
    local = datetime.fromtimestamp(at, _zone(zone))
    return f"{local.day} {local:%b %Y, %H:%M %Z}"


def clock(at: float) -> str:
    """Epoch seconds as a decision's line has them, which whoever shows it puts into a zone: "2026-11-21T02:19:00Z"."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def counted(number: int, noun: str) -> str:
    """ "1 alert", "3 alerts"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def quantity(metric: str, value: float) -> str:
    """A metric's value in the unit its name says; MB are 1,048,576 bytes: "97.2 %", "50 MB", "12.5 s", "1.4 MB/s"."""
    if metric.endswith("_percent"):
        return f"{_short(value)} %"
    if metric.endswith("_bytes"):
        return _size(value)
    if metric.endswith("_rate"):
        return f"{_size(value)}/s"
    if metric.endswith("_seconds"):
        return _brief(value) if abs(value) < 120 else duration(value)
    unit = metric.rpartition("_")[2]
    if unit in _COUNTED:
        return f"{_short(value)} {unit.removesuffix('s') if value == 1 else unit}"
    return f"{value:,.0f}" if value == value // 1 and abs(value) < 1e15 else f"{value:.4g}"


def metric_label(metric: str) -> str:
    """What a metric is called without its unit: "CPU", "Memory", "Queue length"."""
    if metric in _LABELS:
        return _LABELS[metric]
    suffix = next((one for one in _SUFFIXES if metric.endswith(one)), "")
    words = one_line(metric.removesuffix(suffix).replace("_", " "))
    return words[:1].upper() + words[1:]


def _is_shown(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cs") and char not in _DIRECTIONS


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _brief(seconds: float) -> str:
    """Below a second, digits that tell one answer's time from another's."""
    return f"{seconds:.3g} s" if abs(seconds) < 1 else f"{_short(seconds)} s"


def _size(value: float) -> str:
    for unit in _SIZES[:-1]:
        if abs(value) < 1024:
            return f"{_short(value)} {unit}"
        value /= 1024
    return f"{_short(value)} {_SIZES[-1]}"
