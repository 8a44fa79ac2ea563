"""Why somebody was told, or was not: a line a decision."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from alerting.lifecycle import Alert
from alerting.store.database import execute, execute_many

_COLUMNS = "at, organization, subject, fingerprint, alert, channel, what, text"


@dataclass(frozen=True, slots=True)
class Decision:
    """One line. `what` is a word for machines: "waiting", "triggered", "queued", "held" …; `at` epoch seconds.

    Moments within `text` are in UTC, as "2026-11-21T02:19:00Z".
    """

    at: float
    organization: str
    subject: str
    fingerprint: str
    alert: int | None
    channel: str | None
    what: str
    text: str


def about(alert: Alert, what: str, text: str, at: float, channel: str | None = None) -> Decision:
    """A line about an alert."""
    return Decision(at, alert.organization, alert.subject, alert.fingerprint, alert.id or None, channel, what, text)


def append(lines: Iterable[Decision]) -> None:
    """Add lines, in order."""
    execute_many(
        f"insert into decision ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        [tuple(getattr(one, name) for name in Decision.__slots__) for one in lines],
    )


def of_alert(alert: Alert, limit: int = 500) -> list[Decision]:
    """The lines about an alert, oldest first: those of the wait that led to it as well."""
    return _read(
        "where alert = ? or (fingerprint = ? and alert is null and at between ? and ?)",
        (alert.id, alert.fingerprint, alert.started_at, alert.resolved_at or 1e12),
        limit,
    )


def of_subject(subject: str, organization: str, limit: int = 100) -> list[Decision]:
    """The newest lines about a subject, oldest first."""
    return _read("where subject = ? and organization = ?", (subject, organization), limit)


def prune(before: float) -> None:
    """Drop lines older than that."""
    execute("delete from decision where at < ?", (before,))


def _read(where: str, parameters: Sequence[Any], limit: int) -> list[Decision]:
    rows = execute(f"select {_COLUMNS} from decision {where} order by id desc limit ?", [*parameters, limit])  # noqa: S608
    return [Decision(*row) for row in reversed(rows)]
