"""Errors as callers see them: application/problem+json (RFC 9457), and plain HTML for a person with a browser."""

import json
import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, request
from markupsafe import escape
from werkzeug.exceptions import HTTPException

from alerting.store.database import Unavailable, describe
from schemas import Fault

logger = logging.getLogger("vedette.web")

MEDIA_TYPE = "application/problem+json"
_HTML = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    '<h1>{title}</h1><p>{detail}</p><p><a href="/">To the page</a></p></html>'
)


class Problem(Exception):
    """Something a caller did wrong or cannot have now. `detail` is for a person; `errors` say where in the input."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Iterable[Fault] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        """`more` are further members of the document."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.more = more


def bad_input(detail: str, errors: Iterable[Fault] = ()) -> Problem:
    """400."""
    return Problem(400, detail, errors)


def not_found(what: str) -> Problem:
    """404: `what` is not there, or not the caller's to see, which is told in the same words."""
    return Problem(404, f"there is no such {what}")


def register(app: Flask) -> None:
    """Answer every error of the application."""
    app.register_error_handler(Problem, respond)
    app.register_error_handler(HTTPException, _of_http)
    for kind in Unavailable:
        app.register_error_handler(kind, _unavailable)
    app.register_error_handler(Exception, _of_bug)


def respond(problem: Problem) -> Response:
    """The problem as a response."""
    title = HTTPStatus(problem.status).phrase
    if _wants_html():
        page = _HTML.format(title=escape(title), detail=escape(problem.detail))
        return Response(page, problem.status, problem.headers, mimetype="text/html")
    document = {"type": "about:blank", "title": title, "status": problem.status, "detail": problem.detail}
    if problem.errors:
        document["errors"] = [{"pointer": fault.pointer, "message": fault.message} for fault in problem.errors]
    body = json.dumps({**document, **problem.more})
    return Response(body, problem.status, problem.headers, mimetype=MEDIA_TYPE)


def _of_http(error: HTTPException) -> Any:
    if error.code is None or error.code < 400:
        return error
    kept = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return respond(Problem(error.code, error.description or HTTPStatus(error.code).phrase, headers=kept))


def _unavailable(error: Exception) -> Response:
    logger.error("the database cannot be used: %s", describe(error), extra={"request_id": g.get("request_id")})
    return respond(Problem(503, "the database cannot be used just now", headers={"Retry-After": "5"}))


def _of_bug(error: Exception) -> Response:
    if type(error).__module__ == "gunicorn.http.errors":  # raised while a body is read: what came is no HTTP
        return respond(Problem(400, "the body is not sent as HTTP has it"))
    logger.error("a request failed", exc_info=error, extra={"request_id": g.get("request_id")})
    return respond(Problem(500, "something failed here; the log has it under this request's X-Request-Id"))


def _wants_html() -> bool:
    if request.path.startswith("/api/"):
        return False
    return request.accept_mimetypes.best_match([MEDIA_TYPE, "application/json", "text/html"]) == "text/html"
