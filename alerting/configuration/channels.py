"""Channels as values: what the file says of them, completed from the environment and held to their kinds' schemas."""

from collections.abc import Iterator, Mapping
from typing import Any

import schemas
from alerting.config import Channel
from alerting.configuration import schema
from alerting.configuration.faults import Findings
from alerting.configuration.lines import Where
from alerting.configuration.parts import Declared, text_of
from alerting.settings import Settings

_FROM_ENVIRONMENT = {
    "slack": {"webhook_url": "SLACK_WEBHOOK_URL", "api_url": "SLACK_API_URL"},
    "email": {"url": "SMTP_URL", "from": "MAIL_FROM"},
}
"""What a channel of such a kind takes from which variable, where it does not say it itself."""

_OPTIONAL = ("api_url",)
_OURS = ("kind", "organization", "digest")


def channels(parts: Declared, settings: Settings, findings: Findings) -> Iterator[Channel]:
    """The file's channels, then the one that SLACK_WEBHOOK_URL alone declares. Faults go to `findings`."""
    for where, item in parts.items("channels"):
        if kind := text_of(item, "kind"):
            yield from _channel(parts, where, kind, item, settings, findings)
    yield from _implied(parts, settings)


def _channel(
    parts: Declared, where: Where, kind: str, item: Mapping[str, Any], settings: Settings, findings: Findings
) -> Iterator[Channel]:
    if kind not in schemas.names("channels"):
        findings.add((*where, "kind"), f"no channel of that kind; there are: {', '.join(schemas.names('channels'))}")
        return
    own = {key: value for key, value in item.items() if key not in _OURS}
    for key, variable in _FROM_ENVIRONMENT.get(kind, {}).items():
        own[key] = own.get(key) or _environment(settings, variable)
        if not own[key] and key not in _OPTIONAL:
            findings.add(where, f"{key} is missing; set it here, or {variable} in the environment")
    given = {key: value for key, value in own.items() if value is not None}
    if not findings.spoiled(where) and schema.hold(f"channels/{kind}", given, findings, where):
        yield Channel(str(where[1]), kind, parts.organization_of(item) or "", given, item.get("digest", False))


def _environment(settings: Settings, variable: str) -> str | None:
    value: str | None = getattr(settings, variable.lower())
    return value


def _implied(parts: Declared, settings: Settings) -> Iterator[Channel]:
    # With several organizations nobody can say whose it would be, and nothing crosses from one to another.
    declared = any(item.get("kind") == "slack" for _, item in parts.items("channels"))
    if settings.slack_webhook_url and not declared and len(parts.organizations) == 1:
        found = {key: _environment(settings, variable) for key, variable in _FROM_ENVIRONMENT["slack"].items()}
        own = {key: value for key, value in found.items() if value}
        yield Channel("slack", "slack", parts.organizations[0], own)
