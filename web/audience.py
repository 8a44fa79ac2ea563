"""Who sees what on a stream: the part of the log that belongs to a caller and that the caller asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

MOST_PATTERNS = 50
LONGEST_PATTERN = 100

_VIEW = ("org.monitoring.view", "project.monitoring.view")
_VIEW_ALERTS = ("org.monitoring.alerts.view",)
_VIEW_LOGS = ("logs.view",)


@dataclass(frozen=True, slots=True)
class Audience:
    """All streams that are shown the same.

    monitoring  the organizations whose servers, environments and checks they may see; None: every one
    alerts      the same for alerts
    logs        the same for lines of the log
    types       patterns of the types they asked for; empty: every type

    What concerns the whole installation (no organization) is for those who may see every one: superusers.
    """

    monitoring: frozenset[str] | None
    alerts: frozenset[str] | None
    logs: frozenset[str] | None = frozenset()
    types: tuple[str, ...] = ()

    def sees(self, name: str, organization: str | None) -> bool:
        """Whether an event of this type and organization is for them."""
        allowed = self._allowed(name)
        return (allowed is None or organization in allowed) and (not self.types or _matches(name, self.types))

    def is_empty(self) -> bool:
        """Whether nothing at all can be seen."""
        return self.monitoring == self.alerts == self.logs == frozenset()

    def _allowed(self, name: str) -> frozenset[str] | None:
        if name.startswith("alert_"):
            return self.alerts
        return self.logs if name.startswith("log.") else self.monitoring


def audience_of(where: Callable[[str], frozenset[str] | None], types: tuple[str, ...]) -> Audience:
    """The audience of a caller; `where` tells in which organizations it has a permission (None: in all)."""
    monitoring, alerts, logs = (_somewhere(where, permissions) for permissions in (_VIEW, _VIEW_ALERTS, _VIEW_LOGS))
    return Audience(monitoring, alerts, logs, types)


def patterns(text: str) -> tuple[str, ...]:
    """The types of a comma-separated list ("alert_triggered,replica.*"), sorted. Raises ValueError on too many."""
    found = {part.strip() for part in text.split(",")} - {""}
    if len(found) > MOST_PATTERNS or any(len(part) > LONGEST_PATTERN for part in found):
        raise ValueError(f"expected at most {MOST_PATTERNS} types of at most {LONGEST_PATTERN} characters each")
    return tuple(sorted(found))


def _somewhere(where: Callable[[str], frozenset[str] | None], permissions: tuple[str, ...]) -> frozenset[str] | None:
    allowed: frozenset[str] = frozenset()
    for permission in permissions:
        found = where(permission)
        if found is None:
            return None
        allowed |= found
    return allowed


@lru_cache(maxsize=4096)
def _matches(name: str, types: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in types)
