"""`GET /api/v1/events/stream`: who may listen, to what, and from where on."""

import random
import secrets
import time
from functools import partial

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState

from schemas import Fault
from web import auth, frames, tailer
from web.audience import Audience, audience_of, patterns
from web.errors import Problem, bad_input
from web.handover import HEADERS, Handover
from web.hub import Hub, Stream
from web.state import vedette

LIFETIME = 3600.0
"""Seconds a stream lasts, give or take a fifth: whoever was shut out or signed out meanwhile is not let in again."""

_LONGEST_ID = 19  # digits of a 64-bit number


blueprint = Blueprint("stream", __name__)


@blueprint.record
def _make_hub(state: BlueprintSetupState) -> None:
    limit = state.app.extensions["vedette"].settings.stream_limit
    state.app.extensions["vedette.streams"] = Hub(tailer.read, limit)  # nothing starts before the first client


def hub() -> Hub:
    """The streams of this process."""
    found: Hub = current_app.extensions["vedette.streams"]
    return found


@blueprint.get("/api/v1/events/stream")
def stream() -> Response:
    """The stream of the caller's events. 401, 403, 400; over the cap of streams 200 with a wish to come back later."""
    caller = auth.stream_caller()
    if caller is None:
        raise auth.unauthorized()
    audience = audience_of(caller.where, _types())
    if audience.is_empty():
        raise Problem(403, "this needs the permission org.monitoring.view or org.monitoring.alerts.view")
    if request.method == "HEAD":
        return Response(headers=HEADERS)
    if not hub().has_room():
        # Any other status would stop a browser for good. A process that stops has a successor within seconds.
        return Response(frames.retry(1000 if hub().closed else frames.RETRY_FULL), headers=HEADERS)
    return _opened(audience, caller.expires_at, caller.name)


def parse_id(text: str | None) -> int | None:
    """An event id as clients send it; -1 for nonsense, None where there is none."""
    if not text:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID else -1


def _types() -> tuple[str, ...]:
    try:
        return patterns(request.args.get("types", ""))
    except ValueError as error:
        raise bad_input("the parameter types cannot be used", [Fault("/types", str(error))]) from None


def _opened(audience: Audience, expires_at: float | None, who: str) -> Response:
    oldest, newest = tailer.bounds()
    # The header is newer: a browser that reconnects by itself repeats the address it first had.
    asked = parse_id(request.headers.get("Last-Event-ID"))
    wanted = parse_id(request.args.get("last_event_id")) if asked is None else asked
    held = wanted is not None and oldest - 1 <= wanted <= newest
    at = wanted if held and wanted is not None else newest
    opening = frames.connected(secrets.token_hex(16), at)
    if wanted is not None and not held:
        opening += frames.reset(oldest, newest)
    settings, context = vedette().settings, vedette()
    hub().start(newest, partial(tailer.follow, redis_url=settings.redis_url, config=lambda: context.config))
    leave_at = time.time() + LIFETIME * random.uniform(0.8, 1.2)  # noqa: S311  # not all at once; nothing secret
    return Handover(hub(), Stream(-1, audience, at, expires_at, leave_at, who), opening)
