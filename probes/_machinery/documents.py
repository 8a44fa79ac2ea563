"""Asking questions of a JSON document: read it, look a value up, compare it with what was wanted."""

import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, NoReturn

from probes._machinery.patterns import compiled, matches
from schemas import Fault

_DEEPEST = 50  # levels; what walks a document calls itself for each
_MOST_SHOWN = 80  # characters of a value in a message: it comes from the target and may be anything


class _Missing:
    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()


def parse(body: bytes) -> Any:
    """The JSON document in `body`. Raises ValueError, its text one sentence, on anything else."""
    try:
        return _decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None


def look_up(document: Any, path: str) -> Any:
    """The value at "a.b.0.c" or, where it starts with a slash, at the JSON pointer "/a/b/0/c"; else MISSING."""
    value = document
    for part in _parts(path):
        value = _step(value, part)
    return value


def unmet(document: Any, wanted: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for every path of `wanted` whose value is not as wanted.

    wanted: path → the value itself, or {operator: value} with operators == != > >= < <= in, not in, contains,
    not contains, matches (RE2), length (a number, or {operator: number}) and exists (true or false)
    """
    for path, expected in wanted.items():
        yield from unmet_value(path, look_up(document, path), expected)


def unmet_value(called: str, seen: Any, expected: Any) -> Iterator[str]:
    """A sentence for each condition of `expected`, written as in `unmet`, that the value `seen` does not keep to."""
    for name, value in _conditions(expected):
        if not _holds(name, seen, value):
            yield f"{called} is {shown(seen)}, expected {_in_words(name, value)}"


def met(seen: Any, condition: Any) -> str:
    """The condition in words where the value `seen` meets all of it: "> 100"; else an empty text."""
    parts = _conditions(condition)
    if not all(_holds(name, seen, value) for name, value in parts):
        return ""
    return " and ".join(f"{name} {shown(value)}" for name, value in parts)


def not_found(document: Any, partial: Any, path: str = "") -> Iterator[str]:
    """A sentence for everything in `partial` that is not in `document`. Of a list, each item must be found in it."""
    if isinstance(partial, Mapping) and isinstance(document, Mapping):
        for key, value in partial.items():
            yield from not_found(document.get(key, MISSING), value, f"{path}/{key}")
    elif isinstance(partial, list) and isinstance(document, list):
        for item in partial:
            if all(any(True for _ in not_found(candidate, item)) for candidate in document):
                yield f"{path or '/'} lacks {shown(item)}"
    elif not _equal(document, partial):
        yield f"{path or '/'} is {shown(document)}, expected {shown(partial)}"


def shown(value: Any) -> str:
    """A value as a message shows it: JSON, cut to a readable length."""
    text = "missing" if value is MISSING else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"


def condition_faults(place: str, wanted: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with the conditions that `unmet` is to judge, which stand at the JSON pointer `place`."""
    return [
        Fault(f"{place}/{_escaped(path)}", fault)
        for path, expected in wanted.items()
        for fault in _condition_faults(expected)
    ]


def pointer(path: str) -> str:
    """A dotted path as a JSON pointer, which it may be already: "a.b.0" → "/a/b/0"."""
    return path if path.startswith("/") or not path else "/" + "/".join(map(_escaped, path.split(".")))


def canonical(value: Any) -> str:
    """A JSON value as one text: the same for equal values, whatever the order of their fields."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def unkeepable(document: Any) -> str:
    """Why a document that was read cannot be kept as it is: deeper than can be walked, or a number beyond numbers."""
    waiting: list[tuple[Any, int]] = [(document, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _DEEPEST:
            return f"nested deeper than {_DEEPEST} levels"
        if isinstance(value, float) and not isfinite(value):
            return "a number in it is too large"
        if isinstance(value, dict | list):
            waiting += [(one, depth + 1) for one in (value.values() if isinstance(value, dict) else value)]
    return ""


def _parts(path: str) -> list[str]:
    if path.startswith("/"):
        return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    return path.split(".")


def _step(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        return value.get(part, MISSING)
    if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
        return value[int(part)]
    return MISSING


def _conditions(expected: Any) -> list[tuple[str, Any]]:
    if isinstance(expected, dict) and expected and all(name in _OPERATORS for name in expected):
        return list(expected.items())
    return [("==", expected)]


def _condition_faults(expected: Any) -> Iterator[str]:
    if not isinstance(expected, Mapping):
        return
    known = [name for name in expected if name in _OPERATORS]
    others = ", ".join(name for name in expected if name not in _OPERATORS)
    if others and (known or all(_looks_like_an_operator(name) for name in expected)):
        yield f"not an operator: {others}; there are: {' '.join(_OPERATORS)}"
    for name in known:
        yield from _operand_faults(name, expected[name])


def _looks_like_an_operator(name: str) -> bool:
    """Whether a document's field is hardly called that: "=>", "=", "~", "><"."""
    return bool(name) and not set(name) - set("=<>!~")


def _operand_faults(name: str, value: Any) -> Iterator[str]:
    if name in ("in", "not in") and not isinstance(value, list):
        yield f"{name} takes a list of the values that will{' not' * name.startswith('not')} do"
    if name in _ORDERS and (isinstance(value, bool) or not isinstance(value, int | float | str)):
        yield f"{name} takes a number or a text to compare with"
    if name == "exists" and not isinstance(value, bool):
        yield "exists takes true or false"
    if name == "length" and not all(_is_number(one) and which in _NUMERIC for which, one in _conditions(value)):
        yield f"length takes a number, or a number to compare with: {{operator: number}} with {' '.join(_NUMERIC)}"
    if name == "matches":
        yield from _pattern_faults(value)


def _pattern_faults(pattern: Any) -> Iterator[str]:
    if not isinstance(pattern, str):
        yield "matches takes a regular expression, a text"
        return
    try:
        compiled(pattern)
    except ValueError as trouble:
        yield f"not a regular expression (RE2): {trouble}"


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _holds(name: str, seen: Any, value: Any) -> bool:
    if seen is MISSING and name != "exists":
        return False
    try:
        return bool(_OPERATORS[name](seen, value))
    except TypeError:
        return False  # a text is neither more nor less than a number


def _equal(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _among(seen: Any, values: Sequence[Any]) -> bool:
    return any(_equal(seen, value) for value in values)


def _has_length(seen: Any, wanted: Any) -> bool:
    return isinstance(seen, str | list | Mapping) and all(
        _holds(name, len(seen), value) for name, value in _conditions(wanted)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_words(name: str, value: Any) -> str:
    """What was expected of a value: "5", "> 5", "length > 5", "to be there"."""
    if name == "exists":
        return "to be there" if value else "to be missing"
    if name == "length":
        return "length " + " and ".join(_in_words(which, one) for which, one in _conditions(value))
    return shown(value) if name == "==" else f"{name} {shown(value)}"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_no_constant).decode  # made once: every look reads a document

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": _equal,
    "!=": lambda seen, value: not _equal(seen, value),
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "in": _among,
    "not in": lambda seen, values: not _among(seen, values),
    "contains": operator.contains,
    "not contains": lambda seen, value: not operator.contains(seen, value),
    "matches": lambda seen, pattern: isinstance(seen, str) and matches(pattern, seen),
    "length": _has_length,
    "exists": lambda seen, wanted: (seen is not MISSING) == wanted,
}
_ORDERS = ("<", "<=", ">", ">=")
_NUMERIC = ("==", "!=", *_ORDERS)
