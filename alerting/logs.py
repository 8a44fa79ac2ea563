"""Logs: one JSON object a line on stderr (text on a terminal), with no secret in it."""

import logging
import sys
from collections.abc import Iterable
from dataclasses import fields
from urllib.parse import urlsplit

from pythonjsonlogger.json import JsonFormatter

from alerting.settings import Settings

_TEXT = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"
_SHORTEST_SECRET = 6  # shorter values would blot out ordinary words


def logger(name: str) -> logging.Logger:
    """The logger of that name."""
    return logging.getLogger(name)


def set_up(settings: Settings, component: str) -> None:
    """Send every logger's lines to stderr in the chosen form, each with the component that wrote it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(settings.log_format, component))
    handler.addFilter(Redaction(secrets_of(settings)))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for chatty in ("apscheduler", "urllib3", "slack_sdk", "peewee"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


def secrets_of(settings: Settings) -> list[str]:
    """Every secret the environment gave: what its repr leaves out, and the passwords inside its addresses."""
    hidden = [getattr(settings, one.name) for one in fields(settings) if not one.repr and one.name != "environ"]
    texts = [value for value in hidden if isinstance(value, str)]
    passwords = [urlsplit(text).password for text in texts if "://" in text]
    kept = [text for text in texts if not text.startswith("sqlite:")]
    return kept + [password for password in passwords if password]


class Redaction(logging.Filter):
    """Replaces known secrets in a line before it is written: the last of several guards, not the first."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = sorted((one for one in secrets if len(one) >= _SHORTEST_SECRET), key=len, reverse=True)

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        for secret in self._secrets:
            message = message.replace(secret, "***")
        record.msg, record.args = message, None
        return True


def _formatter(form: str, component: str) -> logging.Formatter:
    if form == "text":
        return logging.Formatter(_TEXT)
    return JsonFormatter(
        "%(levelname)s %(name)s %(message)s",
        rename_fields={"levelname": "level", "name": "logger"},
        static_fields={"component": component},
        timestamp="time",
    )
