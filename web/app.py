"""The web application, put together: its blueprints, errors, limits and headers."""

from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec

from flask import Flask, request

from alerting.settings import Settings
from alerting.store.database import open_database
from web import errors, health, requests_log
from web.bodies import LARGEST_BODY, too_large
from web.errors import Problem
from web.state import Vedette, Watcher, vedette, watcher_for

API = "/api/v1"
"""Where the API's routes begin."""

_BLUEPRINTS = ("health", "info", "ping", "hooks", "sign_in", "stream", "pages")


def create_app(settings: Settings, watcher: Watcher | None = None) -> Flask:
    """The application for these settings. It opens the store, and connects to nothing."""
    app = Flask("web", static_folder="static", template_folder="templates")
    # One byte more, so that a body without a length that is too long can be told from one that just fits.
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY + 1, MAX_FORM_MEMORY_SIZE=LARGEST_BODY)
    app.extensions["vedette"] = Vedette(settings, watcher or watcher_for(settings))
    open_database(settings.database_url)
    requests_log.register(app)
    errors.register(app)
    app.before_request(_refuse_early)
    _register_blueprints(app)
    app.wsgi_app = health.ahead_of(app.wsgi_app)  # type: ignore[assignment,method-assign]
    return app


def resources() -> tuple[str, ...]:
    """The API's resources: the modules of web/api, sorted."""
    modules = (entry.name for entry in files("web.api").iterdir())
    return tuple(sorted(name.removesuffix(".py") for name in modules if name.endswith(".py") and name[0] != "_"))


def _register_blueprints(app: Flask) -> None:
    for name in _BLUEPRINTS:
        if find_spec(f"web.{name}") is not None:
            app.register_blueprint(import_module(f"web.{name}").blueprint)
    for name in resources():
        app.register_blueprint(import_module(f"web.api.{name}").blueprint, url_prefix=API)


def _refuse_early() -> None:
    """What no view wants to see: a body that is too large, and texts no database can hold."""
    if (request.content_length or 0) > LARGEST_BODY:
        raise too_large()
    if "\0" in request.path or any("\0" in value for values in request.args.listvalues() for value in values):
        raise Problem(400, "an address must not contain the character NUL")
    vedette().refresh()
