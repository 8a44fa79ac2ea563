"""The [heartbeats] tables: their keys, which are secrets, and what each becomes as something watched."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from alerting.config import Watch
from alerting.configuration.faults import Findings
from alerting.configuration.lines import Where, spell
from alerting.configuration.parts import Declared, parents_of, text_of

_TIMES = ("period", "cron", "timezone", "grace", "max_runtime")
_EVERY = 60.0  # seconds its children wait for it to be looked at; nobody goes and looks, its deadline is kept


def digest(key: str) -> str:
    """What is kept of a key in its place: a key given by a caller is hashed and looked up, which tells no timing."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def check_keys(parts: Declared, findings: Findings) -> None:
    """Two heartbeats with one key could not be told apart."""
    seen: dict[str, Where] = {}
    for where, item in parts.items("heartbeats"):
        key = text_of(item, "key")
        first = seen.setdefault(key, where) if key else where
        if first != where:
            findings.add((*where, "key"), f"{spell(first)} has the same key; each needs one of its own")


def keys(parts: Declared) -> dict[str, str]:
    """The digest of every key → its subject. The document must be free of faults."""
    return {digest(item["key"]): f"heartbeat/{where[1]}" for where, item in parts.items("heartbeats")}


def watch_of(parts: Declared, where: Where, item: Mapping[str, Any]) -> Watch:
    """A heartbeat as something watched. Its zone is the service's where it names none."""
    environment = parts.get("environments", item.get("environment", "")) or {}
    whole = {**{key: environment[key] for key in ("server", "project") if key in environment}, **item}
    service = parts.document.get("service")
    zone = text_of(service, "timezone") if isinstance(service, dict) else None
    config = {"timezone": zone or "UTC", **{key: item[key] for key in _TIMES if key in item}}
    return Watch(
        subject=f"heartbeat/{where[1]}",
        kind="heartbeat",
        organization=parts.organization_of(item) or "",
        every=_EVERY,
        config=config,
        failures=item.get("failures", 1),
        project=whole.get("project"),
        server=whole.get("server"),
        environment=item.get("environment"),
        parents=parents_of(parts, where, item),
        description=item.get("description", ""),
    )
