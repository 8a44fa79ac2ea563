"""What gunicorn serves: the application, made when it is first asked for."""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask


@cache
def app() -> "Flask":
    """The application of this process, for the settings of its environment."""
    from alerting import logs
    from alerting.settings import current
    from web.app import create_app

    logs.set_up(current(), "api")
    return create_app(current())


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The WSGI entry."""
    return app()(environ, start_response)
