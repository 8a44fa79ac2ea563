"""A small world for tests of the heart: one organization, what it watches, whom it tells, and how to observe it."""

from dataclasses import replace
from typing import Any

from alerting import pipeline
from alerting.config import Channel, Config, Organization, Rule, Watch
from alerting.lifecycle import Alert
from alerting.store import alerts, outbox
from alerting.store.database import reading, transaction
from alerting.store.models import Notification
from probes import Observation

NOW = 1_800_000_000.0

SERVER = Watch("server/prod-1", "netdata", "acme", 60.0, {}, server="prod-1")
WEBSITE = Watch("check/website", "http", "acme", 30.0, {})

HIGH = Rule("High CPU", "cpu_high", "warning", "cpu_percent", ">", 80.0, 0, 3600.0, ("mail",))
CRITICAL = Rule("CPU Critical", "cpu_high", "critical", "cpu_percent", ">", 95.0, 0, 3600.0, ("ops", "mail"))
DOWN = Rule("HTTP Down", "http_down", "critical", "status", ">=", 2.0, 0, 3600.0, ("ops", "mail"), kinds=("http",))

OPS = Channel("ops", "slack", "acme", {"webhook_url": "https://hooks.slack.com/services/T/B/x"})
MAIL = Channel("mail", "email", "acme", {"to": ["ops@acme.example"]})

CONFIG = Config(
    organizations=(Organization("acme", "Acme"),),
    watches=(SERVER, WEBSITE),
    rules=(HIGH, CRITICAL, DOWN),
    channels=(OPS, MAIL),
)


def seen(subject: str, at: float, status: str = "ok", message: str = "", **values: float | None) -> Observation:
    """An observation of `subject`, `at` seconds into the story."""
    return Observation(status, values, message, {}, subject, NOW + at)  # type: ignore[arg-type]


def cpu(at: float, percent: float | None, config: Config = CONFIG, **more: Any) -> int:
    """The server's CPU at a moment, put through the pipeline. How many alerts changed."""
    return pipeline.ingest(config, [seen("server/prod-1", at, cpu_percent=percent)], NOW + at, **more)


def site(at: float, status: str, config: Config = CONFIG, **more: Any) -> int:
    """The website's status at a moment, put through the pipeline."""
    return pipeline.ingest(config, [seen("check/website", at, status, f"it is {status}")], NOW + at, **more)


def tick(at: float, config: Config = CONFIG) -> int:
    """The scheduler's tick at a moment."""
    return pipeline.tick(config, NOW + at)


def only_rules(*rules: Rule) -> Config:
    """The same world with other rules."""
    return replace(CONFIG, rules=rules)


def every_alert() -> list[Alert]:
    """All alerts there ever were, oldest first."""
    with reading():
        return sorted(alerts.page(None, None, 1000), key=lambda alert: alert.id)


def the_alert() -> Alert:
    """The only alert there ever was."""
    (alert,) = every_alert()
    return alert


def rows(*statuses: str) -> list[tuple[str, str, float]]:
    """The outbox rows of these statuses (all without any): channel, reason, when due in the story; oldest first."""
    with reading():
        query = Notification.select().order_by(Notification.id)
        return [(row.channel, row.reason, row.due_at - NOW) for row in query if not statuses or row.status in statuses]


def deliver(at: float, *channels: str) -> list[tuple[str, str]]:
    """Say yes for the provider to the next row of each channel (every one that is due without any)."""
    done: list[tuple[str, str]] = []
    with transaction():
        for channel in channels or outbox.due_channels(NOW + at):
            claims = outbox.claim(channel, "test", NOW + at)
            outbox.delivered(claims, None, NOW + at)
            done += [(one.channel, one.reason) for one in claims]
    return done
