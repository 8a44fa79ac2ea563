"""What a message says, before any channel gives it a form. Pure: an alert and a moment in, sentences out."""

from dataclasses import dataclass
from typing import Literal

Reason = Literal[
    "triggered",
    "escalated",
    "reminder",
    "resolved",
    "digest",
    "catch_up",
    "flapping",
    "settled",
    "acknowledged",
    "drill",
]


@dataclass(frozen=True, slots=True)
class Item:
    """One alert as a message tells it. Times are epoch seconds; `told` is the state this message reports."""

    alert_id: int
    fingerprint: str
    told: Literal["triggered", "resolved"]
    severity: str
    title: str  # "HTTP down: website"
    message: str  # the observation's own words: "HTTP 500, expected 200"
    subject: str
    server: str | None
    environment: str | None
    organization: str
    project: str | None
    metric_name: str
    metric_value: float | None
    operator: str | None
    threshold: float | None
    started_at: float
    resolved_at: float | None
    occurrences: int
    link: str


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to one channel in one piece: usually one item, several in a catch-up.

    key        stable over repeats of the same message (an email's Message-ID is made of it)
    thread_key the same for all messages about one incident (In-Reply-To, References)
    repeated   an earlier attempt may have arrived: the message says so
    """

    reason: Reason
    items: tuple[Item, ...]
    service: str
    timezone: str
    at: float
    key: str
    thread_key: str
    first_in_thread: bool = True
    repeated: bool = False
