"""What Vedette is held against on its own server: a bare WSGI function, and streams as generators."""

import json
from collections.abc import Iterable
from typing import Any

_BODY = json.dumps({"status": "ok", "version": "0.0.0"}).encode()
_HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(_BODY)))]


def bare(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """As little as WSGI lets one do."""
    start_response("200 OK", _HEADERS)
    return [_BODY]


def generators(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Vedette on a server that gives no socket away: every stream keeps its greenlet and a generator."""
    from web import wsgi

    environ.pop("gunicorn.socket", None)
    return wsgi.application(environ, start_response)
