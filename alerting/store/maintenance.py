"""Maintenance windows that the API made. Those of the configuration file are in `Config.maintenance`."""

from collections.abc import Collection
from dataclasses import fields, replace
from typing import Any

from alerting.config import Maintenance as MaintenanceValue
from alerting.store.database import IntegrityError, transaction
from alerting.store.models import Maintenance

_NAMES = tuple(field.name for field in fields(MaintenanceValue) if field.name != "managed_by")


def add(window: MaintenanceValue) -> MaintenanceValue | None:
    """Store a new one (its id is not looked at): it with its id. None: its organization has one of that name."""
    columns = {name: getattr(window, name) for name in _NAMES if name != "id"}
    stored = {**columns, "match": dict(window.match), "days": list(window.days), "over_at": _over_at(window)}
    try:
        with transaction():
            return replace(window, id=Maintenance.insert(**stored).execute(), managed_by="api")
    except IntegrityError:
        return None


def remove(window_id: int) -> bool:
    """Take it out; whether it was there."""
    with transaction():
        return bool(Maintenance.delete().where(Maintenance.id == window_id).execute())


def get(window_id: int) -> MaintenanceValue | None:
    """One of them, or None."""
    row = Maintenance.get_or_none(Maintenance.id == window_id)
    return None if row is None else _value(row)


def standing(now: float) -> list[MaintenanceValue]:
    """Those that are not over for good, of every organization, whether they hold just now or not."""
    over = Maintenance.over_at
    return [_value(row) for row in Maintenance.select().where(over.is_null() | (over > now)).order_by(Maintenance.id)]


def listed(organizations: Collection[str] | None) -> list[MaintenanceValue]:
    """All of `organizations` (None: all there are), newest first."""
    query = Maintenance.select().order_by(Maintenance.id.desc())
    if organizations is not None:
        query = query.where(Maintenance.organization.in_(list(organizations)))
    return [_value(row) for row in query]


def prune(before: float) -> int:
    """Delete windows that were over for good by `before`; how many."""
    return int(Maintenance.delete().where(Maintenance.over_at < before).execute())


def _over_at(window: MaintenanceValue) -> float | None:
    """When it is over for good: what begins until then still lasts."""
    return window.ends_at if window.until is None else window.until + window.lasts


def _value(row: Any) -> MaintenanceValue:
    columns = {name: getattr(row, name) for name in _NAMES}
    return MaintenanceValue(**{**columns, "days": tuple(row.days), "managed_by": "api"})
