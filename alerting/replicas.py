"""A replica as the API and the log tell of it: how it is, whether that is news, its lag going past a limit. Pure."""

from collections.abc import Mapping
from math import log2
from typing import Any

from probes import Observation
from probes._machinery import times

_NOTABLE_BYTES = 1_048_576
_NOTABLE_SECONDS = 5.0
_LEVELS = ("ok", "warning", "critical")


def health(observation: Observation) -> dict[str, Any]:
    """status (online, lagging, offline, error), lag_bytes, lag_seconds, error_message, last_check.

    What nobody could tell is an error without numbers, whatever the look before had found.
    """
    facts = observation.facts
    last_check = facts.get("last_check") or times.rfc3339(observation.at)
    if observation.status == "unknown" and (facts.get("status") != "error" or not facts.get("error_message")):
        return _error(observation.message, last_check)
    shown = ("status", "lag_bytes", "lag_seconds", "error_message")
    return {**{name: facts.get(name) for name in shown}, "last_check": last_check}


def unseen(why: str, last_check: str | None) -> dict[str, Any]:
    """The same of a replica that nobody has looked at, or not for long."""
    return _error(why, last_check)


def standing(facts: Mapping[str, Any]) -> tuple[Any, ...]:
    """What must change for a look to be news: how it is, which limit it is past, or its lag by half or double."""
    return (
        facts.get("status"),
        facts.get("over"),
        _degree(facts.get("lag_bytes"), _NOTABLE_BYTES),
        _degree(facts.get("lag_seconds"), _NOTABLE_SECONDS),
    )


def lag_alert(name: str, facts: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any] | None:
    """The data of `replica.lag_alert` where the lag has gone past a limit that it was not past before."""
    over = facts.get("over", "ok")
    if _LEVELS.index(over) <= _LEVELS.index(before.get("over", "ok")):
        return None
    return {
        "environment_id": name,
        "severity": over,
        "lag_bytes": facts.get("lag_bytes"),
        "lag_seconds": facts.get("lag_seconds"),
        "threshold_bytes": facts["thresholds"][f"{over}_bytes"],
        "threshold_seconds": facts["thresholds"][f"{over}_seconds"],
    }


def _degree(value: float | None, notable: float) -> int | None:
    return None if value is None else 0 if value < notable else 1 + int(log2(value / notable))


def _error(why: str, last_check: str | None) -> dict[str, Any]:
    numbers = {"lag_bytes": None, "lag_seconds": None}
    return {"status": "error", **numbers, "error_message": why, "last_check": last_check}
