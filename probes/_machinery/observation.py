"""An observation: what a probe concluded about its subject, at a moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "warning", "critical", "unknown"]

EXIT_CODES: Mapping[str, int] = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}
"""The monitoring-plugins convention, which `vedette probe` keeps."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A probe's conclusion. A failing target is an observation; `unknown` means the probe could not tell.

    values   metric name → number in the unit its name says (`_percent`, `_seconds`, `_bytes`, `_rate` in bytes/s),
             None where it could not be had (never 0 for unknown)
    message  one line a person reads at night; no secret
    facts    the kind's own record, JSON: what the API shows and what the next look compares with (`previous`)
    subject, at, duration are stamped by whoever drove the probe: "check/website", epoch seconds (UTC), seconds
    """

    status: Status
    values: Mapping[str, float | None] = field(default_factory=dict)
    message: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    subject: str = ""
    at: float = 0.0
    duration: float = 0.0


def stamped(seen: Observation, subject: str, at: float) -> Observation:
    """The observation of `subject` at `at`. Every look ends here: `replace` would take five times as long."""
    return Observation(seen.status, seen.values, seen.message, seen.facts, subject, at, seen.duration)


def timed(seen: Observation, _key: object, duration: float) -> Observation:
    """The observation, which took so many seconds to make."""
    return Observation(seen.status, seen.values, seen.message, seen.facts, seen.subject, seen.at, duration)
