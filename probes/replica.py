"""Kind `replica`: a streaming standby of PostgreSQL, judged from its primary."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from probes._machinery.checking import dsn_faults
from probes._machinery.observation import Observation, Status
from probes._machinery.requests import Reply, Request, Sleep, SqlQuery, SqlReply
from probes._machinery.sql_errors import REMEDIES
from probes._machinery.standby import (
    MIB,
    QUERY,
    STANDBY_QUERY,
    Slot,
    Standby,
    View,
    furthest_behind,
    remembered,
    seconds_behind,
    view,
)
from probes._machinery.times import rfc3339, seconds
from schemas import Fault

_DEFAULT_TIMEOUT = 10.0
_DEFAULT_THRESHOLDS: Mapping[str, float] = {
    "warning_bytes": 50 * MIB,
    "warning_seconds": 15,
    "critical_bytes": 100 * MIB,
    "critical_seconds": 30,
}
# A standby reports at least each 10 s (wal_receiver_status_interval), so silence over more than that is a stall.
_SILENCE = 11.0
_BETWEEN_LOOKS = 12.0

Health = Literal["online", "lagging", "offline", "error"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A look's conclusion: the replica's health as the API names it, the check's status, and why."""

    health: Health
    status: Status
    message: str
    lag_bytes: int | None = None
    lag_seconds: float | None = None
    held: bool = False


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """Ok while online, warning or critical for lag, critical when offline or stalled, unknown when it could not ask.

    values: lag_bytes, lag_seconds; status 2 where it could not ask, so that rules of status count it as critical
    facts: status online|lagging|offline|error, lag_bytes, lag_seconds, error_message, last_check, application_name,
    thresholds, and for the next look checked_at, reply_times, history, held
    """
    before = previous.facts if previous is not None else {}
    reply = yield _question(config)
    assert isinstance(reply, SqlReply)
    if reply.error is not None:
        return _observation(config, now, before, _could_not_ask(reply))
    seen = view(reply.rows)
    verdict = _verdict(config, seen, now, before)
    if _wants_second_look(config, seen, verdict, now, before):
        before, now = _facts(config, seen, now, before, verdict), now + _BETWEEN_LOOKS
        yield Sleep(_BETWEEN_LOOKS)
        reply = yield _question(config)
        assert isinstance(reply, SqlReply)
        if reply.error is not None:
            return _observation(config, now, before, _could_not_ask(reply))
        seen = view(reply.rows)
        verdict = _verdict(config, seen, now, before)
    if verdict.health == "offline" and not seen.standbys and "standby_dsn" in config:
        reply = yield SqlQuery(config["standby_dsn"], STANDBY_QUERY, timeout=_timeout(config))
        assert isinstance(reply, SqlReply)
        verdict = _with_the_standbys_word(verdict, reply)
    return _observation(config, now, before, verdict, seen)


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say."""
    found = dsn_faults("/dsn", config["dsn"])
    if "standby_dsn" in config:
        found += dsn_faults("/standby_dsn", config["standby_dsn"])
    return found


def _question(config: Mapping[str, Any]) -> SqlQuery:
    parameters = (config["application_name"], config.get("slot_name"))
    return SqlQuery(config["dsn"], QUERY, parameters, _timeout(config))


def _timeout(config: Mapping[str, Any]) -> float:
    return seconds(config.get("timeout", _DEFAULT_TIMEOUT))


def _could_not_ask(reply: SqlReply) -> Verdict:
    remedy = REMEDIES.get(reply.error_class or "")
    return Verdict("error", "unknown", f"could not ask the primary: {reply.error}" + (f" ({remedy})" if remedy else ""))


def _verdict(config: Mapping[str, Any], seen: View, now: float, before: Mapping[str, Any]) -> Verdict:
    """The first of these that holds: not a primary, hidden, absent, stalled, no standby at all, catching up, lag."""
    name = config["application_name"]
    if seen.in_recovery:
        return Verdict(
            "error", "unknown", "the server asked is in recovery, not a primary; point the DSN at the primary"
        )
    if any(one.state is None for one in seen.standbys) or (seen.standbys and not seen.can_see):
        return Verdict("error", "unknown", "the monitoring role may not see replication; run: GRANT pg_monitor TO it")
    if not seen.standbys:
        return Verdict("offline", "critical", _absence(name, seen.slot))
    silent = [one for one in seen.standbys if _is_silent(one, now, before)]
    furthest = furthest_behind(silent or seen.standbys)
    behind = seconds_behind(furthest, seen.lsn, before.get("history", ()), now)
    if silent:
        message = f"stalled: {name!r} is connected but has given no sign of life for {now - before['checked_at']:.0f} s"
        waiting = "; commits on the primary wait for it" if any(one.commits_wait for one in silent) else ""
        return Verdict("offline", "critical", message + waiting, furthest.replay_bytes, behind)
    if furthest.replay_bytes is None and not furthest.catches_up and furthest.reply_time is not None:
        return Verdict("error", "unknown", f"what is connected as {name!r} replays nothing: it is no standby")
    return _lag(config, furthest, behind, before)


def _is_silent(standby: Standby, now: float, before: Mapping[str, Any]) -> bool:
    """Its last report is the very one of the look before, long enough ago. Compared only, so no clock can mislead."""
    looked_at = before.get("checked_at")
    if looked_at is None or now - looked_at < _SILENCE or standby.reply_time is None:
        return False
    return bool(before.get("reply_times", {}).get(str(standby.pid)) == standby.reply_time)


def _lag(config: Mapping[str, Any], standby: Standby, behind: float | None, before: Mapping[str, Any]) -> Verdict:
    limits, lag = _thresholds(config), standby.replay_bytes
    over = [level for level in ("critical", "warning") if _beyond(level, limits, lag, behind)]
    said = f"{_bytes(lag)} behind" + ("" if behind is None else f", {behind:.0f} s")
    if standby.catches_up:
        level: Status = "critical" if "critical" in over else "warning"
        return Verdict("lagging", level, f"catching up after an interruption: {said}{_pace(lag, before)}", lag, behind)
    if not over:
        return _online(standby, said, behind)
    if before.get("status") == "online" and not before.get("held"):
        return Verdict("online", "ok", f"{said}; held until the next look finds the same", lag, behind, held=True)
    limit = f"over {_bytes(limits[f'{over[0]}_bytes'])} or {limits[f'{over[0]}_seconds']:g} s"
    return Verdict("lagging", "critical" if over[0] == "critical" else "warning", f"{said} ({limit})", lag, behind)


def _online(standby: Standby, said: str, behind: float | None) -> Verdict:
    if standby.wal_status in ("unreserved", "lost"):
        message = f"{said}, but its slot may lose the WAL it needs (wal_status {standby.wal_status})"
        return Verdict("online", "warning", message, standby.replay_bytes, behind)
    return Verdict("online", "ok", f"online, {said}", standby.replay_bytes, behind)


def _thresholds(config: Mapping[str, Any]) -> dict[str, float]:
    return {**_DEFAULT_THRESHOLDS, **config.get("thresholds", {})}


def _beyond(level: str, limits: Mapping[str, float], lag: int | None, behind: float | None) -> bool:
    over_bytes = lag is not None and lag > limits[f"{level}_bytes"]
    return over_bytes or (behind is not None and behind > limits[f"{level}_seconds"])


def _pace(lag: int | None, before: Mapping[str, Any]) -> str:
    was = before.get("lag_bytes")
    if lag is None or was is None or before.get("status") != "lagging":
        return ""
    return f", {_bytes(was)} at the look before"


def _absence(name: str, slot: Slot | None) -> str:
    message = f"no standby is connected as {name!r}"
    if slot is None:
        return message
    if slot.wal_status == "lost":
        return f"{message}, and its slot {slot.name!r} is lost: it must be rebuilt"
    kept = "" if slot.retained_bytes is None else f"; its slot {slot.name!r} keeps {_bytes(slot.retained_bytes)} of WAL"
    left = "" if slot.safe_wal_size is None else f", {_bytes(slot.safe_wal_size)} more until it is lost"
    return message + kept + left


def _wants_second_look(
    config: Mapping[str, Any], seen: View, verdict: Verdict, now: float, before: Mapping[str, Any]
) -> bool:
    """Without an earlier look old enough to compare with, what looks odd is looked at twice."""
    looked_at = before.get("checked_at")
    if verdict.health in ("offline", "error") or (looked_at is not None and now - looked_at >= _SILENCE):
        return False
    silent = any(one.reply_age is not None and not -2 <= one.reply_age <= _SILENCE for one in seen.standbys)
    return silent or (looked_at is None and (verdict.health == "lagging" or verdict.held))


def _with_the_standbys_word(verdict: Verdict, reply: SqlReply) -> Verdict:
    if reply.error is not None:
        return Verdict("offline", "critical", f"{verdict.message}; the standby itself: {reply.error}")
    if reply.rows[0]["in_recovery"]:
        return Verdict("offline", "critical", f"{verdict.message}; the standby itself answers, in recovery")
    return Verdict("offline", "critical", f"promoted: two primaries; {verdict.message}")


def _observation(
    config: Mapping[str, Any], now: float, before: Mapping[str, Any], verdict: Verdict, seen: View | None = None
) -> Observation:
    values: dict[str, float | None] = {"lag_bytes": verdict.lag_bytes, "lag_seconds": verdict.lag_seconds}
    if verdict.health == "error":  # a replica that cannot be asked about is told as one in trouble, not passed over
        values["status"] = 2.0
    return Observation(verdict.status, values, verdict.message, _facts(config, seen, now, before, verdict))


def _facts(
    config: Mapping[str, Any], seen: View | None, now: float, before: Mapping[str, Any], verdict: Verdict
) -> dict[str, Any]:
    """Replica health as the API shows it, and what the next look compares with, kept over looks that failed."""
    facts = {
        "status": verdict.health,
        "lag_bytes": verdict.lag_bytes,
        "lag_seconds": verdict.lag_seconds,
        "error_message": None if verdict.status == "ok" else verdict.message,
        "last_check": rfc3339(now),
        "application_name": config["application_name"],
        "thresholds": _thresholds(config),
        "held": verdict.held,
    }
    if seen is None or seen.in_recovery:
        return (
            facts
            | {name: before.get(name) for name in ("checked_at", "reply_times") if name in before}
            | {"history": before.get("history", [])}
        )
    return facts | {
        "checked_at": now,
        "reply_times": {str(one.pid): one.reply_time for one in seen.standbys},
        "history": remembered(before.get("history", []), seen.lsn, now),
    }


def _bytes(count: float | None) -> str:
    if count is None:
        return "an unknown number of bytes"
    return f"{count / MIB:.1f} MB" if count >= MIB / 10 else f"{count:.0f} bytes"
