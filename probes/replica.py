"""Kind `replica`: a streaming standby of PostgreSQL, judged from the server it streams from, and by its own word."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from probes._machinery.checking import dsn_faults
from probes._machinery.observation import Observation
from probes._machinery.postgres_asking import Answer, asked, asked_itself
from probes._machinery.requests import Reply, Request, Sleep
from probes._machinery.ssh_login import login_faults
from probes._machinery.standby import OLDEST, QUERY, STANDBY_QUERY, View, view, word
from probes._machinery.standby_itself import with_its_word
from probes._machinery.standby_memory import Memory, held_to, recalled, renewed, written
from probes._machinery.standby_slots import slot_of
from probes._machinery.standby_verdict import (
    BETWEEN_LOOKS,
    Verdict,
    also,
    is_odd,
    judged,
    thresholds,
)
from probes._machinery.times import rfc3339, seconds
from schemas import Fault

_OVER_SSH = ("host_key", "private_key", "container", "user", "database", "host", "port")
_OURS = ("own", "resolver", "denied", "config")
_DEFAULT_TIMEOUT = 10.0
_USUAL_NAME = "replica"
_MOST_FOR_THE_STANDBY = 5.0  # it is asked besides: two looks and its word still end within the deadline of one


@dataclass(frozen=True, slots=True)
class _Look:
    """One look: when, what was seen (None: it could not be asked), what is concluded, what the next must know."""

    at: float
    seen: View | None
    verdict: Verdict
    memory: Memory


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """Ok while online, warning or critical for lag, critical when offline or stalled, unknown when it could not ask.

    values: lag_bytes, lag_seconds, slot_retained_bytes (the most any slot keeps), slot_safe_bytes (what the standby's
    own slot may still keep), standbys; status 2 where it could not be told, so that rules of status count it as
    critical, unless the trouble was this machine's
    facts: status online|lagging|offline|error, lag_bytes, lag_seconds, error_message, last_check, application_name,
    thresholds, over (the threshold the lag is past), and memory, for the next look
    """
    config = {"application_name": _USUAL_NAME, **config}
    before = recalled(previous.facts) if previous is not None else Memory()
    look = yield from _look(config, now, before)
    if look.seen is not None and is_odd(look.verdict, look.seen, before):
        yield Sleep(BETWEEN_LOOKS)
        look = yield from _look(config, now + BETWEEN_LOOKS, look.memory, second=True)
    if "standby_dsn" in config:
        look = replace(look, verdict=(yield from _with_its_word(config, look)))
    return _observation(config, look)


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say."""
    if ("dsn" in config) == ("ssh" in config):
        return [Fault("", "expected one of dsn (or a pool) and ssh")]
    found = [fault for key in ("dsn", "standby_dsn") if key in config for fault in dsn_faults(f"/{key}", config[key])]
    found += login_faults("/ssh", config["ssh"]) if "ssh" in config else _without_ssh(config)
    limits = thresholds(config)
    for unit in ("bytes", "seconds"):
        if limits[f"warning_{unit}"] > limits[f"critical_{unit}"]:
            found.append(Fault("/thresholds", f"warning_{unit} is over critical_{unit}; expected it below"))
    return found


def _without_ssh(config: Mapping[str, Any]) -> list[Fault]:
    return [Fault(f"/{key}", "this goes with ssh alone") for key in _OVER_SSH if key in config]


def _look(
    config: Mapping[str, Any], now: float, before: Memory, second: bool = False
) -> Generator[Request, Reply, _Look]:
    answer = yield from asked(config, QUERY, config["application_name"], _timeout(config))
    if answer.document is None:
        return _Look(now, None, _could_not_ask(answer), before)
    seen = view(answer.document)
    before = held_to(before, seen)
    verdict = judged(config, seen, now, before, second)
    if verdict.health == "error":
        return _Look(now, seen, verdict, before)
    return _Look(now, seen, verdict, renewed(before, seen, verdict.level, verdict.lag_bytes, now))


def _could_not_ask(answer: Answer) -> Verdict:
    """A primary that cannot be asked is its own trouble, or ours; then nothing is known of the replica."""
    if answer.error_class.removeprefix("ssh_") in _OURS:
        return Verdict("error", "unknown", f"could not ask: {answer.error}", ours=True)
    remedy = f" (needs PostgreSQL {OLDEST // 10000} or later)" if answer.error_class == "undefined" else ""
    return Verdict("error", "unknown", f"could not ask the primary: {answer.error}{remedy}")


def _with_its_word(config: Mapping[str, Any], look: _Look) -> Generator[Request, Reply, Verdict]:
    """The verdict with what the standby says; that it says nothing is no trouble of the primary's."""
    timeout = min(_MOST_FOR_THE_STANDBY, _timeout(config))
    answer = yield from asked_itself(config["standby_dsn"], STANDBY_QUERY, timeout)
    if answer.document is None:
        return also(look.verdict, f"the standby itself could not be asked: {answer.error}")
    said = word(answer.document)
    return with_its_word(look.verdict, look.seen, said)


def _timeout(config: Mapping[str, Any]) -> float:
    return seconds(config.get("timeout", _DEFAULT_TIMEOUT))


def _observation(config: Mapping[str, Any], look: _Look) -> Observation:
    verdict = look.verdict
    values: dict[str, float | None] = {"lag_bytes": verdict.lag_bytes, "lag_seconds": verdict.lag_seconds}
    if look.seen is not None and verdict.health != "error":
        values |= _slots(config, look.seen, look.memory) | {"standbys": len(look.seen.standbys)}
    if (
        verdict.health == "error" and not verdict.ours
    ):  # a replica that cannot be asked about is told as one in trouble, not passed over
        values["status"] = 2.0
    facts = {
        "status": verdict.health,
        "lag_bytes": verdict.lag_bytes,
        "lag_seconds": verdict.lag_seconds,
        "error_message": None if verdict.status == "ok" else verdict.message,
        "last_check": rfc3339(look.at),
        "application_name": config["application_name"],
        "thresholds": thresholds(config),
        "over": verdict.over,
        "memory": written(look.memory),
    }
    return Observation(verdict.status, values, verdict.message, facts)


def _slots(config: Mapping[str, Any], seen: View, memory: Memory) -> dict[str, float | None]:
    kept = [slot.retained_bytes for slot in seen.slots if slot.retained_bytes is not None]
    own = slot_of(seen.standbys, seen.slots, config.get("slot_name") or memory.slot)
    return {"slot_retained_bytes": max(kept, default=None), "slot_safe_bytes": own.safe_bytes if own else None}
