"""What other programs say of their alerts: one module a foreign payload, found by its name. Pure: JSON in, reports out.

A payload holds to `schemas/sources/<name>.json` before its module sees it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.resources import files
from typing import Any, Protocol

from alerting.config import SEVERITIES, Hook
from alerting.phrasing import clip

OVER = 0
"""The level of what is over. Above it are those of the severities: 1 info, 2 warning, 3 critical."""

MOST = 2000
"""Alerts one payload may be about."""

TITLE, MESSAGE, LABEL = 200, 1000, 300
"""Characters kept of a title, a message and a label's value."""

_LABELS = 50  # kept of an alert
_LABEL_NAME = 100
_SPOKEN: Mapping[str, str] = {
    **dict.fromkeys(("critical", "crit", "fatal", "emergency", "disaster", "page", "alert", "error"), "critical"),
    **dict.fromkeys(("high", "severe", "p1"), "critical"),
    **dict.fromkeys(("warning", "warn", "average", "medium", "major", "minor"), "warning"),
    **dict.fromkeys(("info", "information", "informational", "notice", "low", "none", "debug"), "info"),
}
"""What programs call their severities, where a hook says nothing else of it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What another program says of one of its alerts.

    id          tells it from all others of the same hook, and is the same when it is raised, changes and is over
    level       OVER, 1 info, 2 warning, 3 critical; None: the program cannot tell just now
    at          the moment this is true of, as the program's clock has it; None: when it comes in. Epoch seconds
    number      orders what is true of one moment
    started_at  since when the trouble lasts
    goes_on     it tells what is true now, again and again, not what has just happened: a late one is told from an
                early one by nothing but when it comes
    names       by which it may name a server or an environment, the best first
    """

    id: str
    title: str
    level: int | None
    message: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    at: float | None = None
    number: int = 0
    started_at: float | None = None
    goes_on: bool = False
    names: tuple[str, ...] = ()


class Unusable(Exception):
    """A payload of the right shape that does not say what it must: where (a JSON pointer), and what was expected."""

    def __init__(self, pointer: str, message: str) -> None:
        """`message` does not quote the payload."""
        super().__init__(message)
        self.pointer = pointer
        self.message = message


class Source(Protocol):
    """What a source's module offers."""

    def reports(self, document: Any, hook: Hook) -> list[Report]:
        """What the payload says, in its order. Raises Unusable."""


@cache
def kinds() -> tuple[str, ...]:
    """The sources there are, sorted."""
    modules = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".py") for name in modules if name.endswith(".py") and name[0] != "_"))


def find(name: str) -> Source:
    """The source of that name, imported on first use. Raises KeyError naming those there are."""
    if name not in kinds():
        raise KeyError(f"no source {name!r}; there are: {', '.join(kinds())}")
    source: Source = import_module(f"alerting.sources.{name}")
    return source


def report_id(name: str, *parts: str) -> str:
    """An id of letters, digits, "-", "." and "_": a name for people, and a hash of all that tells it apart."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:60].strip("-.") or "alert"
    return f"{readable}-{sha256(chr(0).join(parts or (name,)).encode('utf-8', 'replace')).hexdigest()[:12]}"


def level(severity: str | None, hook: Hook) -> int:
    """What a program calls a severity, as a level; a word nobody knows, or none, is the hook's default."""
    word = (severity or "").strip().lower()
    known = hook.severities.get(word) or _SPOKEN.get(word, hook.default_severity)
    return OVER if known == "resolved" else 1 + [*SEVERITIES].index(known)  # type: ignore[arg-type]


def moment(value: object) -> float | None:
    """A moment as programs write it, in epoch seconds: RFC 3339, or a number of seconds or milliseconds.

    None where it is none, or stands for "never", as the year 1 does.
    """
    at = _number(value)
    if at is None and isinstance(value, str):
        at = _written(value)
    if at is not None and at > 1e11:
        at /= 1000
    return at if at is not None and 0 < at < 1e11 else None


def labels_of(pairs: Mapping[str, Any]) -> dict[str, str]:
    """Labels fit to keep: texts on one line, not too long and not too many; what is empty or no single value is not."""
    found: dict[str, str] = {}
    for name, value in pairs.items():
        text = clip(_text(value), LABEL)
        if text and 0 < len(name) <= _LABEL_NAME and name.isprintable() and len(found) < _LABELS:
            found[name] = text
    return found


def web(address: object) -> str:
    """An address a person may open, or nothing: what is no http or https may be anything."""
    text = address.strip() if isinstance(address, str) else ""
    plain = text.isprintable() and " " not in text and len(text) <= 2000
    return text if plain and re.match(r"https?://[^/]", text, re.IGNORECASE) else ""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else ""


def _written(text: str) -> float | None:
    try:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
