"""Asking questions of a JSON document: read it, look a value up, compare it with what was wanted."""

import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

_MOST_SHOWN = 80  # characters of a value in a message: it comes from the target and may be anything


class _Missing:
    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()


def parse(body: bytes) -> Any:
    """The JSON document in `body`. Raises ValueError, its text one sentence, on anything else."""
    try:
        return json.loads(body, parse_constant=_no_constant)
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

    wanted: path → the value itself, or {operator: value} with operators == != > >= < <= in contains
    """
    for path, expected in wanted.items():
        seen = look_up(document, path)
        for name, value in _conditions(expected):
            if not _holds(name, seen, value):
                yield f"{path} is {shown(seen)}, expected {'' if name == '==' else name + ' '}{shown(value)}"


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


def _parts(path: str) -> list[str]:
    if path.startswith("/"):
        return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    return path.split(".")


def _step(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part, MISSING)
    if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
        return value[int(part)]
    return MISSING


def _conditions(expected: Any) -> list[tuple[str, Any]]:
    if isinstance(expected, Mapping) and expected and all(name in _OPERATORS for name in expected):
        return list(expected.items())
    return [("==", expected)]


def _holds(name: str, seen: Any, value: Any) -> bool:
    if seen is MISSING:
        return False
    try:
        return bool(_OPERATORS[name](seen, value))
    except TypeError:
        return False  # a text is neither more nor less than a number


def _equal(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _among(seen: Any, values: Sequence[Any]) -> bool:
    return any(_equal(seen, value) for value in values)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": _equal,
    "!=": lambda seen, value: not _equal(seen, value),
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "in": _among,
    "contains": operator.contains,
}
