"""Alerts: what is wrong now, what was; acknowledging, snoozing and resolving; what people wrote about them."""

from flask import Blueprint, Response, request

from alerting import pipeline
from alerting.config import SEVERITIES
from alerting.configuration.maintenance import moment_of
from alerting.lifecycle import Alert
from alerting.shown import alert_document, note_document
from alerting.store import alerts, notes
from web.answers import answer, end_faults, listed
from web.auth import known_caller, require
from web.bodies import body, choice, cursor, limit, optional_body
from web.errors import Problem, bad_input, not_found
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
    """Say that a person has seen it, for 4 hours where nothing else is said. A resolved one is a conflict."""
    asked = optional_body("api/acknowledge")
    alert, at = _unresolved(alert_id), now()
    lasts = asked.get("expires_in_seconds", asked.get("minutes", 0) * 60.0)
    changed = pipeline.acknowledge(
        vedette().config, alert_id, known_caller().name, at, until=at + lasts if lasts else None
    )
    return answer(alert_document(changed or alert))


@blueprint.post("/monitoring/alerts/<int:alert_id>/snooze")
@require(CHANGE)
def snooze(alert_id: int) -> Response:
    """Tell nobody until then that it goes on. A resolved one is a conflict."""
    asked = body("api/snooze")
    alert, at = _unresolved(alert_id), now()
    until = at + asked["minutes"] * 60.0 if "minutes" in asked else moment_of(asked["until"], "UTC")
    if faults := list(end_faults(asked, "until", until, at)):
        raise bad_input("this cannot be snoozed until then", faults)
    changed = pipeline.snooze(vedette().config, alert_id, known_caller().name, until or at, at)
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


def _unresolved(alert_id: int) -> Alert:
    alert = _changeable(alert_id)
    if alert.status == "resolved":
        raise Problem(409, "this alert is resolved")
    return alert


def _changeable(alert_id: int) -> Alert:
    alert = _visible(alert_id)
    if not known_caller().may(CHANGE, alert.organization):
        raise Problem(403, f"this needs the permission {CHANGE} in that organization")
    return alert
