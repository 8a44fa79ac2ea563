"""What a message says, before any channel gives it a form. Pure: an alert and a moment in, sentences out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from alerting.phrasing import ago, clip, counted, duration, metric_label, moment, one_line, quantity

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
    link       where all alerts are shown, for a message that cannot show all of its own
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
    link: str = ""


HEADLINE_LENGTH = 300

_TITLES: Mapping[str, str] = {
    "cpu_high": "High CPU on {}",
    "memory_high": "High memory on {}",
    "disk_high": "High disk use on {}",
    "container_down": "Container down: {}",
    "server_down": "Server down: {}",
    "replica_lag": "Replica lag: {}",
    "custom": "Alert: {}",
    "http_down": "HTTP down: {}",
    "check_failed": "Check failed: {}",
    "info_drift": "Info changed: {}",
    "info_contract": "Info contract broken: {}",
    "heartbeat_missed": "Heartbeat missed: {}",
    "certificate_expiry": "Certificate expiring: {}",
    "deployment_failed": "Deployment failed: {}",
    "backup_failed": "Backup failed: {}",
    "backup_missed": "Backup missed: {}",
    "quota_exceeded": "Quota exceeded: {}",
    "self": "Vedette itself: {}",
}

_BEYOND: Mapping[str, str] = {
    ">": "over",
    ">=": "at or over",
    "<": "under",
    "<=": "at or under",
    "==": "at",
    "!=": "other than",
}

_EMOJI: Mapping[str, str] = {"critical": "🔴", "warning": "🟠", "info": "🔵", "resolved": "✅"}

_WORST_FIRST = ("critical", "warning", "info", "resolved")

_NOTES: Mapping[str, str] = {
    "catch_up": "Gathered while this channel could not be written to.",
    "flapping": "It changes too often. The next message comes when it has been steady for a while.",
    "drill": "This is a test of the whole way to you. Nothing is wrong.",
}


def alert_title(alert_type: str, name: str) -> str:
    """What an alert is called: "High CPU on prod-1", "HTTP down: website"."""
    return _TITLES.get(alert_type, f"{metric_label(alert_type)}: {{}}").format(name)


def alert_message(
    words: str, metric_name: str, value: float | None, operator: str | None, threshold: float | None
) -> str:
    """Why there is an alert, in one line: the value against its threshold, or else the observation's own words."""
    if value is None or threshold is None or operator not in _BEYOND or metric_name == "status":
        return one_line(words)
    against = f"{_BEYOND[operator]} {quantity(metric_name, threshold)}"
    return f"{metric_label(metric_name)} {quantity(metric_name, value)}, {against}"


def why(item: Item, at: float) -> str:
    """The reason for an alert as it stands at `at`: "CPU 97.2 %, over 95 % for 12 minutes"."""
    reason = alert_message(item.message, item.metric_name, item.metric_value, item.operator, item.threshold)
    held = (item.resolved_at or at) - item.started_at
    return f"{reason} for {duration(held)}" if _is_measured(item) and held >= 1 else reason


def details(item: Item) -> str:
    """The observation's own words, where `why` does not already say them; else nothing."""
    return one_line(item.message) if _is_measured(item) else ""


def state(item: Item) -> str:
    """ "critical", "warning", "info" or "resolved": what colour and order go by."""
    return "resolved" if item.told == "resolved" else item.severity


def emoji(item: Item) -> str:
    """One sign for the state."""
    return _EMOJI.get(state(item), _EMOJI["info"])


def worst_first(items: Iterable[Item]) -> tuple[Item, ...]:
    """Critical before warning before info before resolved; among equals, the oldest trouble first."""
    return tuple(sorted(items, key=lambda item: (_rank(item), item.started_at, item.title)))


def line(item: Item, at: float, reason: Reason = "triggered") -> str:
    """One alert in one line: "🔴 Critical: HTTP down: website: HTTP 500 (expected 200)"."""
    said = f"{emoji(item)} {_label(item, reason)}: {one_line(item.title)}"
    if item.told == "resolved":
        return f"{said}, after {lasted(item, at)}"
    cause = why(item, at)
    return f"{said}: {cause}" if cause else said


