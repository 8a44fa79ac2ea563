"""Silences: what nobody is told of, until when, and why; made by people, ended by their time or by hand."""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response

from alerting.config import Silence
from alerting.configuration import matches
from alerting.configuration.maintenance import moment_of
from alerting.shown import silence_document
from alerting.silences import matches as is_matched
from alerting.store import alerts, silences
from schemas import Fault
from web.answers import answer, end_faults, listed, organization_for
from web.auth import known_caller, require
from web.bodies import body, choice, cursor, limit
from web.errors import Problem, bad_input, not_found
from web.state import now

blueprint = Blueprint("silences", __name__)

VIEW, CHANGE = "org.monitoring.alerts.view", "org.monitoring.alerts.configure"
STATES = ("active", "scheduled", "expired")

_LARGEST_ID = 2**63 - 1


@blueprint.get("/monitoring/silences")
@require(VIEW)
def list_silences() -> Response:
    """Silences, newest first, those that are over too."""
    most, at = limit(), now()
    found = silences.page(known_caller().where(VIEW), cursor(), most + 1, choice("state", STATES), at)
    shown = [silence_document(one, at) for one in found[:most]]
    return listed(shown, str(found[most - 1].id) if len(found) > most else None)


@blueprint.get("/monitoring/silences/<int:silence_id>")
@require(VIEW)
def show_silence(silence_id: int) -> Response:
    """One silence, and how many open alerts it is about."""
    return answer(_with_count(_visible(silence_id)))


@blueprint.post("/monitoring/silences")
@require(CHANGE)
def add() -> Response:
    """Make one: 201 with it. What was to be told of the alerts it matches waits from now on for its end."""
    asked, at = body("api/silence"), now()
    organization = organization_for(CHANGE, asked.get("organization"))
    if faults := list(_faults(asked, at)):
        raise bad_input("this cannot be a silence", faults)
    starts_at = max(at, moment_of(asked.get("starts_at"), "UTC") or at)
    ends_at = moment_of(asked["ends_at"], "UTC") or at
    match, by = matches.flat(asked.get("match", {})), known_caller().name
    made = silences.add(Silence(0, organization, match, starts_at, ends_at, asked["reason"], by, at))
    return answer(_with_count(made), 201)


@blueprint.delete("/monitoring/silences/<int:silence_id>")
@require(CHANGE)
def end(silence_id: int) -> Response:
    """End it now. It is kept as history; once more changes nothing."""
    found = _visible(silence_id)
    if not known_caller().may(CHANGE, found.organization):
        raise Problem(403, f"this needs the permission {CHANGE} in that organization")
    silences.end(silence_id, known_caller().name, now())
    return Response(status=204)


def _faults(asked: dict[str, Any], at: float) -> Iterator[Fault]:
    yield from matches.faults(asked)
    ends_at, starts_at = moment_of(asked["ends_at"], "UTC"), moment_of(asked.get("starts_at"), "UTC")
    yield from end_faults(asked, "ends_at", ends_at, at)
    if "starts_at" in asked and starts_at is None:
        yield Fault("/starts_at", f"{asked['starts_at']!r} is no moment")
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        yield Fault("/ends_at", "lies before starts_at")


def _with_count(silence: Silence) -> dict[str, Any]:
    """The silence, and the open alerts it is about now: 0 often means that a pattern is mistyped."""
    ours = (one for one in alerts.unresolved() if one.organization == silence.organization)
    return {**silence_document(silence, now()), "open_alerts": sum(is_matched(silence.match, one) for one in ours)}


def _visible(silence_id: int) -> Silence:
    found = silences.get(silence_id) if silence_id <= _LARGEST_ID else None
    if found is None or not known_caller().may(VIEW, found.organization):
        raise not_found("silence")
    return found
