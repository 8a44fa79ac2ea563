"""The parts of a configuration file: its tables by section, whose each is, and what each depends on."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alerting.configuration.lines import Where
from alerting.settings import Settings

_LISTS = ("rules", "routes")

IMPLICIT = "default"
"""The organization where none is declared, and the parent that NETDATA_PARENT_URL makes."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The document by its parts, whatever of it has the right shape."""

    document: Mapping[str, Any]
    parents: frozenset[str]

    def items(self, section: str) -> Iterator[tuple[Where, Mapping[str, Any]]]:
        """Each table of a section with its place, named tables and lists of tables alike."""
        found = self.document.get(section)
        pairs: Iterable[tuple[str | int, Any]]
        if section in _LISTS:
            pairs = enumerate(found) if isinstance(found, list) else ()
        else:
            pairs = found.items() if isinstance(found, dict) else ()
        yield from (((section, key), item) for key, item in pairs if isinstance(item, dict))

    def get(self, section: str, name: str) -> Mapping[str, Any] | None:
        """The table of that name in a section of named tables."""
        return next((item for where, item in self.items(section) if where[1] == name), None)

    @property
    def organizations(self) -> tuple[str, ...]:
        """The slugs declared, or the implicit one."""
        return tuple(str(where[1]) for where, _ in self.items("organizations")) or (IMPLICIT,)

    def organization_of(self, item: Mapping[str, Any]) -> str | None:
        """Whose `item` is: the one it names, else the only one there is, else nobody knows."""
        named = text_of(item, "organization")
        return named or (self.organizations[0] if len(self.organizations) == 1 else None)


def declared(document: Mapping[str, Any], settings: Settings) -> Declared:
    """The document's parts, with the Netdata parent that the environment may declare."""
    named = document.get("netdata")
    parents = set(named) if isinstance(named, dict) else set()
    return Declared(document, frozenset(parents | ({IMPLICIT} if settings.netdata_parent_url else set())))


def parents_of(parts: Declared, where: Where, item: Mapping[str, Any]) -> tuple[str, ...]:
    """The subjects `item` depends on: its server, its environment's server, and what it says itself."""
    names = [text_of(item, "server")] if where[0] in ("environments", "checks", "heartbeats") else []
    if where[0] in ("checks", "heartbeats"):
        # Not the environment itself: what is told of that is its replica, and lag explains no failing website.
        environment = parts.get("environments", text_of(item, "environment") or "")
        names.append(text_of(environment or {}, "server"))
    implied = [f"server/{name}" for name in names if name]
    return tuple(dict.fromkeys([*implied, *texts_of(item, "depends_on")]))


def text_of(item: Mapping[str, Any], key: str) -> str | None:
    """The text under `key`; None where there is none."""
    value = item.get(key)
    return value if isinstance(value, str) else None


def texts_of(item: Mapping[str, Any], key: str) -> list[str]:
    """The texts in the list under `key`."""
    value = item.get(key)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
