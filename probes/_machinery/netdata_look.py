"""One look at a Netdata server, and what the last one left for it in its facts, whatever became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from probes._machinery.netdata_answers import Age
from probes._machinery.observation import Observation, Status
from probes._machinery.summary import unreachable

KEPT = (
    "netdata_version",
    "netdata_api",
    "agent_version",
    "machine_guid",
    "update_every",
    "last_updated",
    "looked_at",
    "containers_known",
    "netdata_alert_id",
    "netdata_raised",
)
"""The facts that outlast a look which found nothing."""

_STALE_AFTER = 15.0  # seconds, of an agent that writes a row each second; three rows of a slower one


@dataclass(frozen=True, slots=True)
class Memory:
    """The last look's facts; empty before the first. `was_ok`: it found the server well."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    was_ok: bool = False

    @property
    def limit(self) -> float:
        """How old a live server's newest row may be, in seconds."""
        return max(_STALE_AFTER, 3 * (self.facts.get("update_every") or 1.0))

    @property
    def has_seen_data(self) -> bool:
        """Whether there ever was a row."""
        return self.facts.get("last_updated") is not None

    def kept(self) -> dict[str, Any]:
        """The facts a look hands on that has none of its own."""
        return {name: self.facts.get(name) for name in KEPT}

    def quiet(self, newest: Age, now: float) -> float:
        """For how many seconds no row was written, as far as its clock and ours can tell."""
        return max(newest.seconds or 0.0, now - self.looked_at if self._has_stopped(newest) else 0.0)

    def is_certain(self, newest: Age, now: float, after: float) -> bool:
        """Whether not a row was written since we last saw a new one, and that for so many seconds."""
        return self._has_stopped(newest) and self.quiet(newest, now) >= after

    def seen_at(self, newest: Age, now: float) -> float:
        """When the newest row was first seen."""
        return self.looked_at if self._has_stopped(newest) else now

    def last_alert(self, api: int) -> int | None:
        """The newest alarm transition that was read, where this API numbers them as the one that was read by."""
        known: int | None = self.facts.get("netdata_alert_id")
        return known if (self.facts.get("netdata_api") == 3) == (api == 3) else None

    def is_stale(self, newest: Age, now: float, limit: float) -> bool:
        """Older than a live agent's data can be, unless it goes on in step with time: its clock may be wrong."""
        updated: float | None = self.facts.get("last_updated")
        if updated is None:
            return newest.seconds is not None and abs(newest.seconds) > limit  # one from the future dates nothing
        went_on, elapsed = newest.updated_at - updated, now - self.looked_at
        if newest.seconds is None or newest.seconds <= limit:
            return went_on <= 0 and elapsed > limit  # a clock that is ahead makes a dead server's data look fresh
        return went_on <= 0 or went_on < elapsed - limit / 3

    @property
    def looked_at(self) -> float:
        """When the newest known row was first seen."""
        return float(self.facts.get("looked_at") or 0.0)

    def _has_stopped(self, newest: Age) -> bool:
        updated: float | None = self.facts.get("last_updated")
        return updated is not None and newest.updated_at <= updated


def recall(previous: Observation | None) -> Memory:
    """What the last observation left."""
    return Memory() if previous is None else Memory(previous.facts, previous.status == "ok")


@dataclass(frozen=True, slots=True)
class Look:
    """One look: what is looked at, when, and what the last one left."""

    config: Mapping[str, Any]
    now: float
    before: Memory

    @property
    def guid(self) -> str | None:
        """The server's GUID at its parent; None for an agent that is asked itself."""
        guid = self.config.get("machine_guid")
        return str(guid).lower() if guid else None

    def nothing(self, status: Status, message: str, streaming: str, **seen: Any) -> Observation:
        """A look that found no numbers; `seen` is what the next one should know besides what this one knew."""
        since = None if self.before.was_ok else self.before.facts.get("missing_since")
        facts = {**unreachable(self.now), **self.before.kept(), "streaming_status": streaming, **seen}
        return Observation(status, {}, message, {**facts, "missing_since": since or self.now})

    def unknown(self, message: str, streaming: str = "error", **seen: Any) -> Observation:
        """Nobody could tell."""
        return self.nothing("unknown", message, streaming, **seen)
