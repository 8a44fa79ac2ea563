"""Conditions on values: which hold, which cannot be told, and what a person is told of it."""

from collections.abc import Callable, Iterator, Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from probes._machinery.measures import Reading
from probes._machinery.observation import Status

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {">": gt, ">=": ge, "<": lt, "<=": le, "==": eq, "!=": ne}

LEVELS: tuple[Status, ...] = ("critical", "warning")

_UPWARDS = (">", ">=")  # what a lower bound can already say
_MOST_TOLD = 8


def judged(config: Mapping[str, Any], readings: Mapping[str, Reading], is_first: bool) -> tuple[Status, list[str]]:
    """The status, and the sentences that say why.

    config: its "critical" and "warning", each {value: {operator: limit, …, "absent": true, "while": {value: …}}}
    is_first: nothing was seen before, so that what waits for more looks has not been judged even once
    """
    spoken_of = set[str]()
    for level in LEVELS:
        met = [name for name, limits in config.get(level, {}).items() if _holds(name, limits, readings)]
        if met:
            return level, _told([_said(name, config[level][name], readings) for name in met])
        spoken_of |= {name for name, limits in config.get(level, {}).items() if limits.get("absent")}
    missing = [*_missing(readings, ("untold",), set()), *_missing(readings, ("absent",), spoken_of)]
    waiting = [*_missing(readings, ("waiting",), set())]
    if missing or (is_first and waiting):
        return "unknown", _told([*missing, *waiting])
    known = _told([f"{name} {_number(one.value)}" for name, one in readings.items() if one.value is not None])
    rest = [*waiting, *_missing(readings, ("idle", "absent"), set())]
    return "ok", [*([", ".join(known)] if known else []), *_told(rest)]


def _holds(name: str, limits: Mapping[str, Any], readings: Mapping[str, Reading]) -> bool:
    """Whether a condition is met; what is not known meets none."""
    one = readings[name]
    numbers = [(sign, limit) for sign, limit in limits.items() if sign in OPERATORS]
    if one.why == "absent" and limits.get("absent"):
        met = True
    elif one.value is None:
        bound = one.at_least
        met = bool(numbers) and bound is not None and all(s in _UPWARDS and OPERATORS[s](bound, n) for s, n in numbers)
    else:
        met = bool(numbers) and all(OPERATORS[sign](one.value, limit) for sign, limit in numbers)
    return met and all(_holds(other, inner, readings) for other, inner in limits.get("while", {}).items())


def _said(name: str, limits: Mapping[str, Any], readings: Mapping[str, Reading]) -> str:
    """ "websockets is 0 (== 0) while users is 3 (> 0)"."""
    one = readings[name]
    signs = ", ".join(f"{sign} {_number(limit)}" for sign, limit in limits.items() if sign in OPERATORS)
    if one.value is not None:
        words = f"{name} is {_number(one.value)} ({signs})"
    elif one.at_least is not None:
        words = f"{name} is already {_number(one.at_least)} ({signs})"
    else:
        words = f"{name} is absent: {one.words}"
    others = [_said(other, inner, readings) for other, inner in limits.get("while", {}).items()]
    return f"{words} while {' and '.join(others)}" if others else words


def _missing(readings: Mapping[str, Reading], whys: tuple[str, ...], but: set[str]) -> Iterator[str]:
    for name, one in readings.items():
        if one.value is None and one.why in whys and name not in but:
            yield f"{name} is not known: {one.words}"


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.6g}"


def _told(sentences: list[str]) -> list[str]:
    more = len(sentences) - _MOST_TOLD
    return sentences[:_MOST_TOLD] + ([f"and {more} more"] if more > 0 else [])
