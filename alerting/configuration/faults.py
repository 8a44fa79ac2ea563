"""What is wrong with a configuration file, and where: one fault a line, none of them showing a secret."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from alerting.configuration.lines import Where, line_of, spell

_SHORTEST_TELLING_PART = 12


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: the file, the line (None: the whole file), the key ("" likewise), and what, in words."""

    path: str
    line: int | None
    where: str
    message: str

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return ": ".join(part for part in (place, self.where, self.message) if part)


class ConfigError(Exception):
    """A configuration that cannot be taken, with everything that is wrong with it, in the file's order."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        """`faults`: at least one."""
        self.faults = sorted(faults, key=lambda fault: fault.line or 0)
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(slots=True)
class Findings:
    """Faults as they are found in one file. Where a value is already faulty, what follows from that is not told."""

    path: str
    lines: Mapping[Where, int] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set, repr=False)
    faults: dict[tuple[Where, str], Fault] = field(default_factory=dict)
    unread: set[Where] = field(default_factory=set)

    def add(self, where: Where, message: str) -> None:
        """Note a fault at `where`."""
        if where not in self.unread:
            self.faults[where, message] = Fault(self.path, line_of(self.lines, where), spell(where), message)

    def unreadable(self, where: Where, message: str) -> None:
        """Note that the value at `where` could not be had at all."""
        self.add(where, message)
        self.unread.add(where)

    def spoiled(self, where: Where) -> bool:
        """Whether a fault lies at `where` or within it."""
        return any(found[: len(where)] == where for found, _ in self.faults)

    def add_foreign(self, where: Where, message: str, instead: str) -> None:
        """Note a fault in words that are not ours: they may quote the value, so not if any secret is in them."""
        self.add(where, instead if self._tells(message) else message)

    def _tells(self, message: str) -> bool:
        return any(secret in message or _part(secret) in message for secret in self.secrets if secret)


def _part(secret: str) -> str:
    # A long value may have been cut short or spelled with escapes: then its beginning still gives it away.
    return secret[:_SHORTEST_TELLING_PART] if len(secret) > _SHORTEST_TELLING_PART else repr(secret)[1:-1]
