"""Any program's JSON, by a hook's mapping: JSON pointers (RFC 6901) to what an alert is made of."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alerting.config import Hook
from alerting.phrasing import clip
from alerting.sources import MESSAGE, OVER, TITLE, Report, Unusable, labels_of, level, moment, report_id, web

_NOTHING = (None, "")


def reports(document: Any, hook: Hook) -> list[Report]:
    """A report for each alert that the mapping finds."""
    mapping = hook.mapping
    pointer = mapping.get("alerts", "")
    found = follow(document, pointer)
    if found is None:
        raise Unusable(pointer, "nothing is there; the hook's mapping expects alerts")
    if isinstance(found, list):
        return [_report(alert, f"{pointer}/{index}", hook) for index, alert in enumerate(found)]
    return [_report(found, pointer, hook)]


def _report(alert: Any, place: str, hook: Hook) -> Report:
    mapping = hook.mapping
    key = _text(alert, mapping["id"])
    if not key:
        raise Unusable(place + _first(mapping["id"]), "expected text or a number that is this alert's id")
    title, words = _text(alert, mapping.get("title", ())), _text(alert, mapping.get("message", ()))
    where = [_text(alert, mapping.get(name, ())) for name in ("server", "environment")]
    at = _moment(alert, "at", place, mapping)
    return Report(
        id=report_id(key),
        title=clip(title or key, TITLE),
        level=_level(alert, hook),
        message=clip(words or title or key, MESSAGE),
        labels=labels_of(_labels(alert, mapping.get("labels", {}))),
        url=web(_value(alert, mapping.get("url", ()))),
        at=at,
        started_at=_moment(alert, "started_at", place, mapping) or at,
        names=tuple(name for name in where if name),
    )


def _labels(alert: Any, pointers: str | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(pointers, str):
        return {name: _value(alert, each) for name, each in pointers.items()}
    found = follow(alert, pointers)
    return found if isinstance(found, Mapping) else {}


def _level(alert: Any, hook: Hook) -> int:
    """What it says of its status goes before what it says of its severity: many keep the severity when it is over."""
    over = {str(word).lower() for word in hook.mapping.get("resolved", ("resolved", "ok"))}
    if _spelled(_value(alert, hook.mapping.get("status", ()))).lower() in over:
        return OVER
    return level(_spelled(_value(alert, hook.mapping.get("severity", ()))), hook)


def _moment(alert: Any, name: str, place: str, mapping: Mapping[str, Any]) -> float | None:
    pointers = mapping.get(name, ())
    value = _value(alert, pointers)
    if value is None:
        return None
    at = moment(value)
    if at is None and value not in (0, "0") and not str(value).startswith("0001-"):  # those stand for "not yet"
        raise Unusable(place + _first(pointers), "expected a moment: RFC 3339, or seconds or milliseconds since 1970")
    return at


def follow(document: Any, pointer: str) -> Any:
    """What a JSON pointer leads to; None where that is nothing."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, Mapping):
            document = document.get(key)
        elif isinstance(document, list) and key.isascii() and key.isdecimal() and len(key) < 10:
            document = document[int(key)] if int(key) < len(document) else None
        else:
            return None
    return document


def _value(alert: Any, pointers: str | Sequence[str]) -> Any:
    """What the first of the pointers leads to that leads anywhere."""
    found = (follow(alert, pointer) for pointer in _each(pointers))
    return next((value for value in found if value not in _NOTHING), None)


def _text(alert: Any, pointers: str | Sequence[str]) -> str:
    found = (_spelled(follow(alert, pointer)) for pointer in _each(pointers))
    return next((text for text in found if text), "")


def _spelled(value: Any) -> str:
    """As JSON writes a single value, without quotes; empty for all that is none."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _each(pointers: str | Sequence[str]) -> Iterable[str]:
    return (pointers,) if isinstance(pointers, str) else pointers


def _first(pointers: str | Sequence[str]) -> str:
    return next(iter(_each(pointers)), "")
