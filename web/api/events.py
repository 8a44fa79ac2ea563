"""The event log over HTTP: reading on from an id, and telling Vedette of events elsewhere."""

from typing import Any

from flask import Blueprint, Response, request

import schemas
from alerting.shown import event_document
from alerting.store import events
from alerting.store.database import transaction
from alerting.store.events import LoggedEvent, NewEvent
from schemas import Fault
from web.answers import answer, listed, organization_for
from web.audience import Audience, audience_of, patterns
from web.auth import SIGNED_IN, known_caller, require
from web.bodies import body, cursor, limit
from web.errors import Problem, bad_input
from web.state import now

blueprint = Blueprint("events", __name__)

WRITE = "events.write"

_SHOWN_LIVE_ONLY = frozenset({"log.line"})
_SCANNED, _PAGE = 5000, 500  # events looked at for one answer, and at once: many may not be for this caller


@blueprint.get("/events")
@require(SIGNED_IN)
def list_events() -> Response:
    """The caller's events after an id, oldest first."""
    last, most = cursor("after") or cursor() or 0, limit(100)
    found: list[LoggedEvent] = []
    audience, more = _audience(), True
    for _ in range(_SCANNED // _PAGE):
        page = events.after(last, _PAGE)
        for event in page:
            if len(found) == most:
                break
            last = event.id
            found += [event] if audience.sees(event.type, event.organization) else []
        more = len(page) == _PAGE or (bool(page) and last != page[-1].id)
        if len(found) == most or not more:
            break
    return listed(map(event_document, found), str(last) if more else None)


@blueprint.post("/events")
@require(WRITE)
def tell() -> Response:
    """Store an event from elsewhere and show it to everybody it concerns."""
    asked = body("api/event")
    _hold_to_schema(asked["type"], asked["data"])
    organization = organization_for(WRITE, asked.get("organization"))
    context = {name: asked[name] for name in ("project_id", "environment_id") if asked.get(name) is not None}
    at = now()
    with transaction():
        (event_id,) = events.append([NewEvent(asked["type"], {**context, **asked["data"]}, organization)], at)
    return answer({"id": event_id}, 202)


def _audience() -> Audience:
    caller = known_caller()
    try:
        types = patterns(request.args.get("type", ""))
    except ValueError as error:
        raise bad_input("the parameter type cannot be used", [Fault("/type", str(error))]) from None
    audience = audience_of(caller.where, types)
    if audience.is_empty():
        raise Problem(403, "this needs the permission org.monitoring.view or org.monitoring.alerts.view")
    return audience


def _hold_to_schema(kind: str, data: Any) -> None:
    if kind not in schemas.names("events") or kind in _SHOWN_LIVE_ONLY:
        raise bad_input("there is no such type of event", [Fault("/type", "unknown")])
    if faults := schemas.faults(f"events/{kind}", data):
        raise bad_input(
            f"the data is not that of {kind}", [Fault(f"/data{fault.pointer}", fault.message) for fault in faults]
        )
