"""What a standby's own word adds to what its primary tells: split brain, paused replay, a DSN that leads elsewhere."""

from dataclasses import replace
from typing import Literal

from probes._machinery.standby import View, Word
from probes._machinery.standby_verdict import Verdict, also

Relation = Literal["standby", "twin", "stranger", "same"]


def relation(seen: View, said: Word) -> Relation:
    """How the server behind `standby_dsn` stands to the one asked: a twin is a second primary of the same data."""
    if seen.system != said.system:
        return "stranger"
    if seen.started == said.started:
        return "same"
    return "standby" if said.in_recovery else "twin"


def with_its_word(verdict: Verdict, seen: View | None, said: Word) -> Verdict:
    """The verdict with what the standby says of itself, which the primary cannot know; `seen` is what that one told."""
    if seen is None:
        return _alone(verdict, said)
    sort = relation(seen, said)
    if sort == "stranger":
        words = f"standby_dsn leads to another cluster (system identifier {said.system}, here {seen.system})"
        return also(verdict, f"{words}: point it at this primary's standby", "warning")
    if sort == "same":
        return also(verdict, "standby_dsn leads to the very server asked: point it at the standby", "warning")
    if sort == "twin":
        return _twin(verdict, seen, said)
    if said.paused:
        return also(verdict, "replay is paused there; to go on, run on the standby: SELECT pg_wal_replay_resume()")
    if verdict.health == "offline" and not seen.standbys:
        return also(verdict, "the standby itself answers, in recovery: see its log for why it does not connect")
    return verdict


def _twin(verdict: Verdict, seen: View, said: Word) -> Verdict:
    if seen.in_recovery:
        words = "the server behind standby_dsn is the primary now: point dsn at it"
        return also(verdict, words)
    words = (
        f"promoted: two primaries of the same data (split brain), the standby on timeline {said.timeline}, the primary"
        f" on {seen.timeline}: stop writing to one of them and rebuild it from the other"
    )
    return replace(verdict, health="offline", status="critical", message=f"{words}; {verdict.message}")


def _alone(verdict: Verdict, said: Word) -> Verdict:
    """The standby's word where the primary gives none."""
    if said.in_recovery:
        return also(verdict, "the standby answers, in recovery")
    return also(verdict, f"the standby is a primary now (timeline {said.timeline}): after a failover, point dsn at it")
