"""The outbox: messages that are to leave, claimed by lease, done when a provider said yes; and the ledger of told."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import peewee

from alerting.lifecycle import Alert
from alerting.routing import STATE_AT_SENDING, TRIGGERS, Due, Gathering, Pending, Told
from alerting.store import alerts
from alerting.store.database import among, database, execute, execute_many, is_sqlite
from alerting.store.models import Alert as AlertRow
from alerting.store.models import Attempt, ChannelState, Flap, Notification
from alerting.store.models import Told as ToldRow

LEASE = 60.0
"""Seconds a claim holds. No delivery may take longer: after it, another dispatcher sends the row again."""

_LOCK = 71002  # any number of our own: the key of the advisory lock around claims

_PENDING = peewee.SQL("'pending'")  # written out: with a parameter in its place no partial index is used

CATCH_UP = 100
"""How many rows one catch-up message takes at most."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that is ours to send until its lease ends. `repeated`: an earlier attempt may have arrived."""

    id: int
    alert: int
    fingerprint: str
    organization: str
    channel: str
    reason: str
    change: str
    severity: str
    created_at: float
    attempts: int
    repeated: bool
    plain: bool
    digest: bool = False
    group: str | None = None
    state: str = ""  # what it tells, once it is composed: "triggered" | "resolved"


def told(fingerprint: str) -> dict[str, Told]:
    """What every channel was last told about a fingerprint."""
    rows = execute(
        "select channel, alert, state, severity, triggered_at, digest, at from told where fingerprint = ?",
        (fingerprint,),
    )
    return {row[0]: _told(row) for row in rows}


def waiting(fingerprint: str) -> list[Pending]:
    """The rows of a fingerprint that are not done, oldest first."""
    rows = execute(
        "select id, channel, reason, maybe_told, alert, digest, change from notification"
        " where fingerprint = ? and status = 'pending' order by id",
        (fingerprint,),
    )
    return [
        Pending(id_, channel, reason, bool(maybe), alert, bool(digest), change)
        for id_, channel, reason, maybe, alert, digest, change in rows
    ]


def gathering(groups: Collection[tuple[str, str]], now: float) -> dict[tuple[str, str], Gathering]:
    """Those of the (channel, group)s that others may still join."""
    found: dict[tuple[str, str], Gathering] = {}
    for channel, group in groups:
        rows = execute(
            'select gathers_until, severity, reason from notification where channel = ? and "group" = ?'
            " and gathers_until > ? and status in ('pending', 'delivered')",
            (channel, group, now),
        )
        if rows:
            critical = any(severity == "critical" and reason != "resolved" for _, severity, reason in rows)
            found[channel, group] = Gathering(max(row[0] for row in rows), critical)
    return found


def enqueue(alert: Alert, due: Iterable[Due], now: float) -> None:
    """Add rows for an alert; a row that is there already stays as it is."""
    rows = [_row(alert, one, now) for one in due]
    if rows:
        names = ", ".join(f'"{name}"' for name in rows[0])
        sql = f"insert into notification ({names}) values ({among(rows[0])}) on conflict do nothing"  # noqa: S608
        execute_many(sql, [tuple(row.values()) for row in rows])


def drop(ids: Collection[int], outcome: str, now: float) -> None:
    """Take rows out that have nothing left to say. A lease stays: what is under way must not be overtaken."""
    if ids:
        Notification.update(status="dropped", outcome=outcome, done_at=now).where(
            Notification.id.in_(list(ids)) & (Notification.status == _PENDING)
        ).execute()


def hurry(ids: Collection[int], now: float) -> None:
    """Let rows leave at once."""
    if ids:
        Notification.update(due_at=now, digest=False).where(
            Notification.id.in_(list(ids)) & (Notification.due_at > now) & (Notification.status == _PENDING)
        ).execute()


def due_channels(now: float, held: Collection[int] = ()) -> list[str]:
    """Channels with a row that may be claimed now: due, the channel allowed to speak, and nothing under way there.

    `held`: alerts of which nothing is told now but their end.
    """
    query = Notification.select(Notification.channel).where(_may_leave(now, held))
    return [row.channel for row in query.distinct()]


def holdable(now: float) -> list[tuple[int, int, str]]:
    """The rows that are due and say that something is wrong: id, alert, and why they were held back last."""
    marks = among(TRIGGERS)
    sql = f"select id, alert, why from notification where status = 'pending' and due_at <= ? and reason in ({marks})"  # noqa: S608
    return [(row[0], row[1], row[2]) for row in execute(sql, [now, *TRIGGERS])]


