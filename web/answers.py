"""What API views share: answers as JSON, and which organization a caller acts for, and which end it may give."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flask import Response

from alerting.configuration.maintenance import LONGEST
from schemas import Fault
from web.auth import known_caller
from web.errors import Problem, bad_input, not_found
from web.state import vedette


def answer(value: Mapping[str, Any], status: int = 200) -> Response:
    """The value as a JSON response."""
    return Response(json.dumps(value, allow_nan=False), status, mimetype="application/json")


def listed(items: Iterable[Mapping[str, Any]], next_cursor: Any = None) -> Response:
    """A list, and where it goes on (None: nowhere)."""
    return answer({"items": list(items), "next_cursor": next_cursor})


def organization_for(permission: str, named: str | None) -> str:
    """The organization the caller acts in: the one it names, else the only one it can mean. Raises Problem."""
    caller = known_caller()
    if named is None:
        return _only(permission)
    declared = {one.slug for one in vedette().config.organizations}
    if not caller.may_see(named) or (caller.organizations is None and named not in declared):
        raise not_found("organization")
    if not caller.may(permission, named):
        raise Problem(403, f"this needs the permission {permission} in that organization")
    return named


def end_faults(asked: Mapping[str, Any], key: str, ends_at: float | None, at: float) -> Iterator[Fault]:
    """What is wrong with an end: it must lie ahead, within a year."""
    if ends_at is None:
        yield Fault(f"/{key}", f"{asked[key]!r} is no moment")
    elif ends_at <= at:
        yield Fault(f"/{key}", "lies in the past")
    elif ends_at - at > LONGEST:
        yield Fault(f"/{key}", "lies more than a year ahead")


def _only(permission: str) -> str:
    where = known_caller().where(permission)
    meant = where if where is not None else {one.slug for one in vedette().config.organizations}
    if len(meant) != 1:
        raise bad_input("say in which organization", [Fault("/organization", f"one of {', '.join(sorted(meant))}")])
    return next(iter(meant))
