"""Logs: one JSON object a line on stderr (text on a terminal), with no secret in it."""

import logging
import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from pythonjsonlogger.json import JsonFormatter

from alerting.settings import Settings

_TEXT = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"
_SHORTEST_SECRET = 6  # shorter values would blot out ordinary words
_LONG_PATH = 16  # a webhook's secret is its path; what is shorter names a database
_USUAL = frozenset(logging.makeLogRecord({}).__dict__)  # what every record has; the rest is what a caller added


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
    """Every secret the environment gave: what its repr leaves out, and the passwords and paths of its addresses."""
    hidden = [getattr(settings, one.name) for one in fields(settings) if not one.repr and one.name != "environ"]
    texts = [value for value in hidden if isinstance(value, str) and not value.startswith("sqlite:")]
    return [part for text in texts for part in (text, *_secret_parts(text))]


def _secret_parts(text: str) -> list[str]:
    """What an error may show of an address: its password, as written and as meant, and a path that is a key."""
    if "://" not in text:
        return []
    parts = urlsplit(text)
    path = [parts.path] if parts.scheme in ("http", "https") and len(parts.path) >= _LONG_PATH else []
    return [*path, *([parts.password, unquote(parts.password)] if parts.password else [])]


class Redaction(logging.Filter):
    """Replaces known secrets in a line before it is written: the last of several guards, not the first."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = sorted({one for one in secrets if len(one) >= _SHORTEST_SECRET}, key=len, reverse=True)
        self._tracebacks = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._clean(_message(record)), None
        if record.exc_info:
            record.exc_text = self._tracebacks.formatException(record.exc_info)
            record.exc_info = None  # a formatter would write the traceback from it once more
        for name in ("exc_text", "stack_info", *(record.__dict__.keys() - _USUAL)):
            setattr(record, name, self._clean(getattr(record, name)))
        return True

    def _clean(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self._clean(key): self._clean(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._clean(item) for item in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        text = str(value)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # wrong arguments for the words: a fault of the caller, who must not fall over his own log line
        return f"{record.msg} {record.args}"


def _formatter(form: str, component: str) -> logging.Formatter:
    if form == "text":
        return logging.Formatter(_TEXT)
    return _Json(
        "%(levelname)s %(name)s %(message)s",
        rename_fields={"levelname": "level", "name": "logger"},
        static_fields={"component": component},
    )


class _Json(JsonFormatter):
    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """The fields, the time first: RFC 3339 in UTC."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data["time"] = moment.replace("+00:00", "Z")
        super().add_fields(log_data, record, message_dict)
