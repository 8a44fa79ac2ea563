"""The environment, read once: every variable Vedette knows, checked, with its default. Nothing else reads it."""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import getaddresses
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_FORMATS = ("json", "text")
_SWITCHES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_LARGEST_SECRET_FILE = 65_536


class SettingsError(Exception):
    """A variable of the environment makes no sense: which one, and what was expected. Never its value."""

    def __init__(self, variable: str, expected: str) -> None:
        """`expected` completes the sentence "NAME: expected …"."""
        super().__init__(f"{variable}: expected {expected}")
        self.variable = variable
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. Whatever may hold a password is kept out of its repr, `environ` with it."""

    config_path: Path | None = None
    database_url: str = field(default="sqlite:///vedette.db", repr=False)
    redis_url: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    master_key: str | None = field(default=None, repr=False)
    slack_webhook_url: str | None = field(default=None, repr=False)
    slack_bot_token: str | None = field(default=None, repr=False)
    slack_signing_secret: str | None = field(default=None, repr=False)
    slack_api_url: str | None = field(default=None, repr=False)
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str | None = None
    postmark_server_token: str | None = field(default=None, repr=False)
    postmark_api_url: str | None = field(default=None, repr=False)
    netdata_parent_url: str | None = field(default=None, repr=False)
    netdata_parent_public_url: str | None = field(default=None, repr=False)
    netdata_parent_api_key: str | None = field(default=None, repr=False)
    enable_metrics: bool = True
    metrics_namespace: str = "vedette"
    metrics_token: str | None = field(default=None, repr=False)
    log_level: str = "INFO"
    log_format: str = "json"
    base_url: str = "http://localhost:8000"
    port: int = 8000
    web_concurrency: int = 1
    stream_limit: int = 10_000
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def lookup(self, name: str) -> str | None:
        """What `${name}` stands for in a configuration file; None where it is not set. NAME_FILE counts as NAME.

        BASE_URL and PORT are known even where they are not set. Raises SettingsError on an unreadable NAME_FILE.
        """
        direct = self.environ.get(name)
        found = _value(self.environ, name) if direct is None else direct
        offered = {"BASE_URL": self.base_url, "PORT": str(self.port)}
        return offered.get(name) if found in (None, "") and name in offered else found


@cache
def current() -> Settings:
    """The settings of this process, read on the first call. Raises SettingsError."""
    return load(os.environ)


def load(environ: Mapping[str, str]) -> Settings:
    """Settings from such an environment; an empty variable counts as unset. Raises SettingsError."""
    values = {
        name.lower(): value for name, check in _CHECKS.items() if (value := _read(environ, name, check)) is not None
    }
    values.setdefault("log_format", "text" if sys.stderr.isatty() else "json")
    values.setdefault("base_url", f"http://localhost:{values.get('port', 8000)}")
    values["config_path"] = values.pop("vedette_config", None) or usual_config()
    return Settings(**values, environ=dict(environ))


def _read(environ: Mapping[str, str], name: str, check: Callable[[str], Any]) -> Any:
    raw = _value(environ, name)
    if not raw:
        return None
    try:
        return check(raw)
    except ValueError as error:
        raise SettingsError(name, str(error)) from None


def _value(environ: Mapping[str, str], name: str) -> str | None:
    direct, path = environ.get(name), environ.get(f"{name}_FILE")
    if not path:
        return direct
    if direct:
        raise SettingsError(name, f"either {name} or {name}_FILE, not both")
    return _content(f"{name}_FILE", path)


def _content(variable: str, path: str) -> str:
    expected = f"the path of a readable text file under {_LARGEST_SECRET_FILE} bytes"
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_SECRET_FILE)
        text = content.decode("utf-8")
    except (OSError, ValueError):
        raise SettingsError(variable, expected) from None
    if len(content) == _LARGEST_SECRET_FILE:
        raise SettingsError(variable, expected)
    return text.removesuffix("\n").removesuffix("\r")


def usual_config() -> Path | None:
    """`vedette.toml` of the current folder, where it is there."""
    usual = Path("vedette.toml")
    return usual if usual.exists() else None


def _text(raw: str) -> str:
    try:
        raw.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("text in UTF-8") from None
    return raw


def _header_text(raw: str) -> str:
    # These travel in HTTP headers, where a line break in the middle would start a header of its own.
    if not raw.isprintable() or raw != raw.strip():
        raise ValueError("one line without spaces around it")
    return raw


def _url(*schemes: str) -> Callable[[str], str]:
    expected = f"an address beginning with {' or '.join(f'{scheme}://' for scheme in schemes)}"

    def check(raw: str) -> str:
        if not is_url(raw, *schemes):
            raise ValueError(expected)
        return raw

    return check


def is_url(text: str, *schemes: str) -> bool:
    """Whether `text` is a URL of one of the schemes, with a host and a port that can be."""
    parts = _parts(text)
    return parts is not None and parts.scheme in schemes and bool(parts.hostname)


def _parts(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        usable = parts.port != 0 and text.isprintable() and " " not in text
    except ValueError:
        return None
    return parts if usable else None


def _base_url(raw: str) -> str:
    if not is_url(raw, "http", "https") or any(mark in raw for mark in "?#@"):
        raise ValueError("an address such as https://watch.example.com, without user, query or fragment")
    return raw.rstrip("/")


def _database_url(raw: str) -> str:
    scheme, mark, rest = raw.partition("://")
    if mark and scheme == "sqlite" and len(rest) > 1 and rest.startswith("/") and rest != "/:memory:":
        return raw
    if mark and scheme in ("postgres", "postgresql") and _is_postgresql(raw):
        return raw
    raise ValueError(
        "sqlite:///relative/path, sqlite:////absolute/path, or postgresql://user:password@host:5432/database"
    )


def _is_postgresql(raw: str) -> bool:
    parts = _parts(raw)
    # Without a host, libpq speaks over its local socket: then at least the database must be named.
    return parts is not None and bool(parts.hostname or parts.path.strip("/"))


def _redis_url(raw: str) -> str:
    if raw.startswith("unix:///") or is_url(raw, "redis", "rediss"):
        return raw
    raise ValueError("redis://host:6379/0, rediss://… or unix:///path")


def _smtp_url(raw: str) -> str:
    if not is_url(raw, "smtp", "smtps"):
        raise ValueError("smtp://user:password@host:587?starttls=1 or smtps://user:password@host:465")
    given = parse_qs(urlsplit(raw).query, keep_blank_values=True)
    if given.keys() - {"starttls"} or any(value.lower() not in _SWITCHES for value in given.get("starttls", [])):
        raise ValueError("no parameter but starttls, which is 1 or 0")
    return raw


def _sender(raw: str) -> str:
    addresses = [address for _, address in getaddresses([raw])]
    local, _, domain = addresses[0].rpartition("@") if len(addresses) == 1 else ("", "", "")
    if not raw.isprintable() or not local or not domain:
        raise ValueError("one email address, such as Vedette <vedette@example.com>")
    return raw


def _number(lowest: int, highest: int) -> Callable[[str], int]:
    def check(raw: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", raw.strip()) or not lowest <= int(raw) <= highest:
            raise ValueError(f"a whole number from {lowest} to {highest}")
        return int(raw)

    return check


def _switch(raw: str) -> bool:
    if raw.strip().lower() not in _SWITCHES:
        raise ValueError("true or false")
    return _SWITCHES[raw.strip().lower()]


def _one_of(*words: str, form: Callable[[str], str] = str.lower) -> Callable[[str], str]:
    def check(raw: str) -> str:
        if form(raw.strip()) not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return form(raw.strip())

    return check


def _namespace(raw: str) -> str:
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}", raw):
        raise ValueError("letters, digits and underscores, not beginning with a digit")
    return raw


_CHECKS: Mapping[str, Callable[[str], Any]] = {
    "VEDETTE_CONFIG": Path,
    "DATABASE_URL": _database_url,
    "REDIS_URL": _redis_url,
    "SECRET_KEY": _text,
    "MASTER_KEY": _text,
    "SLACK_WEBHOOK_URL": _url("https", "http"),
    "SLACK_BOT_TOKEN": _header_text,
    "SLACK_SIGNING_SECRET": _text,
    "SLACK_API_URL": _url("https", "http"),
    "SMTP_URL": _smtp_url,
    "MAIL_FROM": _sender,
    "POSTMARK_SERVER_TOKEN": _header_text,
    "POSTMARK_API_URL": _url("https", "http"),
    "NETDATA_PARENT_URL": _url("https", "http"),
    "NETDATA_PARENT_PUBLIC_URL": _url("https", "http"),
    "NETDATA_PARENT_API_KEY": _header_text,
    "ENABLE_METRICS": _switch,
    "METRICS_NAMESPACE": _namespace,
    "METRICS_TOKEN": _header_text,
    "LOG_LEVEL": _one_of(*LOG_LEVELS, form=str.upper),
    "LOG_FORMAT": _one_of(*LOG_FORMATS),
    "BASE_URL": _base_url,
    "PORT": _number(1, 65_535),
    "WEB_CONCURRENCY": _number(1, 1_000),
    "STREAM_LIMIT": _number(1, 1_000_000),
}
