"""How a standby is, concluded from what was seen of it: pure, in the order in which one trouble hides another."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from probes._machinery.observation import Status
from probes._machinery.standby import MIB, OLDEST, Slot, Standby, View
from probes._machinery.standby_memory import LEVELS, Level, Memory, heard, milder, seconds_behind, worse
from probes._machinery.standby_slots import left_behind, risks, slot_of
from probes._machinery.standby_words import distance, identifier, pace, size

DEFAULT_THRESHOLDS: Mapping[str, float] = {
    "warning_bytes": 50 * MIB,
    "warning_seconds": 15,
    "critical_bytes": 100 * MIB,
    "critical_seconds": 30,
}
BETWEEN_LOOKS = 12.0
"""Seconds between the two looks at what looks odd at first: longer than a standby's reports are apart."""

# A standby reports at least every 10 s (wal_receiver_status_interval). Where many looks follow closely, one of us or of
# them may be late by a little; two looks at once are only made where the standby's own clock hinted at it before.
_SILENCE = 15.0
_SILENCE_OF_TWO_LOOKS = 11.0
_UNHEARD = 2.0
_UNSET_NAME = re.compile(r"walreceiver|\d+/[\w-]+")  # PostgreSQL's default, and Debian's by cluster_name

Health = Literal["online", "lagging", "offline", "error"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A look's conclusion: the replica's health as the API names it, the check's status, and why.

    level  how bad this look was by itself; lag is told once two looks in a row found it
    over   the threshold that the lag told of is past
    ours   whether the trouble is this machine's and says nothing of the replica
    """

    health: Health
    status: Status
    message: str
    lag_bytes: int | None = None
    lag_seconds: float | None = None
    level: Level = "critical"
    over: Level = "ok"
    ours: bool = False


def judged(config: Mapping[str, Any], seen: View, now: float, before: Memory, second: bool = False) -> Verdict:
    """The first of these that holds: not asked right, hidden, absent, stalled, too few, lag; and what else is amiss.

    second: of two looks at once
    """
    verdict = _unfit(config, seen) or _absent(config, seen, before) or _stalled(config, seen, now, before, second)
    verdict = verdict or _too_few(config, seen) or _lag(config, seen, now, before)
    if verdict.health == "error":
        return verdict
    if verdict.health == "offline" and seen.commits_waiting:
        verdict = also(verdict, f"commits on the primary are blocked (wait_event SyncRep): {seen.commits_waiting}")
    for warning in _warnings(config, seen, before):
        verdict = also(verdict, warning, "warning")
    return verdict


def thresholds(config: Mapping[str, Any]) -> dict[str, float]:
    """The limits a lag is held to, the defaults where the configuration says nothing."""
    return {**DEFAULT_THRESHOLDS, **config.get("thresholds", {})}


def is_odd(verdict: Verdict, seen: View, before: Memory) -> bool:
    """Whether a look calls for a second one soon: silence may have begun lately, and a first look compares nothing."""
    is_first = before.at is None
    if verdict.health == "error":
        return is_first and any(one.reply_time is None for one in seen.strangers)  # it may only just have come
    if verdict.health == "offline":
        return False
    if any(_may_be_silent(one, before) for one in seen.standbys):
        return True
    return seen.commits_waiting > 0 or (is_first and verdict.level != "ok")


def also(verdict: Verdict, words: str, status: Status = "ok") -> Verdict:
    """The verdict with something added to it; one that was fine is not any more where `status` says so."""
    worst = status if verdict.status == "ok" else verdict.status
    return replace(verdict, message=f"{verdict.message}; {words}", status=worst)


def _unfit(config: Mapping[str, Any], seen: View) -> Verdict | None:
    """Why the server asked cannot tell how the standby is, if it cannot."""
    name = config["application_name"]
    if seen.version < OLDEST:
        return _error(f"needs PostgreSQL {OLDEST // 10000} or later; the server asked is {seen.version // 10000}")
    if any(one.state is None for one in (*seen.standbys, *seen.strangers)):
        return _error(f"the monitoring role may not see replication; run: GRANT pg_monitor TO {identifier(seen.role)}")
    if seen.in_recovery and not (seen.standbys or config.get("cascade")):
        return _error("the server asked is in recovery, not a primary; point the DSN at the primary")
    if seen.in_recovery and seen.receives != "streaming":
        words = "the server asked is a standby that receives nothing itself, so nobody can tell how far behind"
        return _error(f"{words} {name!r} is; look after that server first")
    if seen.strangers and not seen.standbys:
        logical = seen.strangers[0].sort == "logical"
        words = "is a logical subscription" if logical else "replays nothing (pg_receivewal?)"
        return _error(f"what is connected as {name!r} {words}: it is no standby")
    return None


def _absent(config: Mapping[str, Any], seen: View, before: Memory) -> Verdict | None:
    if seen.standbys:
        return None
    name = config["application_name"]
    slot = slot_of((), seen.slots, config.get("slot_name") or before.slot)
    nameless = _nameless(seen, slot, before)
    if nameless is not None:
        remedy = f"set application_name={name} in its primary_conninfo, or watch it by the name it has"
        return _error(f"no standby is connected as {name!r}, but one is as {nameless!r}: {remedy}")
    message = f"no standby is connected as {name!r}{left_behind(slot, seen.slots)}"
    if seen.others:
        message += f"; connected are: {', '.join(sorted({one.name for one in seen.others}))}"
    if seen.others and not before.known:
        message += "; if one of them is it, set application_name in its primary_conninfo"
    return Verdict("offline", "critical", message)


def _nameless(seen: View, slot: Slot | None, before: Memory) -> str | None:
    """The name under which the standby is there after all: it uses the slot it should, or never was given a name."""
    for other in seen.others:
        if slot is not None and other.slot == slot.name:
            return other.name
    unset = [one.name for one in seen.others if _UNSET_NAME.fullmatch(one.name)]
    return unset[0] if unset and not before.known else None


def _stalled(config: Mapping[str, Any], seen: View, now: float, before: Memory, second: bool) -> Verdict | None:
    """What gives no sign of life although it is connected: frozen, or its network cut."""
    longest = _SILENCE_OF_TWO_LOOKS if second else _SILENCE
    reports = heard(before, seen.standbys, now)
    silent = [one for one in seen.standbys if now - reports[one.key][1] >= longest]
    if not silent:
        return None
    furthest = max(silent, key=lambda one: one.replay_bytes or 0)
    behind = seconds_behind(furthest, seen.lsn, before.history, now)
    many = f"{len(silent)} of {len(seen.standbys)} " if len(seen.standbys) > 1 else ""
    silence, lag = now - reports[furthest.key][1], distance(furthest.replay_bytes, behind)
    message = (
        f"stalled: {many}{config['application_name']!r} is connected but has given no sign of life for {silence:.0f} s:"
        f" frozen, or its network cut; {lag}"
    )
    if not seen.commits_waiting and any(one.commits_wait for one in silent):
        message += "; commits on the primary wait for it"
    over = _over(thresholds(config), furthest.replay_bytes, behind)
    return Verdict("offline", "critical", message, furthest.replay_bytes, behind, over=over)


def _too_few(config: Mapping[str, Any], seen: View) -> Verdict | None:
    expected = config.get("expected", 1)
    if len(seen.standbys) >= expected:
        return None
    message = f"only {len(seen.standbys)} of {expected} standbys connected as {config['application_name']!r}"
    return Verdict("offline", "critical", message)


def _lag(config: Mapping[str, Any], seen: View, now: float, before: Memory) -> Verdict:
    limits, reports = thresholds(config), heard(before, seen.standbys, now)
    found = []
    for one in seen.standbys:
        behind = seconds_behind(one, seen.lsn, before.history, reports[one.key][1])
        over = _over(limits, one.replay_bytes, behind)
        level = worse(over, "warning") if one.catches_up else over
        found.append((LEVELS.index(level), one.replay_bytes or 0, one, behind))
    rank, _, standby, behind = max(found, key=lambda each: each[:2])
    return _told(standby, behind, LEVELS[rank], limits, now, before)


def _told(
    standby: Standby, behind: float | None, level: Level, limits: Mapping[str, float], now: float, before: Memory
) -> Verdict:
    """Lag counts as much as this look and the one before agree on."""
    lag = standby.replay_bytes
    said = distance(lag, behind)
    if standby.catches_up:
        said = f"catching up after an interruption: {said}{_pace(lag, now, before)}"
    elif level != "ok" and standby.holds_unreplayed:
        said += ", received but not replayed (replay paused, or held up by a query there)"
    told = level if before.level is None else milder(level, before.level)
    if level == "ok":
        return Verdict("online", "ok", f"online, {said}", lag, behind, level)
    if told == "ok":
        return Verdict("online", "ok", f"{said}; held until the next look finds the same", lag, behind, level)
    over = milder(told, _over(limits, lag, behind))
    limit = "" if over == "ok" else f" (over {size(limits[f'{over}_bytes'])} or {limits[f'{over}_seconds']:g} s)"
    return Verdict("lagging", "critical" if told == "critical" else "warning", said + limit, lag, behind, level, over)


def _pace(lag: int | None, now: float, before: Memory) -> str:
    if lag is None or before.behind is None or before.at is None or now <= before.at:
        return ""
    return pace(before.behind, lag, now - before.at)


def _over(limits: Mapping[str, float], lag: int | None, behind: float | None) -> Level:
    for level in ("critical", "warning"):
        over_bytes = lag is not None and lag > limits[f"{level}_bytes"]
        if over_bytes or (behind is not None and behind > limits[f"{level}_seconds"]):
            return level
    return "ok"


def _warnings(config: Mapping[str, Any], seen: View, before: Memory) -> Iterator[str]:
    expected, name = config.get("expected", 1), config["application_name"]
    if len(seen.standbys) > expected:
        yield f"{len(seen.standbys)} standbys are connected as {name!r}, expected {expected}: give each its own name"
    if config.get("cascade") and not seen.in_recovery:
        yield f"the intermediate asked is a primary (timeline {seen.timeline}): was it promoted?"
    yield from risks(seen, config.get("slot_name"), before)


def _may_be_silent(one: Standby, before: Memory) -> bool:
    """By its own clock, held to how wrong that was before, if it was: a reason to look twice, no more."""
    age, last = one.reply_age, before.ages.get(one.key)
    if age is None:
        return one.state == "streaming"
    if last is None and age < -_UNHEARD:
        return True
    if last is not None and not -_UNHEARD <= last <= _SILENCE_OF_TWO_LOOKS:
        age -= last
    return age > _SILENCE_OF_TWO_LOOKS or (age > _UNHEARD and (one.flush_bytes or 0) > MIB)


def _error(message: str) -> Verdict:
    return Verdict("error", "unknown", message)