def headline(message: Message) -> str:
    """The whole message in one line: what a phone shows."""
    items = worst_first(message.items)
    if len(items) == 1:
        said = line(items[0], message.at, message.reason)
    else:
        said = f"{emoji(items[0])} {tally(items)}: {', '.join(one_line(item.title) for item in items)}"
    return clip(said, HEADLINE_LENGTH) + (" (may be repeated)" if message.repeated else "")


def tally(items: Iterable[Item]) -> str:
    """ "5 alerts (2 critical, 1 warning, 2 resolved)", worst first."""
    counts = Counter(state(item) for item in items)
    parts = ", ".join(f"{counts[name]} {name}" for name in _WORST_FIRST if counts[name])
    return f"{counted(counts.total(), 'alert')} ({parts})"


def notes(message: Message) -> tuple[str, ...]:
    """What is to be said about the message itself rather than its alerts."""
    several = message.reason != "catch_up" or len(message.items) > 1
    own = _NOTES.get(message.reason, "") if several else ""
    repeated = "An earlier attempt may have arrived: this may be repeated." if message.repeated else ""
    return tuple(note for note in (own, repeated) if note)


def facts(item: Item, message: Message) -> tuple[tuple[str, str], ...]:
    """Where and when, as pairs of label and value; what is not known is left out."""
    start = moment(item.started_at, message.timezone)
    pairs = [("Server", item.server), ("Environment", item.environment), ("Project", item.project)]
    if item.told == "resolved":
        end = item.resolved_at or message.at
        pairs += [("Lasted", lasted(item, message.at)), ("Began", start), ("Ended", moment(end, message.timezone))]
    else:
        pairs.append(("Since", f"{start} ({ago(message.at - item.started_at)})"))
    pairs.append(("Occurrences", str(item.occurrences)))
    return tuple((label, one_line(value)) for label, value in pairs if value)


def lasted(item: Item, at: float) -> str:
    """How long the trouble lasted, or has lasted at `at`."""
    return duration((item.resolved_at or at) - item.started_at)


def subject_line(message: Message) -> str:
    """An email's subject, made for sorting: "[CRITICAL] HTTP down: website (Acme watch)"."""
    items = worst_first(message.items)
    what = one_line(items[0].title) if len(items) == 1 else tally(items)
    tag = {"drill": "test", "flapping": "flapping", "acknowledged": "acknowledged"}.get(message.reason, state(items[0]))
    still = f" for {lasted(items[0], message.at)}" if message.reason == "reminder" else ""
    return f"[{tag.upper()}] {clip(what, 150)}{still} ({clip(message.service, 60)})"


def text_body(message: Message) -> str:
    """The whole message as plain text, every alert in full, worst first."""
    parts = [_paragraph(item, message) for item in worst_first(message.items)]
    head = [tally(message.items)] if len(parts) > 1 else []
    return "\n\n".join([*head, *parts, *notes(message)])


def _paragraph(item: Item, message: Message) -> str:
    said = [line(item, message.at, message.reason)]
    if item.told == "resolved" and (cause := why(item, message.at)):
        said.append(f"It was: {cause}")
    if extra := details(item):
        said.append(extra)
    said += [f"{label}: {value}" for label, value in facts(item, message)]
    return "\n".join([*said, item.link] if item.link else said)


def _is_measured(item: Item) -> bool:
    """Whether the reason is a number over a threshold rather than words."""
    bare = alert_message("", item.metric_name, item.metric_value, item.operator, item.threshold)
    return bool(bare)


def _label(item: Item, reason: Reason) -> str:
    name = state(item)
    forms: Mapping[str, str] = {
        "escalated": f"now {name}",
        "reminder": f"still {name}",
        "flapping": f"flapping, {name} now",
        "settled": f"settled, {name}",
        "acknowledged": f"acknowledged, {name}",
        "drill": f"test, {name}",
    }
    said = forms.get(reason, name)
    return said[:1].upper() + said[1:]


def _rank(item: Item) -> int:
    found = state(item)
    return _WORST_FIRST.index(found) if found in _WORST_FIRST else _WORST_FIRST.index("info")
