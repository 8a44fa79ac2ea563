"""A configuration file as it may be shown: placeholders as written, secrets replaced by a mask."""

import re
from collections.abc import Iterator
from typing import Any

from alerting.secrets import PREFIX

MASK = "********"

# A key with one of these in its name holds a secret, or (body) cannot be told apart from one.
_SECRET_KEY = re.compile(
    r"pass|secret|token|credential|cookie|auth|webhook|heartbeat_url|dsn|^body$|(^|[^a-z])key$|apikey|signature|session",
    re.IGNORECASE,
)
_OPEN_HEADERS = frozenset(
    ("accept", "accept-encoding", "accept-language", "cache-control", "content-type", "host", "origin", "user-agent")
)
_PLACEHOLDER = re.compile(r"(\$\{[A-Za-z_][A-Za-z0-9_]*(?::-)?)([^{}]*)\}")
_USER_IN_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)\S*@")
_QUERY = re.compile(r"([?&;])([^=&;\s?]+)=([^&;\s#]+)")
_DSN_PASSWORD = re.compile(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)", re.IGNORECASE)
_CAPABILITY = re.compile(r"(https?://(?:hooks\.slack\.com|hc-ping\.com|[^/\s]*webhook[^/\s]*)/)\S+", re.IGNORECASE)


def masked(value: Any, key: str = "", within: str = "") -> Any:
    """`value`, which stands under `key` in the table `within`, with every secret in it replaced by the mask."""
    if isinstance(value, dict):
        return {name: masked(item, *_inner(key, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item, key, within) for item in value]
    if _is_secret(key, within):
        return _hidden(value) if isinstance(value, str) else MASK
    return _partly(value) if isinstance(value, str) else value


def written_secrets(value: Any, key: str = "", within: str = "") -> Iterator[str]:
    """The texts in `value` that `masked` would not show as they are."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from written_secrets(item, *_inner(key, name))
    elif isinstance(value, list):
        for item in value:
            yield from written_secrets(item, key, within)
    elif masked(value, key, within) != value:
        yield str(value)


def _inner(key: str, name: str) -> tuple[str, str]:
    # What lies within a secret is secret under whatever name: auth = {user = …, pass = …}.
    return (key, "") if _SECRET_KEY.search(key) else (name, key)


def _is_secret(key: str, within: str) -> bool:
    if within.lower() == "headers":
        return key.lower() not in _OPEN_HEADERS
    return bool(_SECRET_KEY.search(key))


def _hidden(text: str) -> str:
    if not text:
        return text
    if text.startswith(PREFIX):
        return PREFIX + MASK
    if _PLACEHOLDER.sub("", text):
        return MASK
    return _PLACEHOLDER.sub(lambda match: f"{match[1]}{MASK if match[2] else ''}}}", text)


def _partly(text: str) -> str:
    if text.startswith(PREFIX):
        return PREFIX + MASK
    text = _CAPABILITY.sub(rf"\1{MASK}", _USER_IN_URL.sub(rf"\1{MASK}@", text))
    text = _DSN_PASSWORD.sub(rf"\1{MASK}", text)
    return _QUERY.sub(
        lambda match: match[0] if not _SECRET_KEY.search(match[2]) else f"{match[1]}{match[2]}={MASK}", text
    )
