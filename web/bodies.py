"""Bodies and parameters of requests, held to their schemas: whatever is wrong with them is told, and never stored."""

import json
import math
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any, NoReturn

from flask import request

import schemas
from schemas import Fault
from web.errors import Problem, bad_input

LARGEST_BODY = 1_048_576
"""Bytes a request's body may have."""

DEEPEST = 32
"""Levels of nesting a body may have."""

MOST_ITEMS = 500
"""What a list answers at most."""

_PATIENCE = 10.0  # seconds a body may take to arrive
_LARGEST_ID = 2**63 - 1


def body(schema: str) -> Any:
    """The request's JSON body, valid for `schemas/<schema>.json`. Raises Problem: 400, 408, 413, 415."""
    value = document()
    if faults := schemas.faults(schema, value):
        raise bad_input("the body is not as it should be", faults)
    return value


def optional_body(schema: str) -> Any:
    """The same where a body may be left out: then an empty object."""
    return body(schema) if raw_body() else {}


def document() -> Any:
    """The request's body as JSON, whatever it says."""
    if not request.is_json:
        raise Problem(415, "expected a body of the type application/json")
    try:
        value = json.loads(raw_body(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise bad_input("the body is not JSON") from None
    if fault := _unstorable(value):
        raise bad_input("the body is not as it should be", [fault])
    return value


def raw_body() -> bytes:
    """The request's body. Raises Problem 408 where it does not arrive in time, 413 where it is too long."""
    with _deadline():
        data = request.get_data(cache=True)
    if len(data) > LARGEST_BODY:  # sent in chunks, without a length: what was over the limit is cut off in silence
        raise too_large()
    return data


def too_large() -> Problem:
    """413."""
    return Problem(413, f"a body may have at most {LARGEST_BODY} bytes")


def limit(usual: int = 50) -> int:
    """The parameter `limit`."""
    return _number("limit", usual, 1, MOST_ITEMS)


def cursor(name: str = "cursor") -> int | None:
    """The parameter that says where a list goes on; None: at its beginning."""
    return None if request.args.get(name) is None else _number(name, 0, 0, _LARGEST_ID)


def moment(name: str) -> float | None:
    """A parameter that is a moment, "2026-11-21T02:00:00Z", in epoch seconds; None where it is not given."""
    text = request.args.get(name)
    if text is None:
        return None
    try:  # a "+" that was not escaped arrives as a space
        at = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
        if at.tzinfo is not None:
            return at.timestamp()
    except (ValueError, OverflowError):
        pass
    raise bad_input(
        f'the parameter {name} is a moment like "2026-11-21T02:00:00Z"', [Fault(f"/{name}", "not a moment with a zone")]
    )


def choice(name: str, choices: Collection[str]) -> str | None:
    """A parameter that is one of `choices`, or None where it is not given."""
    value = request.args.get(name)
    if value is None or value in choices:
        return value
    raise bad_input(f"the parameter {name} is one of {', '.join(choices)}", [Fault(f"/{name}", "not one of these")])


def is_true(name: str) -> bool:
    """Whether a switch among the parameters is on."""
    return choice(name, ("true", "false", "1", "0")) in ("true", "1")


def _number(name: str, usual: int, lowest: int, highest: int) -> int:
    text = request.args.get(name)
    if text is None:
        return usual
    if text.isascii() and text.isdigit() and len(text) <= 19 and lowest <= int(text) <= highest:
        return int(text)
    raise bad_input(
        f"the parameter {name} is a whole number from {lowest} to {highest}", [Fault(f"/{name}", "not such a number")]
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _unstorable(document: Any) -> Fault | None:
    """What JSON allows and no database takes: depth without end, numbers beyond floats, NUL, halves of characters."""
    waiting: list[tuple[Any, int]] = [(document, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            return Fault("", f"nested deeper than {DEEPEST} levels")
        if isinstance(value, float) and not math.isfinite(value):
            return Fault("", "a number is too large")
        if isinstance(value, str) and not _storable(value):
            return Fault("", "a text contains NUL or half of a surrogate pair")
        if isinstance(value, dict):
            waiting += [(each, depth + 1) for pair in value.items() for each in pair]
        elif isinstance(value, list):
            waiting += [(each, depth + 1) for each in value]
    return None


def _storable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _deadline() -> AbstractContextManager[Any]:
    """A client that sends its body drop by drop must not keep a worker's place for ever."""
    from gevent import Timeout, monkey

    if not monkey.is_module_patched("socket"):
        return nullcontext()
    deadline: AbstractContextManager[Any] = Timeout(_PATIENCE, Problem(408, "the body did not arrive in time"))
    return deadline
