"""Alerts in the database: the open ones of some subjects, the change of one, lists and notes for people."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

from alerting.lifecycle import Alert as AlertValue
from alerting.store.database import among, encoded, execute, insert
from alerting.store.models import Alert

_NAMES = tuple(field.name for field in fields(AlertValue))
_COLUMNS = ", ".join(_NAMES)


def value(row: Any) -> AlertValue:
    """The row as the value the rest of the house works with."""
    return AlertValue(**{name: getattr(row, name) for name in _NAMES})


def standing(subjects: Collection[str], now: float) -> list[AlertValue]:
    """The alerts of these subjects that stand: unresolved, or resolved by hand and held."""
    if not subjects:
        return []
    mine = f"select {_COLUMNS} from alert where subject in ({among(subjects)})"  # noqa: S608
    unresolved = execute(f"{mine} and resolved_at is null", list(subjects))
    held = execute(f"{mine} and held_until > ? and resolved_at is not null", [*subjects, now])
    return [_decoded(row) for row in (*unresolved, *held)]


def unresolved() -> list[AlertValue]:
    """Every unresolved alert."""
    return [value(row) for row in Alert.select().where(Alert.resolved_at.is_null())]


def acknowledged_until(now: float) -> list[AlertValue]:
    """The open alerts whose acknowledgement has run out by then."""
    return [value(row) for row in Alert.select().where(Alert.resolved_at.is_null() & (Alert.acknowledged_until <= now))]


def snoozed_until(now: float) -> list[AlertValue]:
    """The open alerts whose snooze is over by then."""
    return [value(row) for row in Alert.select().where(Alert.resolved_at.is_null() & (Alert.snoozed_until <= now))]


def unanswered() -> list[AlertValue]:
    """The open alerts nobody has acknowledged or put off, and of which nobody else was told for that reason."""
    query = Alert.select().where(Alert.resolved_at.is_null() & (Alert.status == "triggered"))
    return [value(row) for row in query.where(Alert.escalated_at.is_null() & Alert.snoozed_until.is_null())]


def newest(fingerprint: str) -> AlertValue | None:
    """The newest alert of a fingerprint, or None."""
    row = Alert.select().where(Alert.fingerprint == fingerprint).order_by(Alert.id.desc()).first()
    return None if row is None else value(row)


def troubled(subjects: Collection[str]) -> set[str]:
    """Those of the subjects that have an unresolved critical alert: less than that explains nobody's failure."""
    if not subjects:
        return set()
    open_ones = Alert.select(Alert.subject).where(
        Alert.subject.in_(list(subjects)) & Alert.resolved_at.is_null() & (Alert.severity == "critical")
    )
    return {row.subject for row in open_ones}


def save(alert: AlertValue) -> AlertValue:
    """Store a new alert (id 0) or the new state of one; the alert with its id."""
    columns = {name: getattr(alert, name) for name in _NAMES}
    alert_id = columns.pop("id")
    columns["labels"] = encoded(dict(alert.labels))
    if alert_id:
        changed = ", ".join(f"{name} = ?" for name in columns)
        execute(f"update alert set {changed} where id = ?", [*columns.values(), alert_id])  # noqa: S608
        return alert
    names, marks = ", ".join(columns), among(columns)
    return replace(alert, id=insert(f"insert into alert ({names}) values ({marks})", list(columns.values())))  # noqa: S608


def _decoded(row: Sequence[Any]) -> AlertValue:
    columns = dict(zip(_NAMES, row, strict=True))
    return AlertValue(**{**columns, "labels": json.loads(columns["labels"])})


def get(alert_id: int) -> AlertValue | None:
    """One alert, or None."""
    row = Alert.get_or_none(Alert.id == alert_id)
    return None if row is None else value(row)


def many(ids: Iterable[int]) -> dict[int, AlertValue]:
    """Alerts by id."""
    return {row.id: value(row) for row in Alert.select().where(Alert.id.in_(list(ids)))}


def last_resolved(fingerprint: str) -> AlertValue | None:
    """The newest resolved alert of a fingerprint, or None."""
    mine = f"select {_COLUMNS} from alert where fingerprint = ? and resolved_at is not null"  # noqa: S608
    rows = execute(f"{mine} order by id desc limit 1", (fingerprint,))
    return _decoded(rows[0]) if rows else None


def is_newest(alert: AlertValue) -> bool:
    """Whether no later alert has its fingerprint."""
    return not Alert.select().where((Alert.fingerprint == alert.fingerprint) & (Alert.id > alert.id)).exists()


def page(
    organizations: Collection[str] | None, before: int | None, limit: int, **wanted: str | None
) -> list[AlertValue]:
    """Alerts, newest first, ids below `before`: those of `organizations` (None: all) whose columns are `wanted`."""
    query = Alert.select().order_by(Alert.id.desc()).limit(limit)
    if organizations is not None:
        query = query.where(Alert.organization.in_(list(organizations)))
    if before is not None:
        query = query.where(Alert.id < before)
    for name, wish in wanted.items():
        if wish is not None:
            query = query.where(getattr(Alert, name) == wish)
    return [value(row) for row in query]


def prune(before: float) -> int:
    """Delete alerts resolved before `before`; how many."""
    return int(Alert.delete().where(Alert.resolved_at < before).execute())
