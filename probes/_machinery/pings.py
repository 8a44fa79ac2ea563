"""A heartbeat's pings, and what is remembered of them: enough to judge it at any later moment."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from probes._machinery import turns
from probes._machinery.times import seconds

Kind = Literal["start", "success", "failure"]

_MOST_RUNS = 20  # runs under way that are remembered: more of one job at once are no longer told apart


@dataclass(frozen=True, slots=True)
class Ping:
    """One ping: at its `start` a job began, else it ended. `source` is the address it came from; `said` its words.

    run  the caller's own id of this run, so that runs that overlap are told apart; "" where it gives none
    """

    at: float
    kind: Kind
    exit_status: int | None = None
    source: str | None = None
    run: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended. `run_seconds` is None where nobody told when it began."""

    at: float
    failed: bool
    exit_status: int | None
    source: str | None
    run: str
    said: str
    run_seconds: float | None


@dataclass(frozen=True, slots=True)
class Memory:
    """All that is remembered. Times are epoch seconds.

    declared_at  when the heartbeat was first known, which its first turn counts from
    pinged_at    the last ping of any kind
    last         the last run that ended
    runs         runs under way: their ids with when they began
    missed_at    when a ping was judged missing, or a run too long; None once a run has ended since
    """

    declared_at: float
    pinged_at: float | None
    last: End | None
    runs: Mapping[str, float]
    missed_at: float | None = None


def fresh(declared_at: float) -> Memory:
    """The memory of a heartbeat that was never pinged."""
    return Memory(declared_at, None, None, {})


def run_limit(config: Mapping[str, Any], began: float) -> float:
    """Seconds a run may take: `max_runtime`, else the grace."""
    if "max_runtime" in config:
        return seconds(config["max_runtime"])
    return turns.grace(config, turns.due_after(config, began))


def remember(config: Mapping[str, Any], memory: Memory, ping: Ping) -> Memory:
    """The memory after `ping`."""
    runs = dict(memory.runs)
    began = runs.pop(ping.run, None)
    if ping.kind == "start":
        newest = sorted({**runs, ping.run: ping.at}.items(), key=lambda run: run[1])[-_MOST_RUNS:]
        return replace(memory, pinged_at=ping.at, runs=dict(newest))
    # Who ran too long and never came back is forgiven by the next that ends, or it would be told for ever.
    going = {run: at for run, at in runs.items() if at + run_limit(config, at) > ping.at}
    end = End(
        ping.at, ping.kind == "failure", ping.exit_status, ping.source, ping.run, ping.said, _took(memory, ping, began)
    )
    return Memory(memory.declared_at, ping.at, end, going)


def _took(memory: Memory, ping: Ping, began: float | None) -> float | None:
    """Seconds the run took. One that is told twice, because the first answer was lost, took what it took."""
    if began is not None:
        return max(0.0, ping.at - began)
    last = memory.last
    return last.run_seconds if last is not None and ping.run and ping.run == last.run else None


def to_json(memory: Memory) -> dict[str, Any]:
    """The memory as the store keeps it and as a probe's configuration carries it."""
    return asdict(memory)


def from_json(kept: Mapping[str, Any]) -> Memory:
    """The memory that `to_json` wrote; all but `declared_at` may be missing."""
    last = kept.get("last")
    end = End(**last) if last else None
    return Memory(kept["declared_at"], kept.get("pinged_at"), end, dict(kept.get("runs", {})), kept.get("missed_at"))
