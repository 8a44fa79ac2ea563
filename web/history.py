"""One alert's story for a person: when it was what, who was told of it, and what came of that."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from alerting.lifecycle import Alert
from alerting.store.timeline import Telling, Try
from web.wording import say

Tone = Literal["state", "told", "failed", "waiting", "nothing"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the story. `at` epoch seconds; `tone` how it is drawn; `note` what is beside it."""

    at: float
    tone: Tone
    text: str
    note: str = ""


def story(alert: Alert, tellings: list[Telling]) -> list[Entry]:
    """All of it, in the order it happened."""
    entries = [*_states(alert), *(entry for telling in tellings for entry in _told(telling))]
    return sorted(entries, key=lambda entry: entry.at)


def _states(alert: Alert) -> Iterator[Entry]:
    yield Entry(alert.started_at, "state", say("timeline.started"))
    yield Entry(alert.triggered_at, "state", say("timeline.triggered"), alert.reason)
    if alert.acknowledged_at is not None:
        yield Entry(alert.acknowledged_at, "state", say("timeline.acknowledged", who=alert.acknowledged_by))
    if alert.resolved_at is not None:
        by = alert.resolved_by
        text = say("timeline.resolved_by", who=by) if by else say("timeline.resolved")
        yield Entry(alert.resolved_at, "state", text)


def _told(telling: Telling) -> Iterator[Entry]:
    for attempt in telling.tries:
        yield _attempt(telling, attempt)
    if telling.status == "pending":
        yield _entry(telling, telling.due_at, "waiting", "timeline.waiting")
    elif telling.status in ("dropped", "dead"):
        tone: Tone = "failed" if telling.status == "dead" else "nothing"
        yield _entry(
            telling, telling.done_at or telling.created_at, tone, f"timeline.{telling.status}", telling.outcome
        )


def _attempt(telling: Telling, attempt: Try) -> Entry:
    note = say("timeline.took", seconds=f"{attempt.seconds:.2f}")
    if attempt.outcome == "delivered":
        return _entry(telling, attempt.at, "told", "timeline.delivered", note=note)
    return _entry(telling, attempt.at, "failed", "timeline.failed", attempt.detail or attempt.reason, note)


def _entry(telling: Telling, at: float, tone: Tone, key: str, detail: str = "", note: str = "") -> Entry:
    reason = telling.reason.replace("_", " ")
    return Entry(at, tone, say(key, channel=telling.channel, reason=reason, detail=detail), note)
