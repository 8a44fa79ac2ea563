"""The pages a person opens: what is true now, and one alert with all that was done about it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import Blueprint, Response, make_response, redirect, render_template, request
from flask.blueprints import BlueprintSetupState

from alerting import pipeline
from alerting.lifecycle import Alert
from alerting.notices import rfc3339
from alerting.store import alerts, notes, timeline
from web import auth, wording
from web.auth import known_caller
from web.board import CHANGE_ALERTS, VIEW_ALERTS, Board, board
from web.errors import Problem, not_found
from web.history import story
from web.state import now, vedette
from web.version import version
from web.watched import VIEW

blueprint = Blueprint("pages", __name__)
View = TypeVar("View", bound=Callable[..., Any])

LONGEST_NOTE = 4000
"""Characters a note may have."""

_NO_STORE = {"Cache-Control": "no-store"}
_LARGEST_ID = 2**63 - 1


@blueprint.record
def _give_templates_words(state: BlueprintSetupState) -> None:
    words = {name: getattr(wording, name) for name in wording.FOR_TEMPLATES}
    state.app.jinja_env.globals.update(words, rfc3339=rfc3339, version=version, service=_service, zone=_zone)
    state.app.jinja_env.globals.update(may_change=_may_change, me=known_caller)
    state.app.jinja_env.trim_blocks = state.app.jinja_env.lstrip_blocks = True


def page(permission: str) -> Callable[[View], View]:
    """Like `auth.require`, but a person who has not signed in is shown where to."""

    def decorate(view: View) -> View:
        guarded = auth.require(permission)(view)

        @wraps(view)
        def led(*arguments: Any, **named: Any) -> Any:
            if auth.caller() is None:
                return _to_sign_in()
            return guarded(*arguments, **named)

        led.__dict__["permission"] = permission
        return led  # type: ignore[return-value]

    return decorate


@blueprint.get("/")
@blueprint.get("/monitoring")
@page(VIEW)
def monitoring() -> Response:
    """Everything that is watched, as it is now."""
    return _html("monitoring.html", board=_board())


@blueprint.get("/monitoring/now")
@auth.require(VIEW)
def monitoring_now() -> Response:
    """The changing part of that page: what its script puts in place of what is shown."""
    return _html("_board.html", board=_board())


@blueprint.get("/alerts/<int:alert_id>")
@page(VIEW_ALERTS)
def alert_page(alert_id: int) -> Response:
    """One alert: its facts, and its story."""
    alert = _alert(alert_id)
    return _html(
        "alert.html",
        alert=alert,
        story=story(alert, timeline.tellings(alert.id)),
        notes=notes.of_alert(alert.id),
        at=now(),
    )


@blueprint.post("/alerts/<int:alert_id>/notes")
@page(CHANGE_ALERTS)
def write_note(alert_id: int) -> Response:
    """Take what a person wrote, and go back to the alert."""
    alert = _changeable(alert_id)
    text = request.form.get("text", "").replace("\r\n", "\n").strip()
    if not 1 <= len(text) <= LONGEST_NOTE or "\0" in text:
        raise Problem(400, f"a note has 1 to {LONGEST_NOTE} characters")
    notes.add(alert.id, text, known_caller().name, now())
    return make_response(redirect(f"/alerts/{alert_id}#notes", 303))


@blueprint.post("/alerts/<int:alert_id>/<any(acknowledge, resolve):action>")
@page(CHANGE_ALERTS)
def act(alert_id: int, action: str) -> Response:
    """Take a button: back to the page it was on, or, for a script, without a word."""
    _changeable(alert_id)
    change = {"acknowledge": pipeline.acknowledge, "resolve": pipeline.resolve}[action]
    change(vedette().config, alert_id, known_caller().name, now())
    if "X-Vedette-Script" in request.headers:
        return Response(status=204, headers=_NO_STORE)
    back = "/monitoring" if request.form.get("back") == "monitoring" else f"/alerts/{alert_id}"
    return make_response(redirect(back, 303))


def _board() -> Board:
    return board(vedette(), known_caller(), now())


def _alert(alert_id: int) -> Alert:
    found = alerts.get(alert_id) if alert_id <= _LARGEST_ID else None
    if found is None or not known_caller().may(VIEW_ALERTS, found.organization):
        raise not_found("alert")
    return found


def _changeable(alert_id: int) -> Alert:
    alert = _alert(alert_id)
    if not known_caller().may(CHANGE_ALERTS, alert.organization):
        raise Problem(403, f"this needs the permission {CHANGE_ALERTS} in that organization")
    return alert


def _html(template: str, **values: Any) -> Response:
    return make_response(render_template(template, **values), 200, _NO_STORE)


def _to_sign_in() -> Response:
    from urllib.parse import urlencode

    back = f"?{urlencode({'next': request.path})}" if request.method == "GET" and request.path != "/" else ""
    return make_response(redirect(f"/sign-in{back}", 303), _NO_STORE)


def _may_change(alert: Alert) -> bool:
    return known_caller().may(CHANGE_ALERTS, alert.organization)


def _service() -> str:
    return vedette().config.service.name


def _zone() -> str:
    return vedette().config.service.timezone
