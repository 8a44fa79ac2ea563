"""The latest observation of every subject, and the breaches that are under way."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerting.config import Watch
from alerting.rules import Breach
from alerting.store.database import among, encoded, execute, execute_many
from probes import Observation

_COLUMNS = 'subject, kind, organization, status, "values", facts, message, at, duration, since, known_at'
_STATES = f"select {_COLUMNS} from subject"  # noqa: S608
_RECORD = (
    f"insert into subject ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (subject) do update set"  # noqa: S608
    ' kind = excluded.kind, organization = excluded.organization, status = excluded.status, "values" ='
    ' excluded."values", facts = excluded.facts, message = excluded.message, at = excluded.at,'
    " duration = excluded.duration, since = excluded.since, known_at = excluded.known_at"
)
_BREACH = 'rule, subject, started_at, last_at, count, value, message, fired, cleared_at, "window"'
_KEEP_BREACH = (
    f"insert into breach ({_BREACH}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (rule, subject) do update set"  # noqa: S608
    " started_at = excluded.started_at, last_at = excluded.last_at, count = excluded.count, value = excluded.value,"
    " message = excluded.message, fired = excluded.fired, cleared_at = excluded.cleared_at,"
    ' "window" = excluded."window"'
)


@dataclass(frozen=True, slots=True)
class State:
    """A subject as last seen. `since`: when it took on its status; `known_at`: the last look that could tell."""

    observation: Observation
    kind: str
    organization: str
    since: float
    known_at: float | None


def states(subjects: Collection[str] | None = None) -> dict[str, State]:
    """The latest states by subject, of some subjects or of all."""
    if subjects is None:
        return {state.observation.subject: state for state in map(_state, execute(_STATES))}
    if not subjects:
        return {}
    rows = execute(f"{_STATES} where subject in ({among(subjects)})", list(subjects))
    return {state.observation.subject: state for state in map(_state, rows)}


def seen_since(at: float) -> list[State]:
    """The states observed after `at`, oldest first."""
    return [_state(row) for row in execute(f"{_STATES} where at > ? order by at", (at,))]


def of_kind(kind: str, until: float) -> list[State]:
    """The states of subjects of a kind that were observed last before `until`."""
    return [_state(row) for row in execute(f"{_STATES} where kind = ? and at < ?", (kind, until))]


def looked_at() -> dict[str, float]:
    """When every subject was last looked at, in epoch seconds."""
    return dict(execute("select subject, at from subject"))


def record(seen: Iterable[tuple[Watch, Observation, State | None]]) -> None:
    """Keep these observations as the latest of their subjects. The third is the state before."""
    execute_many(_RECORD, [_row(watch, observation, before) for watch, observation, before in seen])


def same(before: State, seen: Observation, values: str, facts: str, message: str) -> tuple[Any, ...]:
    """A row for `keep_same`: the subject was seen again as it was `before`. `values` and `facts` are JSON text."""
    was = before.observation
    state = (was.at, was.status, before.kind, before.organization)
    return values, facts, message, seen.at, seen.duration, seen.at, seen.subject, *state


def keep_same(rows: Sequence[tuple[Any, ...]]) -> int:
    """Keep these as the latest of subjects that were as their rows say; of how many that was true."""
    return execute_many(
        'update subject set "values" = ?, facts = ?, message = ?, at = ?, duration = ?, known_at = ?'
        " where subject = ? and at = ? and status = ? and kind = ? and organization = ?",
        rows,
    )


def restless(now: float) -> set[str]:
    """Subjects on which a rule's condition holds or an alert stands, one held after a person's "resolve" included."""
    rows = execute(
        "select subject from breach union all select subject from alert where resolved_at is null"
        " union all select subject from alert where held_until > ?",
        (now,),
    )
    return {subject for (subject,) in rows}


def breaches(subjects: Collection[str]) -> dict[tuple[str, str], Breach]:
    """The breaches under way on these subjects, by (rule key, subject)."""
    if not subjects:
        return {}
    rows = execute(f"select {_BREACH} from breach where subject in ({among(subjects)})", list(subjects))  # noqa: S608
    return {(row[0], row[1]): _breach(row) for row in rows}


def subjects_breaching() -> set[str]:
    """Subjects on which some rule's condition holds, is counted, or has not been over for long enough."""
    return {subject for (subject,) in execute("select distinct subject from breach")}


def subjects_waiting() -> set[str]:
    """Those of them that time alone may change: a wait that is not confirmed, or nothing open where something fired."""
    rows = execute(
        "select distinct subject from breach where fired = ? or cleared_at is not null or not exists"
        " (select 1 from alert where alert.subject = breach.subject and alert.resolved_at is null)",
        (False,),
    )
    return {subject for (subject,) in rows}


def keep_breaches(before: Mapping[tuple[str, str], Breach], after: Mapping[tuple[str, str], Breach | None]) -> None:
    """Store what changed: breaches begun or continued, and breaches ended (None)."""
    ended = [key for key, breach in after.items() if breach is None and key in before]
    execute_many("delete from breach where rule = ? and subject = ?", ended)
    changed = [breach for key, breach in after.items() if breach is not None and breach != before.get(key)]
    execute_many(_KEEP_BREACH, [_breach_row(one) for one in changed])


def _breach_row(one: Breach) -> tuple[Any, ...]:
    window = encoded(one.window) if one.window else None
    state = (one.started_at, one.last_at, one.count, one.value, one.message, one.fired, one.cleared_at, window)
    return one.rule, one.subject, *state


def _breach(row: Sequence[Any]) -> Breach:
    rule, subject, started_at, last_at, count, value, message, fired, cleared_at, window = row
    looks = tuple((at, value, bool(after)) for at, value, after in json.loads(window or "[]"))
    return Breach(rule, subject, started_at, last_at, count, value, message, bool(fired), cleared_at, looks)


def forget(subjects: Collection[str]) -> None:
    """Drop what is known of subjects that are no longer watched."""
    execute_many("delete from subject where subject = ?", [(name,) for name in subjects])
    execute_many("delete from breach where subject = ?", [(name,) for name in subjects])


def _row(watch: Watch, seen: Observation, before: State | None) -> tuple[Any, ...]:
    same = before is not None and before.observation.status == seen.status
    known = seen.at if seen.status != "unknown" else (before.known_at if before else None)
    values, facts = encoded(seen.values), encoded(seen.facts)
    since = before.since if before is not None and same else seen.at
    state = (seen.status, values, facts, seen.message, seen.at, seen.duration, since, known)
    return watch.subject, watch.kind, watch.organization, *state


def _state(row: Sequence[Any]) -> State:
    subject, kind, organization, status, values, facts, message, at, duration, since, known_at = row
    observation = Observation(status, json.loads(values), message, json.loads(facts), subject, at, duration)
    return State(observation, kind, organization, since, known_at)
