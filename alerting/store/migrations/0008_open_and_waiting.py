"""Indexes on what is open and what waits: a handful of rows of tables that grow for a year, asked for at every turn."""

from typing import Any

_INDEXES = """
create index notification_waiting on notification (fingerprint, channel) where status = 'pending';
create index alert_open_of on alert (subject) where resolved_at is null;
create index alert_held_of on alert (subject) where held_until is not null
"""


def up(migrator: Any, db: Any) -> None:
    """Create them."""
    for statement in _INDEXES.split(";"):
        db.execute_sql(statement)
