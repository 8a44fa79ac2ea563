"""The words of the page, from the message catalogue, and numbers and moments in words."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

_BYTES = ("B", "KB", "MB", "GB", "TB", "PB")
FOR_TEMPLATES = ("say", "count", "for_scripts", "ago", "size", "rate", "percent", "took", "span", "number", "moment")
"""The functions below that templates call by name."""

_FOR_SCRIPTS = ("ago.", "link.", "seen.ago", "alerts.since")


@cache
def catalogue() -> Mapping[str, str]:
    """Every message by its key."""
    found: dict[str, str] = json.loads(files("web").joinpath("messages.json").read_text("utf-8"))
    return found


def say(key: str, **values: Any) -> str:
    """The message of that key with its values. Raises KeyError where there is none."""
    return catalogue()[key].format(**values)


def count(key: str, n: int) -> str:
    """A message about a number: its form for one, or for many."""
    return say(f"{key}.one" if n == 1 else f"{key}.many", n=n)


def for_scripts() -> str:
    """The messages the page's scripts need, as JSON that is safe inside a script element."""
    chosen = {key: text for key, text in catalogue().items() if key.startswith(_FOR_SCRIPTS)}
    return json.dumps(chosen).replace("<", "\\u003c")


def ago(seconds: float | None) -> str:
    """A span of time, in its two largest units: "4 s", "12 min", "3 h 5 min", "2 d 7 h"."""
    if seconds is None:
        return say("none")
    whole = max(0, int(seconds))
    if whole < 60:
        return say("ago.seconds", n=whole)
    if whole < 3600:
        return say("ago.minutes", n=whole // 60)
    if whole < 86_400:
        return say("ago.hours", n=whole // 3600, m=whole % 3600 // 60)
    return say("ago.days", n=whole // 86_400, m=whole % 86_400 // 3600)


def size(number: float | None) -> str:
    """Bytes, in units of 1024: "512 B", "1.5 GB"."""
    if number is None:
        return say("none")
    value, unit = float(number), 0
    while value >= 999.5 and unit < len(_BYTES) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_BYTES[unit]}" if unit == 0 or value >= 99.5 else f"{value:.1f} {_BYTES[unit]}"


def rate(number: float | None) -> str:
    """Bytes a second."""
    return say("none") if number is None else f"{size(number)}/s"


def percent(number: float | None) -> str:
    """A percentage to one decimal."""
    return say("none") if number is None else f"{number:.1f} %"


def took(seconds: float | None) -> str:
    """How long something took: "37 ms", "1.24 s", "12 min"."""
    if seconds is None:
        return say("none")
    if seconds >= 60:
        return ago(seconds)
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def span(seconds: float | None) -> str:
    """A lag: "0.4 s", "12 s"."""
    if seconds is None:
        return say("none")
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def number(value: float | None) -> str:
    """A plain number without needless zeros."""
    return say("none") if value is None else f"{value:g}" if abs(value) < 1e6 else f"{value:,.0f}"


def moment(at: float | None, zone: str) -> str:
    """A moment in the service's zone: "21 Nov 03:12:07"."""
    if at is None:
        return say("none")
    return datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%d %b %H:%M:%S")
