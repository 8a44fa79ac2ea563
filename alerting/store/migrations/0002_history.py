"""What was observed: samples of the last hours, hours packed whole, their rollups, and changes of status."""

from typing import Any

_TABLES = """
create table series (
    id {serial}, organization text not null, subject text not null);
create unique index series_of on series (subject, organization);
insert into series (organization, subject) select organization, subject from subject;

create table sample (
    series bigint not null, at double precision not null, status smallint not null, duration double precision not null,
    "values" text not null, message text, primary key (series, at)) {clustered};

create table packed (
    series bigint not null, hour bigint not null, data {bytes} not null, primary key (series, hour));

create table rollup (
    series bigint not null, hour bigint not null, data text not null, primary key (series, hour));

create table status_change (
    series bigint not null, at double precision not null, status smallint not null, message text not null,
    primary key (series, at)) {clustered};

create index alert_held on alert (held_until) where held_until is not null
"""


def up(migrator: Any, db: Any) -> None:
    """Create them. Where rows lie in the order of their keys, an hour of one subject is read and deleted in one go."""
    sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    words = {
        "serial": "integer primary key autoincrement" if sqlite else "bigserial primary key",
        "clustered": "without rowid" if sqlite else "",
        "bytes": "blob" if sqlite else "bytea",
    }
    for statement in _TABLES.format(**words).split(";"):
        db.execute_sql(statement)
