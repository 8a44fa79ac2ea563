"""What holds back that something is wrong: a parent's trouble, a silence, a maintenance window, a snooze.

Asked when a message is about to leave, not when it came to be: what is still true when the hold ends is told once.
"""

from collections.abc import Mapping, Sequence

from alerting import silences
from alerting.config import Config, Watch
from alerting.lifecycle import Alert
from alerting.phrasing import clock
from alerting.store import alerts, decisions, maintenance, outbox
from alerting.store import silences as store
from alerting.store.database import reading, taking_turns


def held(config: Config, now: float) -> dict[int, str]:
    """The alerts about which something is due that may not be told now, by id, and why."""
    rows = outbox.holdable(now)
    return _held(config, {alert for _, alert, _ in rows}, now) if rows else {}


def note(config: Config, now: float) -> None:
    """Write down what is held back since the last time, and why."""
    with reading():
        rows = outbox.holdable(now)
    if not rows:
        return
    with taking_turns():
        rows = outbox.holdable(now)
        found = alerts.many({alert for _, alert, _ in rows})
        why = _held(config, found, now)
        lines = []
        for row, alert, noted in rows:
            if alert in why and why[alert] != noted:
                outbox.explain(row, why[alert])
                lines.append(decisions.about(found[alert], "held", why[alert], now))
        decisions.append(dict.fromkeys(lines))


def _held(config: Config, ids: Mapping[int, Alert] | set[int], now: float) -> dict[int, str]:
    found = ids if isinstance(ids, Mapping) else alerts.many(ids)
    open_ones = [alert for alert in found.values() if alert.resolved_at is None]
    parents = _troubled_parents(config, open_ones)
    quiet = store.active(now)
    windows = [*config.maintenance, *maintenance.standing(now)]
    held: dict[int, str] = {}
    for alert in open_ones:
        if alert.subject in parents:
            held[alert.id] = f"suppressed by {parents[alert.subject]}, which is in trouble itself"
        elif alert.snoozed_until is not None and alert.snoozed_until > now:
            held[alert.id] = f"snoozed until {clock(alert.snoozed_until)}"
        elif (hold := silences.holding(quiet, windows, alert, now, config.service.timezone)) is not None:
            held[alert.id] = hold.text
    return held


def _troubled_parents(config: Config, open_ones: Sequence[Alert]) -> dict[str, str]:
    """Subject → a parent of it whose message stands for its own until that is mended."""
    children = [watch for alert in open_ones if (watch := config.watch_of.get(alert.subject)) and watch.parents]
    troubled = alerts.troubled({parent for watch in children for parent in watch.parents})
    return {watch.subject: parent for watch in children if (parent := _first_of(watch, troubled)) is not None}


def _first_of(watch: Watch, troubled: set[str]) -> str | None:
    return next((parent for parent in watch.parents if parent in troubled), None)
