"""What the kinds that speak over sockets share when they conclude: whose trouble it was, what took how long."""

from collections.abc import Iterator, Mapping
from typing import Any

from probes._machinery.observation import Observation, Status
from probes._machinery.questions import Phases
from probes._machinery.times import seconds

# Troubles of this machine, of its configuration, or of what the check may do: nothing is known of the target.
_UNKNOWN = ("own", "resolver", "privilege", "denied", "config")
_DEFAULT_TIMEOUT = 10.0


def patience(config: Mapping[str, Any]) -> float:
    """The configured `timeout` in seconds, 10 where there is none."""
    return seconds(config.get("timeout", _DEFAULT_TIMEOUT))


def fruitless(message: str, error_class: str | None, values: Mapping[str, float | None]) -> Observation:
    """The observation where nothing could be looked at: critical, or unknown where the target has no part in that."""
    status: Status = "unknown" if error_class in _UNKNOWN else "critical"
    return Observation(status, values, message)


def judged(
    values: Mapping[str, float | None],
    failed: Iterator[str],
    doubts: Iterator[str],
    said: str,
    facts: Mapping[str, Any] | None = None,
) -> Observation:
    """Critical with what failed, else a warning with the doubts, else ok and `said`."""
    if message := "; ".join(failed):
        return Observation("critical", values, message, facts or {})
    if message := "; ".join(doubts):
        return Observation("warning", values, message, facts or {})
    return Observation("ok", values, said, facts or {})


def phase_values(phases: Phases) -> dict[str, float | None]:
    """dns_seconds connect_seconds tls_seconds, each phase alone; first_byte_seconds and total_seconds since the start.

    What was not reached is None.
    """
    resolved, connected, secured = phases.dns_seconds, phases.connect_seconds, phases.tls_seconds
    return {
        "dns_seconds": resolved,
        "connect_seconds": _between(resolved, connected),
        "tls_seconds": _between(connected, secured),
        "first_byte_seconds": phases.first_byte_seconds,
        "total_seconds": phases.total_seconds,
    }


def slow(config: Mapping[str, Any], took: float | None) -> Iterator[str]:
    """A sentence where it took longer than the configured `max_seconds`."""
    if "max_seconds" in config and took is not None and took > config["max_seconds"]:
        yield f"took {took:.3f} s, expected at most {config['max_seconds']:g} s"


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else max(0.0, end - begin)
