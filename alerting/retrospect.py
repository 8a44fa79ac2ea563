"""A rule put to stored history: raw looks as far back as they are kept, hours before that."""

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

from alerting import backtest, rules
from alerting.backtest import Look, Tried
from alerting.config import Config, Rule, Watch
from alerting.notices import rfc3339
from alerting.pipeline import STALE_AFTER
from alerting.samples import HOUR, hour_of
from alerting.shown import rule_document
from alerting.store import history

LONGEST = history.ROLLUPS_KEPT
"""Seconds one can look back."""

_AT_ONCE = 6 * HOUR  # of raw looks read in one go
_ALL = 10**9


def watches(config: Config, rule: Rule, organizations: Collection[str] | None = None) -> list[Watch]:
    """What the rule is about, of these organizations (None: all)."""
    found = [watch for watch in config.watches if rules.concerns(rule, watch)]
    return [watch for watch in found if organizations is None or watch.organization in organizations]


def tried(rule: Rule, watch: Watch, since: float, now: float) -> Tried:
    """The rule put to what is kept of one subject since then."""
    raw = raw_since(since, now)
    before = _hours(rule, watch, since, raw) if since < raw else iter(())
    return backtest.tried(rule, watch, chain(before, _raw(watch, raw, now)), since, now)


def raw_since(since: float, now: float) -> float:
    """The moment from which on every look is kept; before it, hours."""
    oldest = now - history.SAMPLES_KEPT
    return since if since >= oldest else hour_of(oldest) * HOUR


def document(rule: Rule, found: Collection[Tried], since: float, now: float) -> dict[str, Any]:
    """What came of it as JSON."""
    raw = raw_since(since, now)
    return {
        "rule": rule_document(rule),
        "since": rfc3339(since),
        "until": rfc3339(now),
        "hours_before": rfc3339(raw) if since < raw else None,
        "fires": sum(len(one.fires) for one in found),
        "firing_seconds": round(sum(one.firing_seconds for one in found), 3),
        "messages": sum(one.messages for one in found),
        "subjects": [_subject_document(one) for one in found],
    }


def _subject_document(one: Tried) -> dict[str, Any]:
    return {
        "subject": one.subject,
        "looks": one.looks,
        "firing_seconds": round(one.firing_seconds, 3),
        "messages": one.messages,
        "fires": [
            {
                "started_at": rfc3339(fire.started_at),
                "fired_at": rfc3339(fire.fired_at),
                "ended_at": rfc3339(fire.ended_at),
                "seconds": round(fire.seconds(one.until), 3),
                "value": fire.value,
                "messages": fire.messages,
            }
            for fire in one.fires
        ],
    }


def _raw(watch: Watch, since: float, until: float) -> Iterator[Look]:
    begin = since
    while begin < until:
        end = min(begin + _AT_ONCE, until)
        kept = history.samples(watch, begin, end, _ALL)
        yield from backtest.of_samples(watch, reversed(kept), STALE_AFTER * watch.every)
        begin = end


def _hours(rule: Rule, watch: Watch, since: float, until: float) -> Iterator[Look]:
    hours = reversed(history.rollups(watch, since, until))
    changes = [(one.at, one.status) for one in reversed(history.status_changes(watch, 0.0, until))]
    return backtest.of_hours(rule, watch, hours, changes, 2 * HOUR)  # type: ignore[arg-type]  # they are statuses
