"""Kind `heartbeat`: a job that pings when it has run, judged by what is remembered of its pings."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from probes._machinery import pings, turns
from probes._machinery.observation import Observation, Status
from probes._machinery.pings import End, Memory
from probes._machinery.requests import Reply, Request
from probes._machinery.times import clock, rfc3339, seconds, spoken
from schemas import Fault

_LONGEST = 366 * 86_400.0
_LEAST_PERIOD = 1.0  # second: deadlines are looked at no oftener
_SAID = 200  # characters of a run's own words that a message repeats
_NEVER = float("inf")
_BAD = ("missed", "overrun", "failed")
_UNSEEN = (
    "a heartbeat is judged by the pings it got: declare it as [heartbeats.<name>] and run `vedette check run <name>`"
)


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """critical: a ping is missed, a run told its failure, or one that began does not end. unknown: never pinged yet.

    values: run_seconds exit_status, of the last run while nothing is missed; None where it did not tell them
    facts: status (new up running late | missed overrun failed), last_ping_at next_expected_at deadline_at started_at
    last_run_seconds exit_status source said
    """
    yield from ()
    if "memory" not in config:
        return Observation("unknown", {}, _UNSEEN, {"status": "new"})
    return judge(config, now)


def faults(config: Mapping[str, Any]) -> Iterator[Fault]:
    """What its schema cannot say: spans without reason, a cron line that never comes round, a zone nobody knows."""
    for key in ("period", "grace", "max_runtime"):
        if key in config and seconds(config[key]) > _LONGEST:
            yield Fault(f"/{key}", "expected a year at most")
    if "period" in config and seconds(config["period"]) < _LEAST_PERIOD:
        yield Fault("/period", f"expected at least {_LEAST_PERIOD:g} s between two pings")
    zone = turns.zone_fault(config["timezone"]) if "timezone" in config else None
    if zone:
        yield Fault("/timezone", zone)
    line = turns.cron_fault(config["cron"]) if "cron" in config else None
    if line:
        yield Fault("/cron", line)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is expected of a heartbeat, as seen at a moment. Epoch seconds.

    due       its next turn
    deadline  when that is missed: its grace later, or later still where we were away and may have lost the ping;
              infinite where just now none can arrive
    going     runs under way: when each began, and when that will have been too long ago
    stuck     when the runs began that took too long
    """

    due: float
    deadline: float
    going: Mapping[float, float]
    stuck: tuple[float, ...]

    @property
    def is_begun(self) -> bool:
        """Whether a run that began in time is under way: then its own limit counts."""
        return any(began <= self.deadline for began in self.going)


def judge(config: Mapping[str, Any], now: float) -> Observation:
    """The heartbeat as it is at `now`, by the memory in its configuration."""
    memory = pings.from_json(config["memory"])
    outlook = _outlook(config, memory, now)
    state = _state(memory, outlook, now)
    message = "; ".join(_sentences(config, memory, outlook, state))
    facts = _facts(config, memory, outlook, state, now)
    return Observation(_status(memory, outlook, state), _values(memory, state), message, facts)


def next_look(config: Mapping[str, Any], now: float) -> float:
    """When the verdict may next turn to the worse by itself: a deadline, or a run's limit. Epoch seconds."""
    memory = pings.from_json(config["memory"])
    outlook = _outlook(config, memory, now)
    if outlook.is_begun:
        return min(outlook.going.values())
    missed = outlook.deadline if now < outlook.deadline else turns.deadline_after(config, outlook.due, now)
    return min([missed, *outlook.going.values()])


def _outlook(config: Mapping[str, Any], memory: Memory, now: float) -> Outlook:
    due = turns.due_after_ping(config, memory.last.at) if memory.last else turns.due_after(config, memory.declared_at)
    allowed, since = turns.grace(config, due), _receiving_since(config, memory)
    excused = _NEVER if since is None else since + allowed
    limits = {began: max(began + pings.run_limit(config, began), excused) for began in memory.runs.values()}
    going = {began: limit for began, limit in limits.items() if now < limit}
    stuck = tuple(sorted(began for began in limits if began not in going))
    return Outlook(due, max(due + allowed, excused), going, stuck)


