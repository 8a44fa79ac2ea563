"""/health: this process serves; /ready: Vedette as a whole does its work."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flask import Blueprint, Response

from alerting.config import Config
from alerting.pipeline import STALE_AFTER
from alerting.store import outbox, settings_table, subjects
from alerting.store.database import Unavailable, reading
from alerting.store.settings_table import SCHEDULER
from web.requests_log import SECURE_HEADERS, request_id, stamp
from web.state import Vedette, now, vedette
from web.version import version

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
Verdict = Literal["pass", "warn", "fail"]

TWO_TICKS = 30.0
"""Seconds after which a scheduler that has ticked is missed."""

NEVER_TICKED = 120.0
"""Seconds since the migration after which a scheduler that never ticked is missed."""

UNDELIVERED = 300.0
"""Seconds a notification may wait before that is worth a warning."""

blueprint = Blueprint("health", __name__)


@dataclass(frozen=True, slots=True)
class Check:
    """How one part is. `output`: what is wrong with it, in words."""

    status: Verdict
    output: str = ""


_PASS = Check("pass")


def ahead_of(app: Wsgi) -> Wsgi:
    """Answer /health before Flask hears of the request: it touches no database, no session, no configuration."""
    body = json.dumps({"status": "ok", "version": version()}).encode()
    fixed = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        *SECURE_HEADERS.items(),
    ]

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/health" or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return app(environ, start_response)
        started = time.perf_counter()
        known = request_id(environ.get("HTTP_X_REQUEST_ID"))
        own = [("X-Request-Id", known), ("X-Response-Time", stamp(time.perf_counter() - started))]
        start_response("200 OK", fixed + own)
        return [body] if environ["REQUEST_METHOD"] == "GET" else []

    return answer


@blueprint.get("/health")
def health() -> Response:
    """For the list of routes, and its 405: GET and HEAD are answered by `ahead_of`."""
    return Response(json.dumps({"status": "ok", "version": version()}), mimetype="application/json")


@blueprint.get("/ready")
def ready() -> Response:
    """Whether requests should come here, and what is not as it should be."""
    checks = readiness(vedette(), now())
    worst = _worst(check.status for check in checks.values())
    document = {
        "status": worst,
        "version": version(),
        "checks": {name: _shown(check) for name, check in checks.items()},
    }
    status = 503 if worst == "fail" else 200
    headers = {"Cache-Control": "no-store"}
    return Response(json.dumps(document), status, headers, mimetype="application/health+json")


def readiness(state: Vedette, at: float) -> dict[str, Check]:
    """Every part by name. Only the database and the scheduler can make us unready: the page must stay reachable."""
    configuration = _configuration(state)
    try:
        with reading():
            last = settings_table.get(SCHEDULER)
            return {
                "scheduler": scheduler(last, settings_table.get("migrated_at"), at),
                "database": _PASS,
                "outbox": _outbox(at),
                "checks": _overdue(state.config, subjects.looked_at(), float((last or {}).get("started_at", 0.0)), at),
                "configuration": configuration,
            }
    except Unavailable:
        unknown = Check("warn", "not known while the database is away")
        away = Check("fail", "the database cannot be used")
        return {
            "scheduler": unknown,
            "database": away,
            "outbox": unknown,
            "checks": unknown,
            "configuration": configuration,
        }


def scheduler(last: Mapping[str, Any] | None, migrated_at: float | None, at: float) -> Check:
    """How the scheduler is, by its last tick; where it never ticked, by the time since the tables were made."""
    if last is not None:
        silent = at - float(last["at"])
        return Check("fail", f"the scheduler has not ticked for {silent:.0f} s") if silent > TWO_TICKS else _PASS
    if migrated_at is not None and at - migrated_at > NEVER_TICKED:
        return Check("fail", "no scheduler has ever ticked here: start the `scheduler` process")
    return Check("warn", "no scheduler has ticked yet")


def _outbox(at: float) -> Check:
    oldest = outbox.oldest_waiting(at)
    if oldest is None or at - oldest <= UNDELIVERED:
        return _PASS
    return Check("warn", f"the oldest undelivered notification has been waiting for {at - oldest:.0f} s")


def _overdue(config: Config, looked_at: Mapping[str, float], since: float, at: float) -> Check:
    """Whether something was not looked at for three intervals; those before `since`, our start, do not count."""
    # How many, not which: anybody may read this.
    late = [
        watch
        for watch in config.watches
        if watch.is_probed and at - max(looked_at.get(watch.subject, 0.0), since) > STALE_AFTER * watch.every
    ]
    return Check("warn", f"{len(late)} of {len(config.watches)} checks are overdue") if late else _PASS


def _configuration(state: Vedette) -> Check:
    if state.watcher.rejected is None:
        return _PASS
    return Check("warn", "the configuration file was refused; the last good one stays in force (see the log)")


def _worst(statuses: Iterable[Verdict]) -> Verdict:
    ranked: tuple[Verdict, ...] = ("pass", "warn", "fail")
    return max(statuses, key=ranked.index)


def _shown(check: Check) -> dict[str, str]:
    return {"status": check.status, **({"output": check.output} if check.output else {})}
