"""Silences in the database: made, ended early, kept as history."""

from collections.abc import Collection
from dataclasses import fields, replace
from typing import Any

from alerting.config import Silence as SilenceValue
from alerting.store.database import transaction
from alerting.store.models import Silence

_NAMES = tuple(field.name for field in fields(SilenceValue))


def add(silence: SilenceValue) -> SilenceValue:
    """Store a new one (its id is not looked at): it with its id. From the next claim on it holds."""
    columns = {name: getattr(silence, name) for name in _NAMES if name != "id"}
    with transaction():
        return replace(silence, id=Silence.insert(**{**columns, "match": dict(silence.match)}).execute())


def end(silence_id: int, by: str, now: float) -> SilenceValue | None:
    """End it now, by hand; it as it is then. One that is over stays as it was. None: there is no such silence."""
    with transaction():
        Silence.update(ends_at=now, ended_by=by).where((Silence.id == silence_id) & (Silence.ends_at > now)).execute()
        return get(silence_id)


def get(silence_id: int) -> SilenceValue | None:
    """One of them, or None."""
    row = Silence.get_or_none(Silence.id == silence_id)
    return None if row is None else _value(row)


def active(now: float) -> list[SilenceValue]:
    """Those that hold now, of every organization: asked before every message, so one look at an index."""
    return [_value(row) for row in Silence.select().where((Silence.ends_at > now) & (Silence.starts_at <= now))]


def page(
    organizations: Collection[str] | None, before: int | None, limit: int, state: str | None, now: float
) -> list[SilenceValue]:
    """Silences, newest first, ids below `before`: those of `organizations` (None: all) that are in `state` now.

    `state`: "active", "scheduled" or "expired"; None: any.
    """
    query = Silence.select().order_by(Silence.id.desc()).limit(limit)
    if organizations is not None:
        query = query.where(Silence.organization.in_(list(organizations)))
    if before is not None:
        query = query.where(Silence.id < before)
    if state is not None:
        query = query.where(_in_state(state, now))
    return [_value(row) for row in query]


def prune(before: float) -> int:
    """Delete silences that were over by `before`; how many."""
    return int(Silence.delete().where(Silence.ends_at < before).execute())


def _in_state(state: str, now: float) -> Any:
    if state == "expired":
        return Silence.ends_at <= now
    return (Silence.ends_at > now) & ((Silence.starts_at <= now) if state == "active" else (Silence.starts_at > now))


def _value(row: Any) -> SilenceValue:
    return SilenceValue(**{name: getattr(row, name) for name in _NAMES})
