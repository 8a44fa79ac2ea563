"""Which Redis is meant: by a URL, or by host, port and the rest one by one."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from probes._machinery.targets import host_faults, trust_faults
from schemas import Fault

_PORT = 6379
_IN_A_URL = ("host", "port", "username", "password", "database", "tls")
_NO_URL = "not a URL of Redis; expected redis://user:password@host:6379/0, or rediss:// for TLS"


def target(config: Mapping[str, Any]) -> dict[str, Any]:
    """host, port, username, password, database and tls. Raises ValueError on a URL that is none."""
    if "url" in config:
        return _parts(config["url"])
    defaults = {"port": _PORT, "username": None, "password": None, "database": 0, "tls": False}
    return defaults | {key: config[key] for key in _IN_A_URL if key in config}


def target_faults(config: Mapping[str, Any]) -> list[Fault]:
    """What keeps the configuration from naming one Redis. A URL is never quoted: it may hold a password."""
    trust = trust_faults("/ca", config.get("ca"))
    if "url" not in config:
        return [*host_faults("/host", config["host"]), *trust] if "host" in config else [_neither()]
    twice = [Fault(f"/{key}", "the url says it already") for key in _IN_A_URL if key in config]
    try:
        host = _parts(config["url"])["host"]
    except ValueError:
        return [Fault("/url", _NO_URL), *twice, *trust]
    return [*host_faults("/url", host), *twice, *trust]


def _neither() -> Fault:
    return Fault("", "'url' or 'host' is missing")


def _parts(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    path = parts.path.strip("/")
    if parts.query or parts.fragment or parts.port == 0:
        raise ValueError("more than a URL of Redis says")
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or not (path or "0").isdecimal():
        raise ValueError("no URL of Redis")
    return {
        "host": parts.hostname,
        "port": parts.port or _PORT,
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "database": int(path or 0),
        "tls": parts.scheme == "rediss",
    }
