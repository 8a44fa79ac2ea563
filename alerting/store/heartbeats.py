"""Heartbeats: what is remembered of each, when its deadline is, and the last of its pings with their logs."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from alerting.config import Watch
from alerting.store.models import Heartbeat, Ping
from probes._machinery import pings
from probes._machinery.pings import Memory

KEPT = 100
"""Pings of one heartbeat that are kept."""

PINGS_KEPT = 30 * 86_400.0
"""Seconds a ping is kept at most."""

FIELDS = ("id", "at", "kind", "exit_status", "source", "run", "run_seconds", "log", "log_bytes")


@dataclass(frozen=True, slots=True)
class Kept:
    """A heartbeat as the store has it. `due_at`: when its verdict may next turn to the worse."""

    organization: str
    memory: Memory
    due_at: float


def kept(subjects: Collection[str]) -> dict[str, Kept]:
    """What is kept of these, by subject; those that are not known yet are missing."""
    query = Heartbeat.select().where(Heartbeat.subject.in_(list(subjects)))
    return {row.subject: Kept(row.organization, pings.from_json(row.memory), row.due_at) for row in query}


def due(now: float) -> list[str]:
    """The subjects whose deadline has come."""
    return [row.subject for row in Heartbeat.select(Heartbeat.subject).where(Heartbeat.due_at <= now)]


def put(rows: Iterable[tuple[Watch, Memory, float]]) -> None:
    """Keep these memories with the moments they are looked at next."""
    found = [
        {
            "subject": watch.subject,
            "organization": watch.organization,
            "memory": pings.to_json(memory),
            "due_at": due_at,
        }
        for watch, memory, due_at in rows
    ]
    if found:
        fields = [Heartbeat.organization, Heartbeat.memory, Heartbeat.due_at]
        Heartbeat.insert_many(found).on_conflict(conflict_target=[Heartbeat.subject], preserve=fields).execute()


def add_ping(subject: str, ping: pings.Ping, run_seconds: float | None, log: str, log_bytes: int) -> None:
    """Add a ping, and let go of the oldest beyond those that are kept."""
    newest = Ping.insert(
        subject=subject,
        at=ping.at,
        kind=ping.kind,
        exit_status=ping.exit_status,
        source=ping.source,
        run=ping.run,
        run_seconds=run_seconds,
        log=log,
        log_bytes=log_bytes,
    ).execute()
    own = Ping.select(Ping.id).where(Ping.subject == subject)
    oldest = own.where(Ping.id <= newest).order_by(Ping.id.desc()).offset(KEPT).limit(1).scalar()
    if oldest is not None:
        Ping.delete().where((Ping.subject == subject) & (Ping.id <= oldest)).execute()


def page(subject: str, cursor: int | None, limit: int) -> list[Mapping[str, Any]]:
    """Pings of one heartbeat, newest first, those before the id `cursor`."""
    query = Ping.select().where(Ping.subject == subject).order_by(Ping.id.desc()).limit(limit)
    if cursor is not None:
        query = query.where(Ping.id < cursor)
    return [{name: getattr(row, name) for name in FIELDS} for row in query]


def forget_all_but(subjects: Collection[str]) -> None:
    """Drop what is known of heartbeats that are no longer declared."""
    known = {row.subject for row in Heartbeat.select(Heartbeat.subject)}
    forget(known - set(subjects))


def forget(subjects: Collection[str]) -> None:
    """Drop what is known of these."""
    if subjects:
        Ping.delete().where(Ping.subject.in_(list(subjects))).execute()
        Heartbeat.delete().where(Heartbeat.subject.in_(list(subjects))).execute()


def prune(before: float) -> int:
    """Delete the pings older than `before`; how many."""
    return int(Ping.delete().where(Ping.at < before).execute())