def explain(row: int, why: str) -> None:
    """Note why the row does not leave."""
    execute("update notification set why = ? where id = ?", (why, row))


def believing(longest: float, now: float) -> list[tuple[int, Told]]:
    """Who was told at least `longest` seconds ago of an alert that is open and unacknowledged: its id and the ledger.

    Not where something waits to be told there.
    """
    rows = execute(
        "select alert.id, told.channel, told.alert, told.state, told.severity, told.triggered_at, told.digest, told.at"
        " from told join alert on alert.id = told.alert where told.state = 'triggered' and told.at <= ?"
        " and alert.resolved_at is null and alert.status = 'triggered' and alert.snoozed_until is null"
        " and not exists (select 1 from notification where notification.fingerprint = told.fingerprint"
        " and notification.channel = told.channel and notification.status = 'pending')",
        (now - longest,),
    )
    return [(row[0], _told(row[1:])) for row in rows]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a row has come; `detail` is the last attempt's own words."""

    status: str
    gave_up: bool
    detail: str


def progress(alert_id: int, change: str, channel: str) -> Progress:
    """How far the row of this change has come in that channel. The row must exist."""
    one = (Notification.alert == alert_id) & (Notification.change == change) & (Notification.channel == channel)
    row = Notification.get(one)
    last = Attempt.select().where(Attempt.notification == row.id).order_by(Attempt.id.desc()).first()
    if last is None:
        return Progress(row.status, False, "")
    return Progress(row.status, last.outcome == "give_up", last.detail)


def prune(before: float) -> int:
    """Delete rows done before `before`, with their attempts; how many."""
    done = (Notification.status != "pending") & (Notification.done_at < before)
    Attempt.delete().where(Attempt.notification.in_(Notification.select(Notification.id).where(done))).execute()
    return int(Notification.delete().where(done).execute())


def held_by_pace(now: float, longest: float) -> bool:
    """Whether a row that is due waits only for its channel to be allowed to speak, within `longest` seconds."""
    soon = ChannelState.select(ChannelState.channel).where(
        (ChannelState.not_before > now) & (ChannelState.not_before <= now + longest)
    )
    waiting_rows = (Notification.status == _PENDING) & (Notification.due_at <= now)
    return bool(Notification.select().where(waiting_rows & Notification.channel.in_(soon)).exists())


def next_due(now: float) -> float | None:
    """When the next row will be due, in epoch seconds; None when nothing waits."""
    moment: float | None = (
        Notification.select(peewee.fn.MIN(Notification.due_at))
        .where((Notification.status == _PENDING) & (Notification.due_at > now))
        .scalar()
    )
    return moment


