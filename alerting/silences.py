"""What is kept quiet, and until when: the alerts a silence matches, and when a maintenance window holds. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal

from alerting.config import Maintenance, Silence
from alerting.lifecycle import Alert
from alerting.phrasing import clip, moment
from probes._machinery.turns import due_after

FIELDS = (
    "severity",
    "alert_type",
    "organization",
    "project",
    "server",
    "environment",
    "subject",
    "fingerprint",
    "rule",
)
"""What a match may name of an alert; whatever else it names is a label."""

State = Literal["active", "scheduled", "expired"]

_REASON = 200  # characters of a reason that a line repeats
_MINUTE = 60.0

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of a week as a weekly window names them."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why an alert's triggers are not told now, and until when (epoch seconds): then it is asked again."""

    text: str
    until: float


def matches(match: Mapping[str, str], alert: Alert) -> bool:
    """Whether all patterns hold: of the alert's fields, and of its labels. An empty match holds for every alert."""
    return all(_holds(_value(alert, name), pattern) for name, pattern in match.items())


def window(maintenance: Maintenance, now: float) -> tuple[float, float] | None:
    """The (start, end) that holds now, in epoch seconds; where several overlap, the last to begin.

    A recurring one begins when clocks in its zone show its time, and lasts so many real seconds. A time that the clocks
    skip begins right after the gap; one they show twice begins at the first.
    """
    if (once := _once(maintenance)) is not None:
        return once if once[0] <= now < once[1] else None
    last = now if maintenance.until is None else min(now, maintenance.until)
    start = _last_turn(maintenance, now - maintenance.lasts, last)
    return None if start is None else (start, start + maintenance.lasts)


def next_window(maintenance: Maintenance, now: float) -> tuple[float, float] | None:
    """The first (start, end) that begins after now; None where there is no other."""
    if (once := _once(maintenance)) is not None:
        return once if now < once[0] else None
    start = _turn_after(maintenance, now)
    if maintenance.until is not None and start > maintenance.until:
        return None
    return start, start + maintenance.lasts


def silence_state(silence: Silence, now: float) -> State:
    """Whether it holds now, will, or is over."""
    if now < silence.starts_at < silence.ends_at:
        return "scheduled"
    return "active" if now < silence.ends_at else "expired"


def maintenance_state(maintenance: Maintenance, now: float) -> State:
    """Whether it holds now, will again, or never will again."""
    if window(maintenance, now) is not None:
        return "active"
    return "expired" if next_window(maintenance, now) is None else "scheduled"


def active_any(silences: Sequence[Silence], windows: Sequence[Maintenance], now: float) -> bool:
    """Whether anything at all is kept quiet now: where not, no alert need be asked about."""
    return any(silence_state(one, now) == "active" for one in silences) or any(
        window(one, now) is not None for one in windows
    )


def holding(
    silences: Sequence[Silence], windows: Sequence[Maintenance], alert: Alert, now: float, zone: str = "UTC"
) -> Hold | None:
    """What keeps this alert's triggers back now: of several the one that ends last. Times are told in `zone`."""
    held = [
        Hold(f"silenced by #{one.id} until {moment(one.ends_at, zone)} ({clip(one.reason, _REASON)})", one.ends_at)
        for one in silences
        if silence_state(one, now) == "active" and _concerns(one, alert)
    ]
    for planned in windows:
        if _concerns(planned, alert) and (holds := window(planned, now)) is not None:
            held.append(Hold(f"maintenance {planned.name} until {moment(holds[1], zone)}", holds[1]))
    return max(held, key=lambda one: one.until, default=None)


def _concerns(quiet: Silence | Maintenance, alert: Alert) -> bool:
    return quiet.organization == alert.organization and matches(quiet.match, alert)


def _value(alert: Alert, name: str) -> str:
    return str(getattr(alert, name) or "") if name in FIELDS else alert.labels.get(name, "")


def _holds(value: str, pattern: str) -> bool:
    # A name may hold what is special in a pattern, and still means itself.
    return value == pattern or fnmatchcase(value, pattern)


def _once(maintenance: Maintenance) -> tuple[float, float] | None:
    """The only window of one that does not recur."""
    if maintenance.starts_at is None or maintenance.ends_at is None:
        return None
    return maintenance.starts_at, maintenance.ends_at


def _last_turn(maintenance: Maintenance, after: float, last: float) -> float | None:
    """The last turn beyond `after`, at `last` at the latest."""
    turn = _turn_after(maintenance, after)
    if turn > last:
        return None
    missing = last  # no turn is known between here and `last`
    while (following := _turn_after(maintenance, turn)) <= last:
        # Turns closer than a window is long: halve what is left, rather than count them all.
        middle = (turn + missing) / 2
        beyond = _turn_after(maintenance, middle)
        if beyond <= last:
            turn = beyond
        else:
            turn, missing = following, middle
    return turn


def _turn_after(maintenance: Maintenance, after: float) -> float:
    # Clocks everywhere show whole minutes at the same time: the first turn after a moment is that after its minute.
    return _remembered(maintenance.line, maintenance.timezone, after // _MINUTE * _MINUTE)


@lru_cache(maxsize=4096)
def _remembered(line: str, zone: str, minute: float) -> float:
    return due_after({"cron": line, "timezone": zone}, minute)
