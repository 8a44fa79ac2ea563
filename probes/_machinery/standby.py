"""What PostgreSQL says of a standby: the questions to the primary and to the standby, their answers as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MIB = 1_048_576
OLDEST = 130_000
"""The first server version that says all we must know: whether a slot's WAL is still there is asked from then on."""

# The primary's present position, not sent_lsn, is what a standby lags behind: what was sent stops growing once the
# network's buffers are full. There is always one row, so an empty answer cannot be taken for an absent standby.
# A standby that serves others is asked for what it has received and for how far its own primary says it is.
# What not every version has is taken out of the whole row as JSON, where what is missing is null and no error.
QUERY = """
WITH asked AS (SELECT %s::text AS name),
me AS (
  SELECT pg_is_in_recovery() AS in_recovery,
         CASE WHEN pg_is_in_recovery()
              THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(),
                            (SELECT latest_end_lsn FROM pg_stat_wal_receiver))
              ELSE pg_current_wal_lsn() END AS lsn),
peers AS (
  SELECT r.pid, r.application_name AS name, r.backend_start, r.state, r.sync_state, me.lsn - r.flush_lsn AS flush_bytes,
         me.lsn - r.replay_lsn AS replay_bytes, r.replay_lag, (to_jsonb(r) ->> 'reply_time')::timestamptz AS reply_time
  FROM me, pg_stat_replication r WHERE r.state IS DISTINCT FROM 'backup'),
slots AS (
  SELECT s.slot_name::text AS name, s.slot_type AS sort, s.active_pid AS pid, s.active, s.temporary,
         to_jsonb(s) -> 'synced' AS synced, to_jsonb(s) -> 'wal_status' AS wal_status,
         to_jsonb(s) -> 'safe_wal_size' AS safe_bytes, trunc(me.lsn - s.restart_lsn) AS retained_bytes
  FROM me, pg_replication_slots s)
SELECT jsonb_build_object(
  'version', current_setting('server_version_num')::int, 'role', current_user, 'in_recovery', me.in_recovery,
  'lsn', trunc(me.lsn - '0/0'::pg_lsn),
  'timeline', CASE WHEN me.in_recovery THEN (SELECT timeline_id FROM pg_control_checkpoint())
                   ELSE ('x' || left(pg_walfile_name(me.lsn), 8))::bit(32)::int END,
  'system', (SELECT system_identifier::text FROM pg_control_system()),
  'started', extract(epoch FROM pg_postmaster_start_time()),
  'receives', (SELECT status FROM pg_stat_wal_receiver),
  'commits_waiting', (SELECT count(*) FROM pg_stat_activity
                      WHERE wait_event = 'SyncRep' AND clock_timestamp() - state_change > interval '2 s'),
  'standbys', (SELECT jsonb_agg(jsonb_build_object(
      'key', p.pid || '@' || coalesce(extract(epoch FROM p.backend_start)::text, ''), 'state', p.state,
      'sync_state', p.sync_state, 'flush_bytes', trunc(p.flush_bytes), 'replay_bytes', trunc(p.replay_bytes),
      'replay_lag', extract(epoch FROM p.replay_lag), 'reply_time', extract(epoch FROM p.reply_time),
      'reply_age', extract(epoch FROM clock_timestamp() - p.reply_time), 'slot', s.name, 'sort', s.sort) ORDER BY p.pid)
    FROM peers p LEFT JOIN slots s ON s.pid = p.pid WHERE p.name = asked.name),
  'others', (SELECT jsonb_agg(jsonb_build_object('name', p.name, 'slot', s.name) ORDER BY p.name)
    FROM peers p LEFT JOIN slots s ON s.pid = p.pid
    WHERE p.name <> asked.name AND (p.state IS NULL OR p.replay_bytes IS NOT NULL)
      AND s.sort IS DISTINCT FROM 'logical'),
  'slots', (SELECT jsonb_agg(to_jsonb(slots) ORDER BY name) FROM slots)
)::text AS answer FROM me, asked
"""

