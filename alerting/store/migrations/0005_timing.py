"""What timing needs: acknowledgements that end, snoozing, groups, digests, flapping; decisions and notes."""

from typing import Any

_CHANGES = """
alter table alert add column acknowledged_until double precision;
alter table alert add column snoozed_until double precision;
alter table alert add column escalated_at double precision;
alter table alert add column labels text not null default '{{}}';

alter table told add column digest boolean not null default false;

alter table notification add column digest boolean not null default false;
alter table notification add column "group" text;
alter table notification add column gathers_until double precision;
alter table notification add column why text not null default '';
create index notification_gathering on notification (channel, gathers_until) where gathers_until is not null;

create table flap (
    fingerprint text primary key, changes text not null, delay double precision not null,
    until double precision not null, since double precision);

create table decision (
    id {serial}, at double precision not null, organization text not null, subject text not null,
    fingerprint text not null, alert bigint, channel text, what text not null, text text not null);
create index decision_of_subject on decision (subject, id);
create index decision_of_alert on decision (alert, id);
create index decision_at on decision (at);

create table note (
    id {serial}, alert bigint not null, at double precision not null, "by" text not null, text text not null);
create index note_of on note (alert, id)
"""


def up(migrator: Any, db: Any) -> None:
    """Change the tables that there are, and create the new ones."""
    sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    serial = "integer primary key autoincrement" if sqlite else "bigserial primary key"
    for statement in _CHANGES.format(serial=serial).split(";"):
        db.execute_sql(statement)
