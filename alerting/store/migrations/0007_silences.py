"""Silences, and the maintenance windows that the API made."""

from typing import Any

_TABLES = """
create table silence (
    id {serial}, organization text not null, "match" text not null, starts_at double precision not null,
    ends_at double precision not null, reason text not null, created_by text not null,
    created_at double precision not null, ended_by text);
create index silence_ends on silence (ends_at);

create table maintenance (
    id {serial}, organization text not null, name text not null, "match" text not null, reason text not null,
    timezone text not null, starts_at double precision, ends_at double precision, days text not null, "at" text,
    cron text, lasts double precision not null, until double precision, over_at double precision,
    created_by text, created_at double precision not null);
create unique index maintenance_name on maintenance (organization, name);
create index maintenance_over on maintenance (over_at)
"""


def up(migrator: Any, db: Any) -> None:
    """Create them. `match` and `days` are JSON; `over_at` is when a window is over for good, null for never."""
    sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    serial = "integer primary key autoincrement" if sqlite else "bigserial primary key"
    for statement in _TABLES.format(serial=serial).split(";"):
        db.execute_sql(statement)
