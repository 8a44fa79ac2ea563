"""What every response carries (its id, how long it took, headers for a browser's safety), and a line in the log."""

import logging
import re
import secrets
import time
from collections.abc import Mapping

from flask import Flask, Response, g, request

logger = logging.getLogger("vedette.requests")

SECURE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
"""Nothing is loaded from elsewhere, and nobody frames us. A link that signs in must not leak by a Referer."""

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PAGES = ("pages", "sign_in")


def register(app: Flask) -> None:
    """Stamp and log every request of the application."""
    app.before_request(_begin)
    app.after_request(_finish)


def request_id(given: str | None) -> str:
    """The caller's own id for the request where it has a sane form, else a new one."""
    return given if given is not None and _SANE_ID.fullmatch(given) else secrets.token_hex(8)


def stamp(seconds: float) -> str:
    """The value of X-Response-Time."""
    return f"{seconds * 1000:.2f}ms"


def _begin() -> None:
    g.started = time.perf_counter()
    g.request_id = request_id(request.headers.get("X-Request-Id"))


def _finish(response: Response) -> Response:
    seconds = time.perf_counter() - g.get("started", time.perf_counter())
    known = g.get("request_id") or request_id(None)
    response.headers["X-Request-Id"] = known
    response.headers["X-Response-Time"] = stamp(seconds)
    for name, value in SECURE_HEADERS.items():
        response.headers.setdefault(name, value)
    if request.path.startswith("/api/"):
        response.headers.setdefault("Cache-Control", "no-store")
    _log(response, known, seconds)
    return response


def _log(response: Response, known: str, seconds: float) -> None:
    # The route, not the path: a path may hold the key of a heartbeat or a link that signs in.
    route = request.url_rule.rule if request.url_rule is not None else "(no such route)"
    context = {
        "component": "page" if request.blueprint in _PAGES else "api",
        "request_id": known,
        "latency_ms": round(seconds * 1000, 2),
        "method": request.method,
        "route": route,
        "status": response.status_code,
    }
    logger.info("%s %s %s", request.method, route, response.status_code, extra=context)
