"""What a message says, before any channel gives it a form. Pure: an alert and a moment in, sentences out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    labels: Mapping[str, str] = field(default_factory=dict)
    acknowledged_by: str | None = None
    acknowledged_until: float | None = None
    note: str = ""  # one more thing to say of it: "The acknowledgement by alice has run out."
    actions: tuple["Action", ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """What a person can do about an alert by opening a signed link: `name` "acknowledge", "snooze" or "silence"."""

    name: str
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to one channel in one piece: usually one item, several in a catch-up.

    key        stable over repeats of the same message (an email's Message-ID is made of it)
    thread_key the same for all messages about one incident (In-Reply-To, References)
    repeated   an earlier attempt may have arrived: the message says so
    replaces   the provider's id of the message that told of this incident before: a channel that can edits it in place
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
    replaces: str | None = None


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

_SAID_BETTER = frozenset(
    ("status", "contract_faults", "drift_breaking", "drift_changed", "containers_unhealthy", "reported")
)
"""Metrics whose number says less than the observation's own words."""

COLOURS: Mapping[str, str] = {
    "critical": "#a30200",
    "warning": "#daa038",
    "info": "#439fe0",
    "resolved": "#2eb886",
}
"""What a state looks like, the same in every channel."""

IN_FULL = 10
"""With more alerts than this, each gets a line of a message instead of a paragraph."""

_EMOJI: Mapping[str, str] = {"critical": "🔴", "warning": "🟠", "info": "🔵", "resolved": "✅"}

_WORST_FIRST = ("critical", "warning", "info", "resolved")

_NOTES: Mapping[str, str] = {
    "catch_up": "Gathered while this channel could not be written to.",
    "flapping": "It changes too often. The next message comes when it has been steady for a while.",
    "drill": "This is a test of the whole way to you. Nothing is wrong.",
}


def alert_title(alert_type: str, name: str) -> str:
    """What an alert is called: "High CPU on prod-1", "HTTP down: website"."""
    return _TITLES[alert_type].format(name) if alert_type in _TITLES else f"{metric_label(alert_type)}: {name}"


def alert_message(
    words: str, metric_name: str, value: float | None, operator: str | None, threshold: float | None
) -> str:
    """Why there is an alert, in one line: the value against its threshold, or else the observation's own words."""
    beyond = _BEYOND.get(operator or "")
    if value is None or threshold is None or beyond is None or metric_name in _SAID_BETTER:
        return one_line(words)
    against = f"{beyond} {quantity(metric_name, threshold)}"
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


def name(item: Item) -> str:
    """The alert's title on one line; never empty."""
    return one_line(item.title) or one_line(item.fingerprint) or "(no title)"


def label(item: Item, reason: Reason) -> str:
    """The state in words, as this reason tells it: "Critical", "Still critical", "Resolved"."""
    now = state(item)
    forms: Mapping[str, str] = {
        "escalated": f"now {now}",
        "reminder": f"still {now}",
        "flapping": f"flapping, {now} now",
        "settled": f"settled, {now}",
        "acknowledged": f"acknowledged, {now}",
        "drill": f"test, {now}",
    }
    said = one_line(forms.get(reason, now))
    return said[:1].upper() + said[1:]


def cause(item: Item, at: float) -> str:
    """What follows an alert's name in one line: ": HTTP 500 (expected 200)", ", after 12 minutes"."""
    if item.told == "resolved":
        return f", after {lasted(item, at)}"
    reason = why(item, at)
    return f": {reason}" if reason else ""


def line(item: Item, at: float, reason: Reason = "triggered") -> str:
    """One alert in one line: "🔴 Critical: HTTP down: website: HTTP 500 (expected 200)"."""
    return f"{emoji(item)} {label(item, reason)}: {name(item)}{cause(item, at)}"


def headline(message: Message) -> str:
    """The whole message in one line: what a phone shows."""
    items = worst_first(message.items)
    if len(items) == 1:
        said = line(items[0], message.at, message.reason)
    else:
        said = f"{emoji(items[0])} {tally(items)}: {', '.join(name(item) for item in items)}"
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
    where = (("Server", item.server), ("Environment", item.environment), ("Project", item.project))
    pairs = [(title, value) for title, value in where if value]
    if item.told == "resolved":
        end = item.resolved_at or message.at
        pairs += [("Began", start), ("Ended", moment(end, message.timezone))]
    else:
        pairs.append(("Since", f"{start} ({ago(message.at - item.started_at)})"))
    pairs.append(("Occurrences", str(item.occurrences)))
    return tuple((title, one_line(value)) for title, value in pairs)


def lasted(item: Item, at: float) -> str:
    """How long the trouble lasted, or has lasted at `at`."""
    return duration((item.resolved_at or at) - item.started_at)


def story(item: Item, at: float) -> tuple[str, ...]:
    """Why there is, or was, an alert: the reason, then the observation's own words where they say more."""
    reason = why(item, at)
    if item.told == "resolved":
        reason = f"Lasted {lasted(item, at)}." + (f" It was: {reason}" if reason else "")
    return tuple(said for said in (reason, details(item)) if said)


def text_body(message: Message) -> str:
    """The whole message as plain text, worst first: every alert in full, or in a line each where they are many."""
    items = worst_first(message.items)
    if len(items) > IN_FULL:
        parts = ["\n".join(line(item, message.at, message.reason) for item in items), message.link]
    else:
        parts = [_paragraph(item, message) for item in items]
    head = tally(items) if len(items) > 1 else ""
    return "\n\n".join(part for part in (head, *parts, *notes(message)) if part)


def _paragraph(item: Item, message: Message) -> str:
    head = f"{emoji(item)} {label(item, message.reason)}: {name(item)}"
    rows = [f"{title}: {value}" for title, value in facts(item, message)]
    return "\n".join([head, *story(item, message.at), *rows, *([item.link] if item.link else [])])


def _is_measured(item: Item) -> bool:
    """Whether the reason is a number over a threshold rather than words."""
    return bool(alert_message("", item.metric_name, item.metric_value, item.operator, item.threshold))


def _rank(item: Item) -> int:
    found = state(item)
    return _WORST_FIRST.index(found) if found in _WORST_FIRST else _WORST_FIRST.index("info")
