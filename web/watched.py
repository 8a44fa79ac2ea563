"""What is watched, as a caller may see it: each watch with its latest state, and whether that state is still known."""

from dataclasses import dataclass

from alerting.config import Watch
from alerting.pipeline import STALE_AFTER
from alerting.store import subjects
from alerting.store.subjects import State
from web.auth import known_caller
from web.errors import not_found
from web.state import now, vedette

VIEW = "org.monitoring.view"

UNKNOWN = "unknown"
"""The status of what was not looked at for three intervals, or never: not green, not red."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A watch and its latest state. `stale`: that state is too old to be believed."""

    watch: Watch
    state: State | None
    stale: bool

    @property
    def known(self) -> bool:
        """Whether there is a state that may be believed."""
        return self.state is not None and not self.stale

    @property
    def since(self) -> float | None:
        """Since when its status is what it is: for a stale one, since it was last seen. Epoch seconds."""
        if self.state is None:
            return None
        return self.state.observation.at if self.stale else self.state.since


def visible(sort: str, permission: str = VIEW) -> list[Watched]:
    """Everything of one sort ("server", "check", …) that the caller may see, in the file's order."""
    where = known_caller().where(permission)
    watches = [
        watch
        for watch in vedette().config.watches
        if watch.sort == sort and (where is None or watch.organization in where)
    ]
    states = subjects.states([watch.subject for watch in watches]) if watches else {}
    at = now()
    return [_watched(watch, states.get(watch.subject), at) for watch in watches]


def one(sort: str, name: str, permission: str = VIEW) -> Watched:
    """The one of that name. Raises Problem 404 where there is none the caller may see."""
    watch = vedette().config.watch_of.get(f"{sort}/{name}")
    where = known_caller().where(permission)
    if watch is None or (where is not None and watch.organization not in where):
        raise not_found(sort)
    return _watched(watch, subjects.states([watch.subject]).get(watch.subject), now())


def _watched(watch: Watch, state: State | None, at: float) -> Watched:
    # A state under the same name but of another organization is that of something that was here before.
    if state is not None and state.organization != watch.organization:
        state = None
    stale = state is not None and watch.is_probed and at - state.observation.at > STALE_AFTER * watch.every
    return Watched(watch, state, stale)
