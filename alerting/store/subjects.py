"""The latest observation of every subject, and the breaches that are under way."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerting.config import Watch
from alerting.rules import Breach as BreachValue
from alerting.store.database import execute, execute_many
from alerting.store.models import Breach, Subject
from probes import Observation


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
    query = Subject.select()
    if subjects is not None:
        query = query.where(Subject.subject.in_(list(subjects)))
    return {row.subject: _state(row) for row in query}


def seen_since(at: float) -> list[State]:
    """The states observed after `at`, oldest first."""
    return [_state(row) for row in Subject.select().where(Subject.at > at).order_by(Subject.at)]


def looked_at() -> dict[str, float]:
    """When every subject was last looked at, in epoch seconds."""
    return {row.subject: row.at for row in Subject.select(Subject.subject, Subject.at)}


def record(seen: Iterable[tuple[Watch, Observation, State | None]]) -> None:
    """Keep these observations as the latest of their subjects, in one statement. The third is the state before."""
    rows = [_row(watch, observation, before) for watch, observation, before in seen]
    if rows:
        kept = [field for field in Subject._meta.sorted_fields if field is not Subject.subject]
        Subject.insert_many(rows).on_conflict(conflict_target=[Subject.subject], preserve=kept).execute()


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
        "select subject from breach union select subject from alert where resolved_at is null"
        " union select subject from alert where held_until > ?",
        (now,),
    )
    return {subject for (subject,) in rows}


def breaches(subjects: Collection[str]) -> dict[tuple[str, str], BreachValue]:
    """The breaches under way on these subjects, by (rule key, subject)."""
    query = Breach.select().where(Breach.subject.in_(list(subjects)))
    return {(row.rule, row.subject): _breach(row) for row in query}


def subjects_breaching() -> set[str]:
    """Subjects on which some rule's condition holds."""
    return {row.subject for row in Breach.select(Breach.subject).distinct()}


def keep_breaches(
    before: Mapping[tuple[str, str], BreachValue], after: Mapping[tuple[str, str], BreachValue | None]
) -> None:
    """Store what changed: breaches begun or continued, and breaches ended (None)."""
    for rule, subject in (key for key, breach in after.items() if breach is None and key in before):
        Breach.delete().where((Breach.rule == rule) & (Breach.subject == subject)).execute()
    changed = [_breach_row(breach) for key, breach in after.items() if breach is not None and breach != before.get(key)]
    if changed:
        kept = [Breach.started_at, Breach.last_at, Breach.count, Breach.value, Breach.message]
        Breach.insert_many(changed).on_conflict(conflict_target=[Breach.rule, Breach.subject], preserve=kept).execute()


def forget(subjects: Collection[str]) -> None:
    """Drop what is known of subjects that are no longer watched."""
    Subject.delete().where(Subject.subject.in_(list(subjects))).execute()
    Breach.delete().where(Breach.subject.in_(list(subjects))).execute()


def _row(watch: Watch, observation: Observation, before: State | None) -> dict[str, Any]:
    same = before is not None and before.observation.status == observation.status
    known = observation.at if observation.status != "unknown" else (before.known_at if before else None)
    return {
        "subject": watch.subject,
        "kind": watch.kind,
        "organization": watch.organization,
        "status": observation.status,
        "values": dict(observation.values),
        "facts": dict(observation.facts),
        "message": observation.message,
        "at": observation.at,
        "duration": observation.duration,
        "since": before.since if before is not None and same else observation.at,
        "known_at": known,
    }


def _state(row: Any) -> State:
    observation = Observation(row.status, row.values, row.message, row.facts, row.subject, row.at, row.duration)
    return State(observation, row.kind, row.organization, row.since, row.known_at)


def _breach(row: Any) -> BreachValue:
    return BreachValue(row.rule, row.subject, row.started_at, row.last_at, row.count, row.value, row.message)


def _breach_row(breach: BreachValue) -> dict[str, Any]:
    return {name: getattr(breach, name) for name in BreachValue.__slots__}
