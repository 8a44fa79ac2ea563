"""Rules that the API made, and what M of N, hysteresis and keep-firing remember of a breach."""

from typing import Any

_CHANGES = """
alter table breach add column fired boolean not null default false;
alter table breach add column cleared_at double precision;
alter table breach add column "window" text;

create table rule (
    id {serial}, organization text not null, item text not null,
    created_at double precision not null, created_by text not null,
    changed_at double precision not null, changed_by text not null);
create index rule_of on rule (organization)
"""


def up(migrator: Any, db: Any) -> None:
    """Change the table that there is, and create the new one."""
    sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    serial = "integer primary key autoincrement" if sqlite else "bigserial primary key"
    for statement in _CHANGES.format(serial=serial).split(";"):
        db.execute_sql(statement)
