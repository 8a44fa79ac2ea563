"""The tables. Times are epoch seconds (UTC, double precision); JSON columns are text in both databases."""

import json
from typing import Any

import peewee

from alerting.store.database import database


class JSONText(peewee.TextField):
    """A JSON value kept as text, the same on SQLite and PostgreSQL. NaN is refused."""

    def db_value(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value, allow_nan=False, separators=(",", ":"))

    def python_value(self, value: str | None) -> Any:
        return None if value is None else json.loads(value)


class Table(peewee.Model):
    class Meta:
        database = database
        legacy_table_names = False


class Event(Table):
    """The log: ids grow in the order of commits. `organization` None concerns the whole installation."""

    id = peewee.BigAutoField()
    type = peewee.TextField()
    organization = peewee.TextField(null=True)
    data = peewee.TextField()
    at = peewee.DoubleField()


class Baseline(Table):
    """What an info check's answers are compared with. `by`: who accepted it, empty where it was the first good one."""

    subject = peewee.TextField(primary_key=True)
    document = JSONText()
    at = peewee.DoubleField()
    by = peewee.TextField()


class Heartbeat(Table):
    """What is remembered of a heartbeat's pings, and when its deadline is."""

    subject = peewee.TextField(primary_key=True)
    organization = peewee.TextField()
    memory = JSONText()
    due_at = peewee.DoubleField()


class Ping(Table):
    """One ping of a heartbeat. `log` is the beginning of a body that had `log_bytes`."""

    id = peewee.BigAutoField()
    subject = peewee.TextField()
    at = peewee.DoubleField()
    kind = peewee.TextField()  # "start" | "success" | "failure"
    exit_status = peewee.IntegerField(null=True)
    source = peewee.TextField(null=True)
    run = peewee.TextField()
    run_seconds = peewee.DoubleField(null=True)
    log = peewee.TextField()
    log_bytes = peewee.BigIntegerField()


class Alert(Table):
    """An alert. At most one unresolved a fingerprint, which a partial unique index holds."""

    id = peewee.BigAutoField()
    fingerprint = peewee.TextField()
    organization = peewee.TextField()
    alert_type = peewee.TextField()
    subject = peewee.TextField()
    server = peewee.TextField(null=True)
    environment = peewee.TextField(null=True)
    project = peewee.TextField(null=True)
    metric_name = peewee.TextField()
    metric_value = peewee.DoubleField(null=True)
    operator = peewee.TextField(null=True)
    threshold = peewee.DoubleField(null=True)
    rule = peewee.TextField()
    severity = peewee.TextField()
    status = peewee.TextField()
    title = peewee.TextField()
    message = peewee.TextField()
    occurrences = peewee.IntegerField()
    started_at = peewee.DoubleField()
    triggered_at = peewee.DoubleField()
    last_at = peewee.DoubleField()
    acknowledged_at = peewee.DoubleField(null=True)
    acknowledged_by = peewee.TextField(null=True)
    resolved_at = peewee.DoubleField(null=True)
    resolved_by = peewee.TextField(null=True)
    held_until = peewee.DoubleField(null=True)  # resolved by hand: not raised anew before this, or an ok observation
    acknowledged_until = peewee.DoubleField(null=True)
    snoozed_until = peewee.DoubleField(null=True)
    escalated_at = peewee.DoubleField(null=True)  # when those were told who are told where nobody acknowledges
    labels = JSONText(default=dict)


class Told(Table):
    """What each channel was last told about each fingerprint, and by which alert: the ledger."""

    fingerprint = peewee.TextField()
    channel = peewee.TextField()
    alert = peewee.BigIntegerField()
    state = peewee.TextField()  # "triggered" | "resolved"
    severity = peewee.TextField()
    at = peewee.DoubleField()
    triggered_at = peewee.DoubleField(null=True)  # the last *triggered* message: what a cooldown runs from
    digest = peewee.BooleanField(default=False)  # it was told in a digest, and is told the end in one

    class Meta:
        primary_key = peewee.CompositeKey("fingerprint", "channel")


class Notification(Table):
    """The outbox: one row for each (alert, change, channel). A row is done only after the provider said yes."""

    id = peewee.BigAutoField()
    alert = peewee.BigIntegerField()
    fingerprint = peewee.TextField()
    organization = peewee.TextField()
    channel = peewee.TextField()
    reason = peewee.TextField()
    change = peewee.TextField()
    severity = peewee.TextField()
    status = peewee.TextField()  # "pending" | "delivered" | "dropped" | "dead"
    created_at = peewee.DoubleField()
    due_at = peewee.DoubleField()
    lease_until = peewee.DoubleField(null=True)
    lease_owner = peewee.TextField(null=True)
    attempts = peewee.IntegerField()
    maybe_told = peewee.BooleanField()  # an attempt began whose outcome nobody knows
    plain = peewee.BooleanField()  # the provider refused the rich form
    outcome = peewee.TextField()
    done_at = peewee.DoubleField(null=True)
    provider_id = peewee.TextField(null=True)
    digest = peewee.BooleanField(default=False)
    group = peewee.TextField(null=True)  # rows of one group leave as one message
    gathers_until = peewee.DoubleField(null=True)  # others of its group may join until then
    why = peewee.TextField(default="")  # why it leaves when it does, or what holds it back now


