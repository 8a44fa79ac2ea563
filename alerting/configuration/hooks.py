"""The [hooks] tables: ways in for other programs' alerts, their keys, and where a `json` payload has what."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from alerting import sources
from alerting.config import Hook
from alerting.configuration.faults import Findings
from alerting.configuration.heartbeats import digest
from alerting.configuration.lines import Where, spell
from alerting.configuration.parts import Declared, text_of
from alerting.configuration.values import seconds

MAPPED = "json"
"""The source whose payloads a mapping explains."""


def check_hooks(parts: Declared, findings: Findings) -> None:
    """What the schema cannot say: which sources there are, whose key is whose, and who needs a mapping."""
    seen: dict[str, Where] = {}
    for where, item in parts.items("hooks"):
        _check_source(where, item, findings)
        key = text_of(item, "key")
        first = seen.setdefault(key, where) if key else where
        if first != where:
            findings.add((*where, "key"), f"{spell(first)} has the same key; each needs one of its own")
        for name, twins in _twins(item.get("severities")):
            findings.add((*where, "severities", name), f"the same as {twins}: case is of no account")


def hooks(parts: Declared) -> Iterator[Hook]:
    """The file's hooks, in its order. The document must be free of faults."""
    for where, item in parts.items("hooks"):
        yield Hook(
            name=str(where[1]),
            organization=parts.organization_of(item) or "",
            source=item["source"],
            mapping=item.get("mapping", {}),
            severities={name.strip().lower(): meant for name, meant in item.get("severities", {}).items()},
            default_severity=item.get("default_severity", "warning"),
            expire=seconds(item["expire"]) if "expire" in item else None,
        )


def hook_keys(parts: Declared) -> dict[str, str]:
    """The digest of every key → its hook's name. The document must be free of faults."""
    return {digest(item["key"]): str(where[1]) for where, item in parts.items("hooks")}


def _check_source(where: Where, item: Mapping[str, Any], findings: Findings) -> None:
    source = text_of(item, "source")
    if source is None:
        return
    if source not in sources.kinds():
        findings.add((*where, "source"), f"no such source; there are: {', '.join(sources.kinds())}")
    elif source == MAPPED and "mapping" not in item:
        findings.add(where, "mapping is missing; it says where a payload has its id, title, severity and so on")
    elif source != MAPPED and "mapping" in item:
        findings.add((*where, "mapping"), f"only a hook of the source {MAPPED} has one; take it out")


def _twins(severities: Any) -> Iterable[tuple[str, str]]:
    """Words for severities that differ in nothing but case, each with the one it is like."""
    seen: dict[str, str] = {}
    for name in severities if isinstance(severities, dict) else ():
        first = seen.setdefault(name.strip().lower(), name)
        if first != name:
            yield name, first
