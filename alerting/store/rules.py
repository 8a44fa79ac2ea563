"""Rules that the API made, as they were given, and a number that grows with each change of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from alerting.store import settings_table
from alerting.store.database import taking_turns
from alerting.store.models import Rule

_VERSION = "rules_version"


@dataclass(frozen=True, slots=True)
class Made:
    """A rule of the API's: `item` holds its keys as `schemas/api/rule.json` describes them. Times in epoch seconds."""

    id: int
    organization: str
    item: Mapping[str, Any]
    created_at: float
    created_by: str
    changed_at: float
    changed_by: str


def version() -> int:
    """Another number after every change, whichever process made it."""
    return int(settings_table.get(_VERSION, 0))


def listed(organizations: Collection[str] | None = None) -> list[Made]:
    """The rules of these organizations (None: all), oldest first."""
    query = Rule.select().order_by(Rule.id)
    if organizations is not None:
        query = query.where(Rule.organization.in_(list(organizations)))
    return [_made(row) for row in query]


def get(rule_id: int) -> Made | None:
    """One of them, or None."""
    row = Rule.get_or_none(Rule.id == rule_id)
    return None if row is None else _made(row)


def add(organization: str, item: Mapping[str, Any], by: str, now: float) -> Made:
    """Store a new one: it with its id."""
    with taking_turns():
        columns = {"organization": organization, "item": dict(item)}
        who = {"created_at": now, "created_by": by, "changed_at": now, "changed_by": by}
        number = Rule.insert(**columns, **who).execute()
        _changed()
    return Made(number, organization, item, now, by, now, by)


def change(rule_id: int, item: Mapping[str, Any], by: str, now: float) -> Made | None:
    """Give a rule other keys; it as it is then, None where it is gone."""
    with taking_turns():
        Rule.update(item=dict(item), changed_at=now, changed_by=by).where(Rule.id == rule_id).execute()
        _changed()
        return get(rule_id)


def remove(rule_id: int) -> bool:
    """Delete it; whether it was there."""
    with taking_turns():
        _changed()
        return bool(Rule.delete().where(Rule.id == rule_id).execute())


def _changed() -> None:
    settings_table.put(_VERSION, version() + 1)


def _made(row: Any) -> Made:
    return Made(row.id, row.organization, row.item, row.created_at, row.created_by, row.changed_at, row.changed_by)
