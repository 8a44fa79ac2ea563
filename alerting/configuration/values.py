"""The values of a configuration file: `${NAME}` from the environment, `ENC:` decrypted, durations in seconds."""

import math
import re
from collections.abc import Mapping
from typing import Any

from alerting import secrets
from alerting.configuration.faults import Findings
from alerting.configuration.lines import Where
from alerting.settings import Settings, SettingsError

DEEPEST = 20
_LARGEST_INTEGER = 2**63 - 1
_PLACEHOLDER = re.compile(
    r"(?P<escape>\$\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}|(?P<open>\$\{)"
)
_SPAN = re.compile(r"[0-9]{1,8}(\.[0-9]{1,6})?[smhd]?")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def resolve(document: dict[str, Any], settings: Settings, findings: Findings) -> dict[str, Any]:
    """The document with every placeholder and `ENC:` value replaced by what it stands for; faults go to `findings`.

    What came from the environment or from `ENC:` joins `findings.secrets`.
    """
    resolved: dict[str, Any] = _resolve(document, (), settings, findings)
    return resolved


def too_deep(document: dict[str, Any]) -> Where | None:
    """The first table or list over DEEPEST levels down: dotted keys nest without end, Python's stack does not."""
    left: list[tuple[Where, Any]] = [((), document)]
    while left:
        where, value = left.pop()
        if isinstance(value, dict | list):
            if len(where) > DEEPEST:
                return where
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            left.extend(((*where, key), item) for key, item in pairs)
    return None


def seconds(value: float | str) -> float:
    """A duration that the schema took, in seconds: "2m" → 120.0, "1.5h" → 5400.0, 90 → 90.0."""
    if isinstance(value, str) and value[-1] in _UNITS:
        return float(value[:-1]) * _UNITS[value[-1]]
    return float(value)


def seconds_of(item: Mapping[str, Any], key: str) -> float | None:
    """The duration under `key`; None where there is none, or what is there is no duration."""
    value = item.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return seconds(value)
    except (ValueError, IndexError):
        return None


def span(text: str) -> float | None:
    """A duration as a person types it, "90s", "7d" or seconds, in seconds; None where it is none."""
    return seconds(text) if _SPAN.fullmatch(text) else None


def _resolve(value: Any, where: Where, settings: Settings, findings: Findings) -> Any:
    if isinstance(value, dict):
        return {key: _resolve(item, (*where, key), settings, findings) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, (*where, index), settings, findings) for index, item in enumerate(value)]
    try:
        return _text(value, settings, findings) if isinstance(value, str) else _plain(value)
    except _Unreadable as error:
        findings.unreadable(where, str(error))
        return value


class _Unreadable(Exception):
    """A value that cannot be had; says why, without the value."""


def _plain(value: Any) -> Any:
    """TOML knows values that JSON, and so every probe and channel, does not."""
    if isinstance(value, float) and not math.isfinite(value):
        raise _Unreadable("expected a finite number")
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        raise _Unreadable("expected a number of at most 64 bits")
    if not isinstance(value, int | float):
        raise _Unreadable("dates and times are not used here; if it is meant as text, put it in quotes")
    return value


def _text(raw: str, settings: Settings, findings: Findings) -> str:
    text = _PLACEHOLDER.sub(lambda match: _replacement(match, settings, findings), raw)
    if text.startswith(secrets.PREFIX):
        text = _decrypted(text, settings)
        findings.secrets.add(text)
    elif text != raw:
        findings.secrets.add(text)
    if "\0" in text or not _is_unicode(text):
        raise _Unreadable("expected text without NUL characters, in UTF-8")
    return text


def _replacement(match: re.Match[str], settings: Settings, findings: Findings) -> str:
    name, default = match["name"], match["default"]
    if match["escape"]:
        return "${"
    if match["open"]:
        raise _Unreadable(
            "${ begins a placeholder, ${NAME} or ${NAME:-default}; write $${ for the characters themselves"
        )
    found = _looked_up(name, settings)
    if found is None and default is None:
        raise _Unreadable(f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
    # As in a shell, `:-` stands in for an empty variable too.
    value = default if default is not None and not found else found or ""
    findings.secrets.add(value)
    return value


def _looked_up(name: str, settings: Settings) -> str | None:
    try:
        return settings.lookup(name)
    except SettingsError as error:
        raise _Unreadable(str(error)) from None


def _decrypted(text: str, settings: Settings) -> str:
    if settings.master_key is None:
        raise _Unreadable("the value is encrypted (ENC:), and MASTER_KEY is not set")
    try:
        return secrets.decrypt(settings.master_key, text)
    except secrets.DecryptionError as error:
        raise _Unreadable(f"cannot be decrypted: {error}") from None


def _is_unicode(text: str) -> bool:
    # The environment may hold bytes that are no UTF-8; Python carries them as lone surrogates.
    return not any("\ud800" <= mark <= "\udfff" for mark in text)
