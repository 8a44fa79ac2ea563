"""Drift of what services say of themselves: what was seen last becomes what is compared with."""

from dataclasses import dataclass

from alerting.config import Watch
from alerting.store import baselines, subjects
from alerting.store.database import taking_turns


class NothingToAccept(Exception):
    """There is no answer that could become a baseline; says why."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A baseline as it was accepted: when its answer was seen, in epoch seconds."""

    seen_at: float


def accept(watch: Watch, by: str, now: float) -> Accepted:
    """Make the last answer of an info check its baseline, whatever it says. Raises NothingToAccept."""
    if watch.kind != baselines.KIND:
        raise NothingToAccept(f"{watch.name} is of the kind {watch.kind}, which has no baseline")
    if "baseline" in watch.config or not watch.config.get("drift", True):
        raise NothingToAccept(f"the configuration itself sets what {watch.name} is compared with")
    with taking_turns():
        state = subjects.states([watch.subject]).get(watch.subject)
        if state is None or state.organization != watch.organization:
            raise NothingToAccept(f"{watch.name} has not been looked at yet")
        seen = state.observation
        if seen.facts.get("document") is None:
            raise NothingToAccept(f"the last look at {watch.name} saw no answer that can be kept: {seen.message}")
        baselines.move(watch.subject, seen.facts["document"], now, by)
    return Accepted(seen.at)
