"""What a look at a standby keeps for the next: since when it has been silent, and where the primary was when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from probes._machinery.standby import MIB, Standby, View

Level = Literal["ok", "warning", "critical"]
LEVELS: tuple[Level, ...] = ("ok", "warning", "critical")

History = Sequence[tuple[float, int]]
"""(epoch seconds, the primary's position in bytes) of earlier looks, oldest first."""

_MOST_KEPT = 60
_TRUSTED_ABOVE = MIB  # bytes behind from which PostgreSQL's own replay_lag is a measurement and no left-over


@dataclass(frozen=True, slots=True)
class Memory:
    """The looks before, as far as the next must know them.

    at      when the last look that saw anything was, epoch seconds; None: there was none
    heard   connection → (the time of its last report by its own clock, when that was first seen)
    level   how bad that look was, before anything was held back; None where there was none
    behind  bytes the furthest standby then lacked
    known   whether a standby of that name was ever seen
    idle    the slots nobody used then
    slot    the one the standby used when it was last seen
    system  the cluster all that was seen in
    ages    connection → how old its last report was when first seen, by the two servers' clocks
    """

    at: float | None = None
    heard: Mapping[str, tuple[float | None, float]] = field(default_factory=dict)
    history: History = ()
    level: Level | None = None
    behind: int | None = None
    known: bool = False
    idle: tuple[str, ...] = ()
    slot: str | None = None
    system: str | None = None
    ages: Mapping[str, float | None] = field(default_factory=dict)


def recalled(facts: Mapping[str, Any]) -> Memory:
    """The memory in an observation's facts; an empty one where they hold none of this form."""
    kept = facts.get("memory")
    if not isinstance(kept, Mapping):
        return Memory()
    return Memory(
        at=kept["at"],
        heard={key: (report, since) for key, (report, since) in kept["heard"].items()},
        history=tuple((at, lsn) for at, lsn in kept["history"]),
        level=kept["level"],
        behind=kept["behind"],
        known=kept["known"],
        idle=tuple(kept["idle"]),
        slot=kept.get("slot"),
        system=kept.get("system"),
        ages=dict(kept.get("ages") or {}),
    )


def written(memory: Memory) -> dict[str, Any]:
    """The memory as facts keep it: JSON."""
    return {
        "at": memory.at,
        "heard": {key: list(report) for key, report in memory.heard.items()},
        "history": [list(each) for each in memory.history],
        "level": memory.level,
        "behind": memory.behind,
        "known": memory.known,
        "idle": list(memory.idle),
        "slot": memory.slot,
        "system": memory.system,
        "ages": dict(memory.ages),
    }


def renewed(before: Memory, seen: View, level: Level, behind: int | None, now: float) -> Memory:
    """The memory with this look added."""
    return Memory(
        at=now,
        heard=heard(before, seen.standbys, now),
        history=remembered(before.history, seen.lsn, now),
        level=level,
        behind=behind,
        known=before.known or bool(seen.standbys),
        idle=tuple(slot.name for slot in seen.slots if not slot.active),
        slot=next((one.slot for one in seen.standbys if one.slot), before.slot),
        system=seen.system,
        ages={one.key: before.ages.get(one.key) if _is_old(before, one) else one.reply_age for one in seen.standbys},
    )


def held_to(before: Memory, seen: View) -> Memory:
    """The memory as far as it goes for the server seen: positions of another cluster say nothing of this one's."""
    return before if before.system in (None, seen.system) else replace(before, history=(), behind=None, level=None)


def heard(before: Memory, standbys: Sequence[Standby], now: float) -> dict[str, tuple[float | None, float]]:
    """Connection → (its last report, when that very report was first seen). Compared only: no clock can mislead.

    Our own that was set back neither: what was seen in its future is seen now.
    """
    return {
        one.key: (one.reply_time, min(before.heard[one.key][1], now) if _is_old(before, one) else now)
        for one in standbys
    }


def _is_old(before: Memory, one: Standby) -> bool:
    """Whether its last report was there at the last look already."""
    last = before.heard.get(one.key)
    return last is not None and last[0] == one.reply_time


def seconds_behind(standby: Standby, lsn: int, history: History, reported: float) -> float | None:
    """How old the data it has replayed was when it `reported`, in seconds; None where nothing tells.

    Kept positions of the primary bound it without the standby's clock: what it has not replayed had been written at
    the first look that found the primary past it, and not yet at the last that did not. PostgreSQL's own replay_lag is
    believed within those bounds, and only from a standby well behind: it outlives what it measured.
    """
    if standby.replay_bytes is None:
        return None
    if standby.replay_bytes == 0:
        return 0.0
    replayed = lsn - standby.replay_bytes
    earlier = [at for at, position in history if position <= replayed]
    later = [at for at, position in history if position > replayed]
    least = max(0.0, reported - later[0]) if later else 0.0 if history else None
    most = max(0.0, reported - earlier[-1]) if earlier else None
    if standby.replay_bytes <= _TRUSTED_ABOVE or standby.replay_lag is None:
        return least
    said = max(least or 0.0, standby.replay_lag)
    return said if most is None else min(most, said)


def remembered(history: History, lsn: int, now: float) -> History:
    """The history with this look added, its older half thinned out when it grows long, so that it reaches far back.

    Positions after this one belong to another life of the server.
    """
    kept = [(at, position) for at, position in history if position <= lsn and at < now]
    if len(kept) >= _MOST_KEPT:
        half = _MOST_KEPT // 2
        kept = [*kept[:half:2], *kept[half:]]
    return (*kept, (now, lsn))


def worse(one: Level, other: Level) -> Level:
    return max(one, other, key=LEVELS.index)


def milder(one: Level, other: Level) -> Level:
    return min(one, other, key=LEVELS.index)
