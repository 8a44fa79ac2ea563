"""What the primary's own view says of a standby: the query, its rows as values, and how old the replayed data is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MIB = 1_048_576
_MOST_KEPT = 30  # positions of the primary kept to compare with
_TRUSTED_ABOVE = MIB  # bytes behind from which PostgreSQL's own replay_lag is a measurement and no left-over

# The primary's present position, not sent_lsn, is what a standby lags behind: what was sent stops growing once the
# network's buffers are full. There is always a row, so an empty answer cannot be taken for an absent standby.
QUERY = """
WITH me AS (
  SELECT pg_is_in_recovery() AS in_recovery,
         CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS lsn,
         pg_has_role(current_user, 'pg_monitor', 'USAGE')
           OR pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS can_see)
SELECT me.in_recovery, me.can_see, me.lsn::text AS lsn, r.pid, r.state, r.sync_state,
       pg_wal_lsn_diff(me.lsn, r.replay_lsn)::bigint AS replay_bytes,
       extract(epoch FROM r.replay_lag)::float8 AS replay_lag_seconds,
       extract(epoch FROM r.reply_time)::float8 AS reply_time,
       extract(epoch FROM now() - r.reply_time)::float8 AS reply_age,
       s.slot_name::text AS slot_name, s.wal_status, s.safe_wal_size,
       pg_wal_lsn_diff(me.lsn, s.restart_lsn)::bigint AS slot_retained_bytes
FROM me
LEFT JOIN pg_stat_replication r ON r.application_name = %s AND r.state IS DISTINCT FROM 'backup'
LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid OR (r.pid IS NULL AND s.slot_name = %s)
ORDER BY r.pid
"""

STANDBY_QUERY = "SELECT pg_is_in_recovery() AS in_recovery"

History = Sequence[Sequence[Any]]
"""(epoch seconds, the primary's position as text) of earlier looks, oldest first."""


@dataclass(frozen=True, slots=True)
class Standby:
    """One connection of the standby's name. reply_time, reply_age: by the standby's clock, good to compare only."""

    pid: int
    state: str | None
    sync_state: str | None
    replay_bytes: int | None
    replay_lag_seconds: float | None
    reply_time: float | None
    reply_age: float | None
    wal_status: str | None

    @property
    def catches_up(self) -> bool:
        return self.state in ("startup", "catchup")

    @property
    def commits_wait(self) -> bool:
        return self.sync_state in ("sync", "quorum")


@dataclass(frozen=True, slots=True)
class Slot:
    """A replication slot nobody is connected to."""

    name: str
    wal_status: str | None
    safe_wal_size: int | None
    retained_bytes: int | None


@dataclass(frozen=True, slots=True)
class View:
    """What the server asked says of itself and of the standbys of that name."""

    in_recovery: bool
    can_see: bool
    lsn: str
    standbys: tuple[Standby, ...]
    slot: Slot | None


def view(rows: Sequence[Mapping[str, Any]]) -> View:
    """The rows of QUERY, of which there is at least one."""
    first = rows[0]
    present = [row for row in rows if row["pid"] is not None]
    slot = None
    if not present and first["slot_name"] is not None:
        slot = Slot(first["slot_name"], first["wal_status"], first["safe_wal_size"], first["slot_retained_bytes"])
    return View(first["in_recovery"], first["can_see"], first["lsn"] or "0/0", tuple(map(_standby, present)), slot)


def seconds_behind(standby: Standby, lsn: str, history: History, now: float) -> float | None:
    """For how long at least the standby's replayed data has been old; None where nothing tells.

    Kept positions of the primary bound it without the standby's clock: what it has not replayed yet was already
    written at the first look that saw a later position. PostgreSQL's own figure counts only where much is
    outstanding, because it stays at its last value when nothing is.
    """
    if standby.replay_bytes is None:
        return None
    if standby.replay_bytes <= 0:
        return 0.0
    replayed = position(lsn) - standby.replay_bytes
    later = [at for at, text in history if position(text) > replayed]
    proven = now - later[0] if later else 0.0 if history else None
    if standby.replay_bytes > _TRUSTED_ABOVE and standby.replay_lag_seconds is not None:
        return max(proven or 0.0, standby.replay_lag_seconds)
    return proven


def remembered(history: History, lsn: str, now: float) -> list[list[Any]]:
    """The history with this look added. Positions after this one belong to another life of the server."""
    kept = [[at, text] for at, text in history if position(text) <= position(lsn) and at < now]
    return [*kept, [now, lsn]][-_MOST_KEPT:]


def position(lsn: str) -> int:
    """ "16/B374D848" as a number of bytes since the beginning."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def furthest_behind(standbys: Iterable[Standby]) -> Standby:
    """The worst of at least one: two may share a name, and one's health must not hide the other's trouble."""
    return max(standbys, key=lambda one: float("inf") if one.replay_bytes is None else one.replay_bytes)


def _standby(row: Mapping[str, Any]) -> Standby:
    return Standby(
        pid=row["pid"],
        state=row["state"],
        sync_state=row["sync_state"],
        replay_bytes=None if row["replay_bytes"] is None else max(0, row["replay_bytes"]),
        replay_lag_seconds=row["replay_lag_seconds"],
        reply_time=row["reply_time"],
        reply_age=row["reply_age"],
        wal_status=row["wal_status"],
    )
