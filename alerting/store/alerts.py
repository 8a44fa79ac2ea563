"""Alerts in the database: the open ones of some subjects, the change of one, lists and notes for people."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

from alerting.lifecycle import Alert as AlertValue
from alerting.store.database import among, database, encoded, execute, is_sqlite
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
    return replace(alert, id=_insert(columns))


def _insert(columns: dict[str, Any]) -> int:
    """Plain SQL: `labels` is JSON text already."""
    names, marks = ", ".join(columns), among(columns)
    sql = f"insert into alert ({names}) values ({marks})"  # noqa: S608
    if not is_sqlite():
        return int(execute(f"{sql} returning id", list(columns.values()))[0][0])
    return int(database.execute_sql(sql, list(columns.values())).lastrowid)


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
    rows = Alert.select().where((Alert.fingerprint == fingerprint) & Alert.resolved_at.is_null(False))
    row = rows.order_by(Alert.id.desc()).first()
    return None if row is None else value(row)


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