class Rule(Table):
    """A rule that the API made: its keys as they were given."""

    id = peewee.BigAutoField()
    organization = peewee.TextField()
    item = JSONText()
    created_at = peewee.DoubleField()
    created_by = peewee.TextField()
    changed_at = peewee.DoubleField()
    changed_by = peewee.TextField()


class Flap(Table):
    """How restless a fingerprint is: the moments it changed at within the last hour, and the delay that runs."""

    fingerprint = peewee.TextField(primary_key=True)
    changes = JSONText()
    delay = peewee.DoubleField()
    until = peewee.DoubleField()
    since = peewee.DoubleField(null=True)  # when it was called flapping; None: it is not


class Decision(Table):
    """One line of why somebody was told, or was not: about a subject, and the alert and channel where there is one."""

    id = peewee.BigAutoField()
    at = peewee.DoubleField()
    organization = peewee.TextField()
    subject = peewee.TextField()
    fingerprint = peewee.TextField()
    alert = peewee.BigIntegerField(null=True)
    channel = peewee.TextField(null=True)
    what = peewee.TextField()
    text = peewee.TextField()


class Note(Table):
    """What a person wrote about an alert."""

    id = peewee.BigAutoField()
    alert = peewee.BigIntegerField()
    at = peewee.DoubleField()
    by = peewee.TextField()
    text = peewee.TextField()


class Silence(Table):
    """No trigger of what it matches is told before `ends_at`. One that was ended by hand says by whom."""

    id = peewee.BigAutoField()
    organization = peewee.TextField()
    match = JSONText()
    starts_at = peewee.DoubleField()
    ends_at = peewee.DoubleField()
    reason = peewee.TextField()
    created_by = peewee.TextField()
    created_at = peewee.DoubleField()
    ended_by = peewee.TextField(null=True)


class Maintenance(Table):
    """A planned silence that the API made. `over_at`: when it is over for good; null: never."""

    id = peewee.BigAutoField()
    organization = peewee.TextField()
    name = peewee.TextField()
    match = JSONText()
    reason = peewee.TextField()
    timezone = peewee.TextField()
    starts_at = peewee.DoubleField(null=True)
    ends_at = peewee.DoubleField(null=True)
    days = JSONText()
    at = peewee.TextField(null=True)
    cron = peewee.TextField(null=True)
    lasts = peewee.DoubleField()
    until = peewee.DoubleField(null=True)
    over_at = peewee.DoubleField(null=True)
    created_by = peewee.TextField(null=True)
    created_at = peewee.DoubleField()


class Attempt(Table):
    """One try at delivering one outbox row, and what came of it."""

    id = peewee.BigAutoField()
    notification = peewee.BigIntegerField()
    at = peewee.DoubleField()
    seconds = peewee.DoubleField()
    outcome = peewee.TextField()  # "delivered" | "retry" | "wait" | "plain" | "give_up"
    reason = peewee.TextField()
    detail = peewee.TextField()


class ChannelState(Table):
    """How a channel is: when it may be used next, and whether its provider refused us for good."""

    channel = peewee.TextField(primary_key=True)
    not_before = peewee.DoubleField()
    rate_limited = peewee.BooleanField()
    broken_since = peewee.DoubleField(null=True)
    broken_reason = peewee.TextField(null=True)
    fingerprint = peewee.TextField()  # of its settings: a changed channel is no longer broken


class Lock(Table):
    """A row lock held by a user of some application: (organization, app, screen, key) at most once."""

    id = peewee.TextField(primary_key=True)
    organization = peewee.TextField()
    app = peewee.TextField()
    screen = peewee.TextField()
    key = peewee.TextField()
    holder = peewee.TextField()
    token_hash = peewee.TextField()
    stream_id = peewee.TextField(null=True)
    acquired_at = peewee.DoubleField()
    expires_at = peewee.DoubleField()


class User(Table):
    """A person. `password` is an argon2 hash, None where only links or OIDC sign them in."""

    id = peewee.TextField(primary_key=True)
    email = peewee.TextField(unique=True)
    password = peewee.TextField(null=True)
    is_superuser = peewee.BooleanField()
    is_active = peewee.BooleanField()
    created_at = peewee.DoubleField()


class Membership(Table):
    """A user's role in an organization."""

    user = peewee.TextField()
    organization = peewee.TextField()
    role = peewee.TextField()

    class Meta:
        primary_key = peewee.CompositeKey("user", "organization")


class Token(Table):
    """A secret that opens a door, kept as its SHA-256: an API token, a refresh token, a sign-in link, a ticket."""

    id = peewee.TextField(primary_key=True)
    kind = peewee.TextField()  # "api" | "refresh" | "link" | "ticket"
    hash = peewee.TextField(unique=True)
    name = peewee.TextField()
    user = peewee.TextField(null=True)
    organization = peewee.TextField(null=True)
    scopes = JSONText()
    family = peewee.TextField(null=True)  # refresh tokens of one sign-in: reuse of a spent one ends them all
    created_at = peewee.DoubleField()
    expires_at = peewee.DoubleField(null=True)
    used_at = peewee.DoubleField(null=True)
    revoked_at = peewee.DoubleField(null=True)


class Setting(Table):
    """Small facts of the installation: its signing key, when the scheduler last ticked."""

    name = peewee.TextField(primary_key=True)
    value = JSONText()
