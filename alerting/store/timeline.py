"""What was done about one alert: the messages it led to, and every attempt to deliver them."""

from dataclasses import dataclass

from alerting.store.models import Attempt, Notification


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt. `outcome` "delivered" or why not; `seconds` it took; `at` epoch seconds."""

    at: float
    seconds: float
    outcome: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Telling:
    """One message to one channel. `status` "pending", "delivered", "dropped" or "dead"; times are epoch seconds."""

    channel: str
    reason: str
    status: str
    outcome: str
    created_at: float
    due_at: float
    done_at: float | None
    tries: tuple[Try, ...]


def tellings(alert_id: int) -> list[Telling]:
    """The messages of an alert, in the order they were made."""
    rows = list(Notification.select().where(Notification.alert == alert_id).order_by(Notification.id))
    tries: dict[int, list[Try]] = {row.id: [] for row in rows}
    for one in Attempt.select().where(Attempt.notification.in_(list(tries))).order_by(Attempt.id) if rows else ():
        tries[one.notification].append(Try(one.at, one.seconds, one.outcome, one.reason, one.detail))
    return [_telling(row, tries[row.id]) for row in rows]


def _telling(row: Notification, tries: list[Try]) -> Telling:
    return Telling(
        row.channel, row.reason, row.status, row.outcome, row.created_at, row.due_at, row.done_at, tuple(tries)
    )
