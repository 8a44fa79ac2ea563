"""Alerts: what is wrong now, what was; acknowledging, resolving, and what people wrote about them."""

from flask import Blueprint, Response, request

from alerting import pipeline
from alerting.config import SEVERITIES
from alerting.lifecycle import Alert
from alerting.shown import alert_document, note_document
from alerting.store import alerts, notes
from web.answers import answer, listed
from web.auth import known_caller, require
from web.bodies import body, choice, cursor, limit, optional_body
from web.errors import Problem, not_found
from web.state import now, vedette

blueprint = Blueprint("alerts", __name__)

VIEW, CHANGE = "org.monitoring.alerts.view", "org.monitoring.alerts.configure"
STATUSES = ("triggered", "acknowledged", "resolved")

_LARGEST_ID = 2**63 - 1


@blueprint.get("/monitoring/alerts")
@require(VIEW)
def list_alerts() -> Response:
    """Alerts, newest first."""
    most = limit()
    found = alerts.page(
        known_caller().where(VIEW),
        cursor(),
        most + 1,
        status=choice("status", STATUSES),
        severity=choice("severity", SEVERITIES),
        alert_type=request.args.get("alert_type"),
        server=request.args.get("server_id"),
    )
    return listed(map(alert_document, found[:most]), str(found[most - 1].id) if len(found) > most else None)


@blueprint.get("/monitoring/alerts/<int:alert_id>")
@require(VIEW)
def show_alert(alert_id: int) -> Response:
    """One alert, with what people wrote about it."""
    alert = _visible(alert_id)
    return answer({**alert_document(alert), "notes": [note_document(one) for one in notes.of_alert(alert.id)]})


@blueprint.post("/monitoring/alerts/<int:alert_id>/notes")
@require(CHANGE)
def write_note(alert_id: int) -> Response:
    """Write something down about it, resolved or not: 201 with the note."""
    text = body("api/note")["text"].strip()
    alert = _changeable(alert_id)
    return answer(note_document(notes.add(alert.id, text, known_caller().name, now())), 201)


@blueprint.post("/monitoring/alerts/<int:alert_id>/acknowledge")
@require(CHANGE)
def acknowledge(alert_id: int) -> Response:
    """Say that a person has seen it. Once more changes nothing; a resolved one is a conflict."""
    optional_body("api/empty")
    alert = _changeable(alert_id)
    if alert.status == "resolved":
        raise Problem(409, "this alert is resolved")
    changed = pipeline.acknowledge(vedette().config, alert_id, known_caller().name, now())
    return answer(alert_document(changed or alert))


@blueprint.post("/monitoring/alerts/<int:alert_id>/resolve")
@require(CHANGE)
def resolve(alert_id: int) -> Response:
    """End it by hand. Once more changes nothing."""
    optional_body("api/empty")
    alert = _changeable(alert_id)
    changed = pipeline.resolve(vedette().config, alert_id, known_caller().name, now())
    return answer(alert_document(changed or alert))


def _visible(alert_id: int) -> Alert:
    found = alerts.get(alert_id) if alert_id <= _LARGEST_ID else None
    if found is None or not known_caller().may(VIEW, found.organization):
        raise not_found("alert")
    return found


def _changeable(alert_id: int) -> Alert:
    alert = _visible(alert_id)
    if not known_caller().may(CHANGE, alert.organization):
        raise Problem(403, f"this needs the permission {CHANGE} in that organization")
    return alert