STANDBY_QUERY = """
SELECT jsonb_build_object(
  'in_recovery', pg_is_in_recovery(), 'system', (SELECT system_identifier::text FROM pg_control_system()),
  'timeline', CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
                   ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
  'started', extract(epoch FROM pg_postmaster_start_time()),
  'paused', CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END
)::text AS answer
"""


@dataclass(frozen=True, slots=True)
class Standby:
    """One connection of the standby's name. reply_time, reply_age: by the standby's clock, good to compare only.

    key  the connection: its process and when that began, so that a new connection is not taken for an old one
    sort "physical" or "logical" by its slot, None without one
    """

    key: str
    state: str | None
    sync_state: str | None
    flush_bytes: int | None
    replay_bytes: int | None
    replay_lag: float | None
    reply_time: float | None
    reply_age: float | None
    slot: str | None
    sort: str | None

    @property
    def catches_up(self) -> bool:
        return self.state in ("startup", "catchup")

    @property
    def commits_wait(self) -> bool:
        return self.sync_state in ("sync", "quorum")

    @property
    def is_none(self) -> bool:
        """Whether it only takes WAL, or a subscription's changes, and replays nothing: no standby at all."""
        return self.sort == "logical" or (self.state == "streaming" and self.replay_bytes is None)

    @property
    def holds_unreplayed(self) -> bool:
        """Whether most of what it lacks is there already and only not replayed."""
        return (self.replay_bytes or 0) > 2 * (self.flush_bytes or 0)


@dataclass(frozen=True, slots=True)
class Slot:
    """A replication slot, which keeps WAL for whoever comes back to it.

    safe_bytes  more WAL until it is lost; None: no limit
    is_lasting  neither ending with its connection nor a copy of a slot of the primary
    """

    name: str
    sort: str
    active: bool
    wal_status: str | None
    safe_bytes: int | None
    retained_bytes: int | None
    is_lasting: bool


@dataclass(frozen=True, slots=True)
class Other:
    """A standby of another name."""

    name: str
    slot: str | None


@dataclass(frozen=True, slots=True)
class View:
    """What the server asked says of itself, of what is connected under that name, and of the rest.

    lsn       its position, as bytes since the beginning
    receives  the state of its own WAL receiver, where it is a standby that has one
    """

    version: int
    role: str
    in_recovery: bool
    lsn: int
    timeline: int
    system: str
    started: float
    receives: str | None
    commits_waiting: int
    standbys: tuple[Standby, ...]
    strangers: tuple[Standby, ...]
    others: tuple[Other, ...]
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Word:
    """What the standby says of itself."""

    in_recovery: bool
    system: str
    timeline: int
    started: float
    paused: bool | None


def view(answer: Mapping[str, Any]) -> View:
    """The answer to QUERY."""
    connected = [_standby(each) for each in answer["standbys"] or ()]
    plain = ("version", "role", "in_recovery", "timeline", "system", "started", "receives", "commits_waiting")
    return View(
        **{name: answer[name] for name in plain},
        lsn=answer["lsn"] or 0,
        standbys=tuple(one for one in connected if not one.is_none),
        strangers=tuple(one for one in connected if one.is_none),
        others=tuple(Other(**each) for each in answer["others"] or ()),
        slots=tuple(_slot(each) for each in answer["slots"] or ()),
    )


def word(answer: Mapping[str, Any]) -> Word:
    """The answer to STANDBY_QUERY."""
    return Word(**answer)


def _standby(row: Mapping[str, Any]) -> Standby:
    behind = {name: None if row[name] is None else max(0, row[name]) for name in ("flush_bytes", "replay_bytes")}
    return Standby(**{**row, **behind})


def _slot(row: Mapping[str, Any]) -> Slot:
    kept = row["retained_bytes"]
    return Slot(
        name=row["name"],
        sort=row["sort"],
        active=row["active"],
        wal_status=row["wal_status"],
        safe_bytes=row["safe_bytes"],
        retained_bytes=None if kept is None else max(0, kept),
        is_lasting=not row["temporary"] and not row["synced"],
    )
