"""Row locks: taking, renewing, releasing, and who holds what."""

from typing import Any

from flask import Blueprint, Response, request

from alerting.shown import lock_document
from alerting.store import locks
from web.answers import answer, listed, organization_for
from web.auth import SIGNED_IN, known_caller, require
from web.bodies import body, is_true, optional_body
from web.errors import Problem, not_found
from web.state import now

blueprint = Blueprint("locks", __name__)

VIEW, WRITE = "org.monitoring.view", "locks.write"


@blueprint.get("/locks")
@require(VIEW)
def list_locks() -> Response:
    """The locks held, oldest first."""
    return listed(lock_document(lock) for lock in locks.held(known_caller().where(VIEW), now()))


@blueprint.post("/locks")
@require(WRITE)
def acquire() -> Response:
    """Take a lock: 201 with its token, or 409 with whoever holds it."""
    asked = body("api/lock")
    organization = organization_for(WRITE, asked.get("organization"))
    key = locks.canonical(asked["key"])
    lock, token = locks.acquire(
        organization, asked["app"], asked["screen"], key, _holder(asked), now(), asked.get("stream_id")
    )
    if token is None:
        raise Problem(409, f"{lock.holder} holds this lock", holder=lock.holder, lock=lock_document(lock))
    return answer({**lock_document(lock), "token": token}, 201)


@blueprint.post("/locks/<lock_id>/renew")
@require(SIGNED_IN)
def renew(lock_id: str) -> Response:
    """Hold it for another hour."""
    _allowed(lock_id)
    lock = locks.renew(lock_id, now())
    if lock is None:
        raise not_found("lock")
    return answer(lock_document(lock))


@blueprint.delete("/locks/<lock_id>")
@require(SIGNED_IN)
def release(lock_id: str) -> Response:
    """Give it back, or, with force, take it from its holder."""
    _allowed(lock_id)
    if not locks.release(lock_id, known_caller().name, now()):
        raise not_found("lock")
    return Response(status=204)


def _holder(asked: dict[str, Any]) -> str:
    """A program that locks for its own users may name them; a person locks for themself."""
    caller = known_caller()
    return str(asked.get("holder") or caller.name) if caller.user is None else caller.name


def _allowed(lock_id: str) -> None:
    """Hold the caller to the lock's token, or to the permission to do without. Raises Problem: 403, 404."""
    asked = optional_body("api/lock_token")
    token = asked.get("token") or request.args.get("token")
    force = asked.get("force") or is_true("force")
    lock, caller = locks.get(lock_id, now()), known_caller()
    if lock is None or not caller.may_see(lock.organization):
        raise not_found("lock")
    if token is not None and locks.opens(lock_id, token):
        return
    if not force:
        raise Problem(403, "this needs the lock's token, or force=true")
    if not caller.may(WRITE, lock.organization):
        raise Problem(403, f"to force this needs the permission {WRITE}")
