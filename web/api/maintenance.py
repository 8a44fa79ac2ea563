"""Maintenance windows: those of the file, and those people make here."""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response

from alerting import silences
from alerting.config import Maintenance
from alerting.configuration.maintenance import faults, maintenance_of, moment_of
from alerting.shown import maintenance_document, maintenance_id
from alerting.store import maintenance
from schemas import Fault
from web.answers import answer, end_faults, listed, organization_for
from web.api.silences import CHANGE, STATES, VIEW
from web.auth import known_caller, require
from web.bodies import body, choice, cursor, limit
from web.errors import Problem, bad_input, not_found
from web.state import now, vedette

blueprint = Blueprint("maintenance", __name__)

_LARGEST_ID = 2**63 - 1


@blueprint.get("/monitoring/maintenance")
@require(VIEW)
def list_windows() -> Response:
    """Every window, the file's first, then the newest. The cursor counts them."""
    state, at, first, most = choice("state", STATES), now(), cursor() or 0, limit()
    found = [one for one in _windows() if state is None or silences.maintenance_state(one, at) == state]
    shown = [maintenance_document(one, at) for one in found[first : first + most]]
    return listed(shown, str(first + most) if len(found) > first + most else None)


@blueprint.get("/monitoring/maintenance/<window_id>")
@require(VIEW)
def show_window(window_id: str) -> Response:
    """One window, and when it holds next."""
    return answer(maintenance_document(_visible(window_id), now()))


@blueprint.post("/monitoring/maintenance")
@require(CHANGE)
def add() -> Response:
    """Make one: 201 with it; 409 where its organization has one of that name."""
    asked, at = body("api/maintenance"), now()
    organization = organization_for(CHANGE, asked.get("organization"))
    zone = vedette().config.service.timezone
    if found := list(faults(asked, zone)) or list(_end_faults(asked, zone, at)):
        raise bad_input("this cannot be a maintenance window", found)
    window = maintenance_of(
        asked, asked["name"], organization, zone, managed_by="api", created_by=known_caller().name, created_at=at
    )
    declared = any((one.organization, one.name) == (organization, window.name) for one in vedette().config.maintenance)
    made = None if declared else maintenance.add(window)
    if made is None:
        raise Problem(409, f"there is a maintenance window named {window.name} already")
    return answer(maintenance_document(made, at), 201)


@blueprint.delete("/monitoring/maintenance/<window_id>")
@require(CHANGE)
def remove(window_id: str) -> Response:
    """Take it out: what still is wrong is told then. One of the file's can only be taken out there."""
    found = _visible(window_id)
    if not known_caller().may(CHANGE, found.organization):
        raise Problem(403, f"this needs the permission {CHANGE} in that organization")
    if found.managed_by == "config":
        where = f"[maintenance.{found.name}] in {vedette().config.source or 'the configuration file'}"
        raise Problem(409, f"this window is managed by {where}; take it out there", managed_by="config")
    maintenance.remove(found.id)
    return Response(status=204)


def _end_faults(asked: dict[str, Any], zone: str, at: float) -> Iterator[Fault]:
    for key in ("ends_at", "until"):
        if key in asked:
            yield from end_faults(asked, key, moment_of(asked[key], asked.get("timezone", zone)), at)


def _windows() -> list[Maintenance]:
    where = known_caller().where(VIEW)
    declared = (one for one in vedette().config.maintenance if where is None or one.organization in where)
    return [*declared, *maintenance.listed(where)]


def _visible(window_id: str) -> Maintenance:
    found: Maintenance | None = None
    if window_id.startswith("config:"):
        found = next((one for one in vedette().config.maintenance if maintenance_id(one) == window_id), None)
    elif window_id.isascii() and window_id.isdigit() and len(window_id) <= 19 and int(window_id) <= _LARGEST_ID:
        found = maintenance.get(int(window_id))
    if found is None or not known_caller().may(VIEW, found.organization):
        raise not_found("maintenance window")
    return found
