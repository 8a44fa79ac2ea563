"""Heartbeats: pings are stored and judged as they come, and deadlines when they have come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from alerting import own, pipeline
from alerting.config import Config, Watch
from alerting.store import heartbeats, settings_table, subjects
from alerting.store.database import reading, taking_turns, transaction
from alerting.store.heartbeats import Kept
from probes import Observation
from probes._machinery import pings
from probes._machinery.observation import stamped
from probes._machinery.pings import Memory, Ping
from probes.heartbeat import judge, next_look

RECEIVING = "receiving"
"""{"since", "at"}: from when on pings could arrive without a break, and when a web process last said so."""

_SAY_EVERY = 10.0  # seconds between two such notes
_AWAY_AFTER = 30.0  # seconds without one after which pings may have been lost
_SILENT_AFTER = 120.0  # seconds without one after which somebody is told


def declared(config: Config) -> list[Watch]:
    """The heartbeats of a configuration."""
    return [watch for watch in config.watches if not watch.is_probed]


def receive(config: Config, watch: Watch, ping: Ping, log: str, log_bytes: int) -> None:
    """Store a ping with its log and judge what it tells, all or nothing."""
    with taking_turns():
        memory = pings.remember(watch.config, _memory(watch, _own([watch]), ping.at), ping)
        ended = memory.last if ping.kind != "start" else None
        heartbeats.add_ping(watch.subject, ping, ended.run_seconds if ended else None, log, log_bytes)
        whole = _whole(watch, memory, receiving_since(ping.at) or 0.0)
        heartbeats.put([(watch, memory, next_look(whole, ping.at))])
        if ended is not None:  # that a run began says nothing about how the last one ended
            pipeline.ingest(config, [stamped(judge(whole, ping.at), watch.subject, ping.at)], ping.at)


def judge_due(config: Config, now: float) -> int:
    """Judge those whose deadline has come. How many were missed.

    Where just now no ping can arrive nothing is judged: that must not be a job's fault.
    """
    with reading():
        known = [config.watch_of[name] for name in heartbeats.due(now) if name in config.watch_of]
        since = receiving_since(now) if known else None
    if since is None:
        return 0
    with taking_turns():
        kept = _own(known)
        looks = [_look(watch, kept[watch.subject].memory, since, now) for watch in known if watch.subject in kept]
        heartbeats.put([(one.watch, one.memory, next_look(one.whole, now)) for one in looks])
        missed = [one.seen for one in looks if one.is_missed]
        pipeline.ingest(config, missed, now)
    return len(missed)


def adopt(config: Config, now: float) -> None:
    """Take a configuration as it is now: begin to wait for what is new, forget what is gone, look anew at the rest."""
    watches = declared(config)
    with taking_turns():
        heartbeats.forget_all_but([watch.subject for watch in watches])
        kept, states = _own(watches), subjects.states([watch.subject for watch in watches])
        since = receiving_since(now)
        looks = [_look(watch, _memory(watch, kept, now), since, now) for watch in watches]
        heartbeats.put([(one.watch, one.memory, _due_at(one, kept, now)) for one in looks])
        # What has not changed is not news: a failure must not count twice because a file was edited.
        news = [one.seen for one in looks if one.seen.status not in ("unknown", _status_of(states, one.watch))]
        pipeline.ingest(config, news, now)


def look(watches: Sequence[Watch], now: float) -> list[Observation]:
    """How these are at `now`, without storing anything."""
    with reading():
        kept, since = _kept(watches), receiving_since(now)
        return [_look(watch, _memory(watch, kept, now), since, now).seen for watch in watches]


def note_receiving(config: Config, now: float) -> None:
    """Note that pings can arrive now: said again and again by every web process, while our own network works."""
    with reading():
        last = settings_table.get(RECEIVING)
        if last is not None and 0 <= now - last["at"] < _SAY_EVERY:
            return
        if own.is_open(config, own.NETWORK, now):
            return
    goes_on = last is not None and _is_fresh(last, now)
    with transaction():
        settings_table.put(RECEIVING, {"since": last["since"] if goes_on else now, "at": now})


def receiving_since(now: float) -> float | None:
    """Since when pings can arrive without a break; None where just now none can."""
    last = settings_table.get(RECEIVING)
    return float(last["since"]) if last is not None and _is_fresh(last, now) else None


def deafness(config: Config, now: float, acting_since: float) -> str | None:
    """What is wrong where heartbeats are declared and no ping has been able to arrive for two minutes; else None."""
    if not declared(config):
        return None
    with reading():
        last = settings_table.get(RECEIVING) or {}
        if own.is_open(config, own.NETWORK, now):
            return None
    if now - max(float(last.get("at", 0.0)), acting_since) < _SILENT_AFTER:
        return None
    return "No web process takes pings: heartbeats are not judged until one runs again. Start the `web` process."


def prune(now: float) -> None:
    """Let go of pings that are too old."""
    with transaction():
        heartbeats.prune(now - heartbeats.PINGS_KEPT)


def _is_fresh(last: Mapping[str, Any], now: float) -> bool:
    return abs(now - float(last["at"])) <= _AWAY_AFTER


def _kept(watches: Sequence[Watch]) -> dict[str, Kept]:
    return heartbeats.kept([watch.subject for watch in watches]) if watches else {}


def _own(watches: Sequence[Watch]) -> dict[str, Kept]:
    """What is kept of these. Another organization's of the same name is let go of, its logs first of all."""
    kept, owner = _kept(watches), {watch.subject: watch.organization for watch in watches}
    heartbeats.forget([subject for subject, found in kept.items() if found.organization != owner[subject]])
    return {subject: found for subject, found in kept.items() if found.organization == owner[subject]}


def _memory(watch: Watch, kept: Mapping[str, Kept], now: float) -> Memory:
    """What is remembered of it; it begins anew where there is nothing, or another organization's of the same name."""
    found = kept.get(watch.subject)
    return found.memory if found is not None and found.organization == watch.organization else pings.fresh(now)


def _whole(watch: Watch, memory: Memory, since: float | None) -> dict[str, Any]:
    """The probe's configuration, complete."""
    return {**watch.config, "memory": pings.to_json(memory), "receiving_since": since}


@dataclass(frozen=True, slots=True)
class _Look:
    """A verdict, and the memory of it: what was judged missing once is not excused by a later absence of ours."""

    watch: Watch
    memory: Memory
    seen: Observation
    whole: Mapping[str, Any]

    @property
    def is_missed(self) -> bool:
        return self.seen.facts["status"] in ("missed", "overrun")


def _look(watch: Watch, memory: Memory, since: float | None, now: float) -> _Look:
    whole = _whole(watch, memory, since)
    one = _Look(watch, memory, stamped(judge(whole, now), watch.subject, now), whole)
    if not one.is_missed or memory.missed_at is not None:
        return one
    known = replace(memory, missed_at=now)
    return replace(one, memory=known, whole=_whole(watch, known, since))


def _due_at(one: _Look, kept: Mapping[str, Kept], now: float) -> float:
    """When to look next. While no ping can arrive, a deadline that has come stays, to be looked at when one can."""
    if one.whole["receiving_since"] is not None:
        return next_look(one.whole, now)
    due_at = next_look({**one.whole, "receiving_since": 0.0}, now)
    found = kept.get(one.watch.subject)
    return due_at if found is None else min(due_at, found.due_at)


def _status_of(states: Mapping[str, subjects.State], watch: Watch) -> str | None:
    found = states.get(watch.subject)
    return None if found is None or found.organization != watch.organization else found.observation.status
