"""Checks: what is watched by name, and how each is."""

from typing import Any

from flask import Blueprint, Response

from alerting import drift
from alerting.notices import rfc3339
from web.answers import answer, listed
from web.api.alerts import CHANGE
from web.auth import known_caller, require
from web.bodies import optional_body
from web.errors import Problem
from web.state import now
from web.watched import UNKNOWN, VIEW, Watched, one, visible

blueprint = Blueprint("checks", __name__)


@blueprint.get("/monitoring/checks")
@require(VIEW)
def list_checks() -> Response:
    """Every check, in the file's order."""
    return listed(shown(check) for check in visible("check"))


@blueprint.post("/monitoring/checks/<name>/accept")
@require(CHANGE)
def accept_answer(name: str) -> Response:
    """Make the last answer of an info check its baseline, from the next look on. 409 where there is none to take."""
    optional_body("api/empty")
    watch = one("check", name).watch
    caller = known_caller()
    if not caller.may(CHANGE, watch.organization):
        raise Problem(403, f"this needs the permission {CHANGE} in that organization")
    try:
        accepted = drift.accept(watch, caller.name, now())
    except drift.NothingToAccept as reason:
        raise Problem(409, str(reason)) from None
    seen_at, accepted_at = rfc3339(accepted.seen_at), rfc3339(now())
    return answer({"id": watch.name, "seen_at": seen_at, "accepted_by": caller.name, "accepted_at": accepted_at})


def shown(check: Watched) -> dict[str, Any]:
    """A check as the API has it. Its configuration is not part of it: that may hold secrets."""
    watch, state = check.watch, check.state
    seen = None if state is None else state.observation
    return {
        "id": watch.name,
        "name": watch.name,
        "organization": watch.organization,
        "project_id": watch.project,
        "server_id": watch.server,
        "environment_id": watch.environment,
        "kind": watch.kind,
        "every_seconds": watch.every,
        "status": seen.status if seen is not None and check.known else UNKNOWN,
        "since": rfc3339(check.since),
        "message": _message(check),
        "values": {} if seen is None else dict(seen.values),
        "observed_at": None if seen is None else rfc3339(seen.at),
        "duration_seconds": None if seen is None else seen.duration,
        "managed_by": "config",
    }


def _message(check: Watched) -> str:
    if check.state is None:
        return "not looked at yet"
    return f"not looked at since {rfc3339(check.since)}" if check.stale else check.state.observation.message
