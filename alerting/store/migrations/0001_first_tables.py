"""The first tables: log, observations, alerts, ledger, outbox, locks, accounts, settings.

Plain SQL, so that this stays what it was when the models have moved on.
"""

import time
from typing import Any

_TABLES = """
create table event (
    id {serial}, type text not null, organization text, data text not null, at double precision not null);
create index event_at on event (at);

create table subject (
    subject text primary key, kind text not null, organization text not null, status text not null,
    "values" text not null, facts text not null, message text not null, at double precision not null,
    duration double precision not null, since double precision not null, known_at double precision);

create table breach (
    rule text not null, subject text not null, started_at double precision not null,
    last_at double precision not null, count integer not null, value double precision, message text not null,
    primary key (rule, subject));

create table alert (
    id {serial}, fingerprint text not null, organization text not null, alert_type text not null,
    subject text not null, server text, environment text, project text, metric_name text not null,
    metric_value double precision, operator text, threshold double precision, rule text not null,
    severity text not null, status text not null, title text not null, message text not null,
    occurrences integer not null, started_at double precision not null, triggered_at double precision not null,
    last_at double precision not null, acknowledged_at double precision, acknowledged_by text,
    resolved_at double precision, resolved_by text, held_until double precision);
create unique index alert_one_unresolved on alert (fingerprint) where resolved_at is null;
create index alert_newest on alert (organization, id);
create index alert_history on alert (fingerprint, id);

create table told (
    fingerprint text not null, channel text not null, alert bigint not null, state text not null,
    severity text not null, at double precision not null, triggered_at double precision,
    primary key (fingerprint, channel));

create table notification (
    id {serial}, alert bigint not null, fingerprint text not null, organization text not null,
    channel text not null, reason text not null, change text not null, severity text not null,
    status text not null, created_at double precision not null, due_at double precision not null,
    lease_until double precision, lease_owner text, attempts integer not null, maybe_told boolean not null,
    plain boolean not null, outcome text not null, done_at double precision, provider_id text);
create unique index notification_once on notification (alert, change, channel);
create index notification_due on notification (channel, due_at) where status = 'pending';
create index notification_leased on notification (channel) where lease_until is not null;

create table attempt (
    id {serial}, notification bigint not null, at double precision not null, seconds double precision not null,
    outcome text not null, reason text not null, detail text not null);
create index attempt_of on attempt (notification);

create table channel_state (
    channel text primary key, not_before double precision not null, rate_limited boolean not null,
    broken_since double precision, broken_reason text, fingerprint text not null);

create table lock (
    id text primary key, organization text not null, app text not null, screen text not null, key text not null,
    holder text not null, token_hash text not null, stream_id text, acquired_at double precision not null,
    expires_at double precision not null);
create unique index lock_one_holder on lock (organization, app, screen, key);

create table "user" (
    id text primary key, email text not null unique, password text, is_superuser boolean not null,
    is_active boolean not null, created_at double precision not null);

create table membership (
    "user" text not null, organization text not null, role text not null, primary key ("user", organization));

create table token (
    id text primary key, kind text not null, hash text not null unique, name text not null, "user" text,
    organization text, scopes text not null, family text, created_at double precision not null,
    expires_at double precision, used_at double precision, revoked_at double precision);
create index token_family on token (family);

create table setting (name text primary key, value text not null)
"""


def up(migrator: Any, db: Any) -> None:
    """Create them, and note the moment: a scheduler that never ticked since is missed from here on."""
    # Without AUTOINCREMENT SQLite hands the newest id out again once that row is pruned, and clients miss events.
    sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    serial = "integer primary key autoincrement" if sqlite else "bigserial primary key"
    for statement in _TABLES.format(serial=serial).split(";"):
        db.execute_sql(statement)
    migrated_at = f"insert into setting (name, value) values ('migrated_at', '{time.time()}')"  # noqa: S608
    db.execute_sql(migrated_at)