def _receiving_since(config: Mapping[str, Any], memory: Memory) -> float | None:
    """From when on a missing ping is the job's fault. What was judged before is not excused by a later absence."""
    since: float | None = 0.0 if memory.missed_at is not None else config.get("receiving_since", 0.0)
    return since


def _state(memory: Memory, outlook: Outlook, now: float) -> str:
    if outlook.stuck:
        return "overrun"
    if now >= outlook.deadline and not outlook.is_begun:
        return "missed"
    if memory.last is not None and memory.last.failed:
        return "failed"
    if outlook.going:
        return "running"
    if now >= outlook.due:
        return "late"
    return "new" if memory.last is None else "up"


def _status(memory: Memory, outlook: Outlook, state: str) -> Status:
    if state in _BAD:
        return "critical"
    is_deaf = state == "late" and outlook.deadline == _NEVER
    return "unknown" if memory.last is None or is_deaf else "ok"


def _values(memory: Memory, state: str) -> dict[str, float | None]:
    last = None if state in ("missed", "overrun") else memory.last
    return {
        "run_seconds": last.run_seconds if last else None,
        "exit_status": last.exit_status if last else None,
    }


def _facts(config: Mapping[str, Any], memory: Memory, outlook: Outlook, state: str, now: float) -> dict[str, Any]:
    last = memory.last
    expected = outlook.due if outlook.due > now else turns.due_after(config, now)
    if outlook.due <= now and "period" in config:
        expected = turns.deadline_after({**config, "grace": 0}, outlook.due, now)
    return {
        "status": state,
        "last_ping_at": _wire(memory.pinged_at),
        "next_expected_at": rfc3339(expected),
        "deadline_at": None if outlook.deadline == _NEVER else rfc3339(outlook.deadline),
        "started_at": _wire(min(memory.runs.values(), default=None)),
        "last_run_seconds": last.run_seconds if last else None,
        "exit_status": last.exit_status if last else None,
        "source": last.source if last else None,
        "said": last.said if last else None,
    }


def _wire(moment: float | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _sentences(config: Mapping[str, Any], memory: Memory, outlook: Outlook, state: str) -> Iterator[str]:
    """The message's parts: what is so, what was expected, and what the last run told."""
    zone = config.get("timezone", "UTC")
    due, last = clock(outlook.due, zone), memory.last
    if state == "failed" and last is not None:
        yield _told(last, zone)
        return
    if state == "overrun":
        began = outlook.stuck[0]
        limit = spoken(pings.run_limit(config, began))
        yield f"the run that began at {clock(began, zone)} has not ended within {limit}"
    elif state == "missed":
        yield f"no ping came by {clock(outlook.deadline, zone)}"
        yield f"it was due at {due}"
        yield from _absence(config, memory, outlook, zone)
    elif state == "running":
        yield f"running since {clock(min(outlook.going), zone)}"
    elif state == "late":
        yield f"the ping due at {due} has not come yet"
        deaf = "just now no web process runs that could take it"
        yield deaf if outlook.deadline == _NEVER else f"it has until {clock(outlook.deadline, zone)}"
    else:
        yield f"the {'next' if last else 'first'} ping is due at {due}"
    if last is not None:
        yield f"last ping: {_told(last, zone)}"
    else:
        yield "there was no ping yet" if memory.pinged_at is None else "no run has ended yet"


def _absence(config: Mapping[str, Any], memory: Memory, outlook: Outlook, zone: str) -> Iterator[str]:
    """That we were away when it was due, and may have lost it."""
    since = _receiving_since(config, memory)
    if since is not None and since > outlook.due - turns.grace(config, outlook.due):
        yield f"Vedette itself could not be reached until {clock(since, zone)}, so one may have been lost"


def _told(last: End, zone: str) -> str:
    """ "failed with exit status 3 at 21 Nov 03:04 CET, from 10.0.0.7, after 3 min 12 s: no space left on device"."""
    how = "failed" if last.failed else "success"
    status = f" with exit status {last.exit_status}" if last.failed and last.exit_status is not None else ""
    parts = [f"{how}{status} at {clock(last.at, zone)}", f"from {last.source}" if last.source else ""]
    parts.append(f"after {spoken(last.run_seconds)}" if last.run_seconds is not None else "")
    said = last.said if len(last.said) <= _SAID else last.said[: _SAID - 1] + "…"
    return ", ".join(part for part in parts if part) + (f": {said}" if said else "")
