"""Vedette's own parts as subjects: their trouble is observed, judged and told like anybody's."""

from collections.abc import Iterable

from alerting import pipeline
from alerting.config import Config
from alerting.store import alerts, settings_table, subjects
from alerting.store.database import reading
from alerting.store.settings_table import SCHEDULER
from probes import Observation

NETWORK = "network"
"""The part that is in trouble while our own network is down."""

SCHEDULER_SILENT_AFTER = 120.0
"""Seconds without a scheduler's tick after which web speaks up in its place."""


def organizations(config: Config) -> tuple[str, ...]:
    """Everybody there is to tell about the installation itself."""
    return tuple(one.slug for one in config.organizations) or ("default",)


def observe(config: Config, part: str, fault: str | None, now: float, told_to: Iterable[str] | None = None) -> None:
    """Observe a part of Vedette: `fault` says what is wrong with it, None that it is well.

    A part that is well and was well is not written down: it would be a write a tick for nothing.
    """
    for organization in told_to or organizations(config):
        watch = pipeline.own_watch(config, part, organization)
        if fault is None and not _troubled(watch.subject, now):
            continue
        seen = Observation("ok" if fault is None else "critical", {}, fault or "", {}, watch.subject, now)
        pipeline.ingest_own(config, watch, seen, now)


def is_open(config: Config, part: str, now: float) -> bool:
    """Whether a part of Vedette is known to be in trouble."""
    subjects_of = [pipeline.own_watch(config, part, organization).subject for organization in organizations(config)]
    return any(alert.resolved_at is None for alert in alerts.standing(subjects_of, now))


def scheduler_fault(now: float) -> str | None:
    """What is wrong with the scheduler as its ticks tell: None while one ticked in the last two minutes.

    Where none ever ticked, the two minutes run from the moment the tables were made.
    """
    with reading():
        ticked = (settings_table.get(SCHEDULER) or {}).get("at")
        since = ticked or settings_table.get("migrated_at", now)
    if now - since < SCHEDULER_SILENT_AFTER:
        return None
    if ticked is None:
        return "No scheduler has ever run here: nothing is being checked. Start the `scheduler` process."
    return f"No scheduler has run for {int(now - since) // 60} minutes: nothing is being checked."


def _troubled(subject: str, now: float) -> bool:
    """Whether it has an alert, one held back after a person's "resolve", or one on its way."""
    with reading():
        return bool(alerts.standing([subject], now) or subjects.breaches([subject]))