def claim(
    channel: str, owner: str, now: float, held: Collection[int] = (), crowd: int = CATCH_UP, most: int = CATCH_UP
) -> list[Claim]:
    """Take what the channel's next message tells; nothing while another dispatcher has a row of this channel.

    That is the worst of what is due, then what was tried least, then the oldest: with all of its group, with all of its
    digest, or, where more than `crowd` messages wait, with whatever there is, `most` rows of it. From here on a crash
    means the message may have been sent, so the rows say so before anything leaves.
    """
    if not is_sqlite():  # SQLite's transaction is already the only writer
        database.execute_sql("select pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, channel))
    ids = _together(_claimable(channel, now, held, most), crowd)
    if not ids:
        return []
    rows = list(Notification.select().where(Notification.id.in_(ids)))
    Notification.update(
        lease_until=now + LEASE, lease_owner=owner, attempts=Notification.attempts + 1, maybe_told=True
    ).where(Notification.id.in_(ids)).execute()
    order = {row_id: place for place, row_id in enumerate(ids)}
    return sorted((_claim(row) for row in rows), key=lambda one: order[one.id])


def take_over(owners: str, now: float) -> None:
    """Claims of dispatchers whose name begins so are void: they are gone. Their messages may have been sent."""
    under_way = (Notification.lease_until > now) & Notification.lease_owner.startswith(owners)
    Notification.update(lease_until=None).where(under_way).execute()


def delivered(claims: Sequence[Claim], provider_id: str | None, now: float) -> None:
    """The provider said yes: the rows are done, and the ledger says what the channel knows now."""
    Notification.update(
        status="delivered", outcome="delivered", done_at=now, provider_id=provider_id, lease_until=None
    ).where(Notification.id.in_([one.id for one in claims])).execute()
    for one in sorted(claims, key=lambda claimed: claimed.id):
        _remember(one, now)


def failed(claims: Sequence[Claim], outcome: str, due_at: float, maybe_told: bool, plain: bool) -> None:
    """Not delivered: the rows wait until `due_at`. `maybe_told` False: this attempt surely did not arrive."""
    _release(claims)
    for one in claims:
        Notification.update(
            due_at=due_at,
            outcome=outcome,
            maybe_told=maybe_told or one.repeated,
            plain=plain or one.plain,
        ).where((Notification.id == one.id) & (Notification.status == _PENDING)).execute()


def revive(channels: Iterable[str]) -> None:
    """These channels are there: what died while they were gone waits again, if it is still worth saying.

    That is the end of what they were told of, and the beginning of what is still open.
    """
    ours = Notification.channel.in_(list(channels)) & (Notification.status == "dead")
    still_open = AlertRow.select(AlertRow.id).where(AlertRow.resolved_at.is_null())
    believed = (ToldRow.channel == Notification.channel) & (ToldRow.state == "triggered")
    known = ToldRow.select(ToldRow.alert).where(believed)
    due = ((Notification.reason == "resolved") & Notification.alert.in_(known)) | (
        (Notification.reason != "resolved") & Notification.alert.in_(still_open)
    )
    Notification.update(status="pending", done_at=None).where(ours & due).execute()


def tell_ends(channels: Iterable[str], now: float) -> None:
    """Where the ledger says that a channel believes in a trouble that is over, and nothing waits to tell it: tell it.

    A delivery that outlived its lease may have said "triggered" after another had said "resolved". Not of what has
    begun again, nor of what flaps: that is told when it is steady.
    """
    over = AlertRow.select(AlertRow.id).where(AlertRow.resolved_at.is_null(False))
    still = AlertRow.select(AlertRow.fingerprint).where(AlertRow.resolved_at.is_null())
    restless = Flap.select(Flap.fingerprint).where(Flap.since.is_null(False))
    steady = ToldRow.fingerprint.not_in(still) & ToldRow.fingerprint.not_in(restless)
    believing = ToldRow.select().where(
        (ToldRow.state == "triggered") & ToldRow.alert.in_(over) & steady & ToldRow.channel.in_(list(channels))
    )
    for row in believing:
        whole = (Notification.fingerprint == row.fingerprint) & (Notification.channel == row.channel)
        if Notification.select().where(whole & (Notification.status == _PENDING)).exists():
            continue
        theirs = (Notification.alert == row.alert) & (Notification.channel == row.channel)
        again = {"status": "pending", "due_at": now, "done_at": None, "lease_until": None}
        if not Notification.update(again).where(theirs & (Notification.change == "resolved")).execute():
            enqueue(alerts.value(AlertRow.get_by_id(row.alert)), [Due(row.channel, "resolved", "resolved", now)], now)


def forget_moments(now: float) -> None:
    """The clock was set back: what waited for a moment by the old one may leave, and no lease outlives its time."""
    ChannelState.update(not_before=now).where(ChannelState.not_before > now).execute()
    Notification.update(due_at=now).where((Notification.status == _PENDING) & (Notification.due_at > now)).execute()
    Notification.update(lease_until=now + LEASE).where(Notification.lease_until > now + LEASE).execute()


def dead(claims: Sequence[Claim], outcome: str, now: float) -> None:
    """Nobody can deliver these any more: their channel is gone."""
    Notification.update(status="dead", outcome=outcome, done_at=now, lease_until=None).where(
        Notification.id.in_([one.id for one in claims])
    ).execute()


def attempted(claims: Sequence[Claim], at: float, seconds: float, outcome: str, reason: str, detail: str) -> None:
    """Record one attempt at these rows."""
    columns = {"at": at, "seconds": seconds, "outcome": outcome, "reason": reason, "detail": detail}
    Attempt.insert_many([{"notification": one.id, **columns} for one in claims]).execute()


def begins_thread(one: Claim) -> bool:
    """Whether no other row about this alert can have reached the channel: this message begins the conversation."""
    others = (Notification.alert == one.alert) & (Notification.channel == one.channel) & (Notification.id != one.id)
    return not Notification.select().where(others & Notification.maybe_told).exists()


def oldest_waiting(now: float) -> float | None:
    """Since when, in epoch seconds, the oldest row that could have left has been waiting; None when none has."""
    # A row that was never tried may have been held back by a cooldown until it fell due.
    began = peewee.Case(None, ((Notification.attempts == 0, Notification.due_at),), Notification.created_at)
    moment: float | None = (
        Notification.select(peewee.fn.MIN(began))
        .where((Notification.status == _PENDING) & (Notification.due_at <= now))
        .scalar()
    )
    return moment


def _told(row: Sequence[Any]) -> Told:
    channel, alert, state, severity, triggered_at, digest, at = row
    return Told(channel, alert, state, severity, triggered_at, bool(digest), at)


def _busy(now: float) -> peewee.Select:
    return Notification.select(Notification.channel).where(Notification.lease_until > now)


def _release(claims: Sequence[Claim]) -> None:
    ids = [one.id for one in claims]
    Notification.update(lease_until=None, lease_owner=None).where(Notification.id.in_(ids)).execute()


def _claimable(channel: str, now: float, held: Collection[int], most: int) -> list[Any]:
    rank = peewee.Case(Notification.severity, (("critical", 0), ("warning", 1)), 2)
    ready = _may_leave(now, held) & (Notification.channel == channel)
    # Those tried least first: one message that its provider will not have must not hold up the others.
    order = (rank, Notification.attempts, Notification.id)
    columns = (Notification.id, Notification.digest, Notification.group)
    return list(Notification.select(*columns).where(ready).order_by(*order).limit(most))


def _together(rows: Sequence[Any], crowd: int) -> list[int]:
    """Of the rows that may leave, those that leave as one message."""
    if not rows:
        return []
    first = rows[0]
    if first.digest:
        return [row.id for row in rows if row.digest]
    others = [row for row in rows if not row.digest]
    if len({row.group or row.id for row in others}) > crowd:
        return [row.id for row in others]
    return [row.id for row in others if row is first or (row.group is not None and row.group == first.group)]


def _may_leave(now: float, held: Collection[int]) -> Any:
    due = (Notification.status == _PENDING) & (Notification.due_at <= now)
    silent = ChannelState.select(ChannelState.channel).where(ChannelState.not_before > now)
    free = Notification.channel.not_in(silent) & Notification.channel.not_in(_busy(now)) & ~peewee.fn.EXISTS(_earlier())
    if not held:
        return due & free
    return due & free & ~(Notification.reason.in_(TRIGGERS) & Notification.alert.in_(list(held)))


def _earlier() -> peewee.Select:
    """Something older to say of the same trouble: what a channel hears last must be what is true last."""
    older = Notification.alias()
    return older.select(older.id).where(
        (older.fingerprint == Notification.fingerprint)
        & (older.channel == Notification.channel)
        & (older.status == _PENDING)
        & (older.id < Notification.id)
    )


def _claim(row: Notification) -> Claim:
    return Claim(
        row.id,
        row.alert,
        row.fingerprint,
        row.organization,
        row.channel,
        row.reason,
        row.change,
        row.severity,
        row.created_at,
        row.attempts + 1,
        row.maybe_told,
        row.plain,
        row.digest,
        row.group,
    )


def _remember(one: Claim, now: float) -> None:
    state = one.state or ("resolved" if one.reason == "resolved" else "triggered")
    columns = {"alert": one.alert, "state": state, "severity": one.severity, "at": now}
    if state == "triggered" and one.reason in ("triggered", "escalated", "drill", *STATE_AT_SENDING):
        columns |= {"triggered_at": now, "digest": one.digest}
    ToldRow.insert(fingerprint=one.fingerprint, channel=one.channel, **columns).on_conflict(
        conflict_target=[ToldRow.fingerprint, ToldRow.channel], update=columns
    ).execute()


def _row(alert: Alert, one: Due, now: float) -> dict[str, object]:
    return {
        "alert": alert.id,
        "fingerprint": alert.fingerprint,
        "organization": alert.organization,
        "channel": one.channel,
        "reason": one.reason,
        "change": one.change,
        "severity": alert.severity,
        "status": "pending",
        "created_at": now,
        "due_at": one.due_at,
        "attempts": 0,
        "maybe_told": False,
        "plain": False,
        "outcome": "",
        "digest": one.digest,
        "group": one.group,
        "gathers_until": one.gathers_until,
        "why": one.why,
    }
