"""Heartbeats: what is remembered of each, when it is looked at next, and the last of their pings."""

from typing import Any

_TABLES = """
create table heartbeat (
    subject text primary key, organization text not null, memory text not null, due_at double precision not null);
create index heartbeat_due on heartbeat (due_at);

create table ping (
    id {serial}, subject text not null, at double precision not null, kind text not null, exit_status integer,
    source text, run text not null, run_seconds double precision, log text not null, log_bytes bigint not null);
create index ping_of on ping (subject, id);
create index ping_at on ping (at)
"""


def up(migrator: Any, db: Any) -> None:
    """Create them. `memory` is JSON; `log` is the beginning of a body that had `log_bytes`."""
    sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    serial = "integer primary key autoincrement" if sqlite else "bigserial primary key"
    for statement in _TABLES.format(serial=serial).split(";"):
        db.execute_sql(statement)
