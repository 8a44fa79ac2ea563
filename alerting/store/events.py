"""The event log: appended last in a transaction, so that ids grow in the order of commits and no reader misses one."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import peewee

from alerting.store.database import database, insert, is_sqlite
from alerting.store.models import Event

CHANNEL = "vedette_events"
"""PostgreSQL's NOTIFY channel that tells listeners to read the log."""

_LOCK = 71001  # any number of our own: the key of the advisory lock that orders commits


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that happened. `organization` None: the whole installation. `data` as its schema says."""

    type: str
    data: Mapping[str, Any]
    organization: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event of the log. `data` is JSON text; `at` epoch seconds."""

    id: int
    type: str
    organization: str | None
    data: str
    at: float


def append(events: Iterable[NewEvent], at: float) -> list[int]:
    """Write events into the open transaction; call it last there. Their ids, in order.

    An id is drawn before its transaction commits, so without the lock a slow writer's id would appear after
    readers had passed it. Holding the lock from here to the commit makes the order of ids that of the commits.
    """
    rows = [(event.type, event.organization, _encode(event.data), at) for event in events]
    if not rows:
        return []
    if not is_sqlite():
        database.execute_sql("select pg_advisory_xact_lock(%s)", (_LOCK,))
    ids = [insert("insert into event (type, organization, data, at) values (?, ?, ?, ?)", row) for row in rows]
    if not is_sqlite():
        database.execute_sql(f"notify {CHANNEL}")
    return ids


def after(last: int, limit: int = 500) -> list[LoggedEvent]:
    """Events with an id beyond `last`, oldest first, at most `limit`."""
    query = Event.select().where(Event.id > last).order_by(Event.id).limit(limit)
    return [LoggedEvent(row.id, row.type, row.organization, row.data, row.at) for row in query]


def bounds() -> tuple[int, int]:
    """The oldest and the newest id held; (0, 0) when the log is empty."""
    return Event.select(  # type: ignore[no-any-return]
        peewee.fn.COALESCE(peewee.fn.MIN(Event.id), 0), peewee.fn.COALESCE(peewee.fn.MAX(Event.id), 0)
    ).scalar(as_tuple=True)


def prune(before: float) -> int:
    """Delete events older than `before`; how many. The newest is always kept, so that the log says where it is."""
    newest = Event.select(peewee.fn.MAX(Event.id)).scalar()
    return int(Event.delete().where((Event.at < before) & (Event.id < (newest or 0))).execute())


def _encode(data: Mapping[str, Any]) -> str:
    return json.dumps(data, allow_nan=False, separators=(",", ":"))
