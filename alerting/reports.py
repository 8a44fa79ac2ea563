"""Reports of other programs, taken into the pipeline: each once, in order, and over when they say so or fall silent."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from alerting import hooked, pipeline
from alerting.config import Config, Hook, Watch
from alerting.phrasing import duration
from alerting.rules import REPORTED
from alerting.sources import OVER, Report
from alerting.store import alerts, subjects
from alerting.store.database import taking_turns
from alerting.store.subjects import State
from probes import Observation

logger = logging.getLogger("vedette.hooks")

Outcome = Literal["raised", "changed", "repeated", "resolved", "nothing", "unknown", "late", "too_old"]
"""What was made of a report. The last four changed nothing: there was nothing to end, the program cannot tell, it told
something newer before, or it told too late.
"""

_TAKEN = ("raised", "changed", "repeated", "resolved")

OLDEST = 86_400.0
"""Seconds after which what has just happened is told too late to raise anything: it is played back."""

FORGOTTEN_AFTER = 7 * 86_400.0
"""Seconds for which what is over is remembered, so that a late report does not raise it anew."""

_ASTRAY = 60.0  # seconds in which reports may overtake each other: two Alertmanagers tell the same one after the other
_GROUP = 500  # subjects a statement asks about


@dataclass(frozen=True, slots=True)
class Made:
    """A report, the subject it is about, and what was made of it. `alert`: the id of the alert that is open there."""

    report: Report
    subject: str
    outcome: Outcome
    alert: int | None = None


def take(config: Config, hook: Hook, reports: Sequence[Report], now: float) -> list[Made]:
    """Judge reports in one transaction, all or none; what was made of each, once for each alert they are about."""
    with taking_turns():
        newest = _newest(reports, now)
        groups = [newest[start : start + _GROUP] for start in range(0, len(newest), _GROUP)]
        made = [one for group in groups for one in _take(config, hook, group, now)]
    for one in made:
        if one.outcome == "too_old":
            logger.warning("hook %s: %s is told more than a day late: ignored", hook.name, one.subject)
    return made


def expire(config: Config, now: float) -> int:
    """End what its program has not told again within the hook's `expire`. How many."""
    silent = [hook for hook in config.hooks if hook.expire is not None]
    if not silent:
        return 0
    with taking_turns():
        states = subjects.of_kind(hooked.KIND, now - min(hook.expire or 0.0 for hook in silent))
        ended = [pair for state in states if (pair := _expired(config, state, now)) is not None]
        for start in range(0, len(ended), _GROUP):
            pipeline.ingest_reports(config, ended[start : start + _GROUP], now)
    return len(ended)


def forget(now: float) -> int:
    """Let go of what has been over for long. How many."""
    with taking_turns():
        states = subjects.of_kind(hooked.KIND, now - FORGOTTEN_AFTER)
        over = [state.observation.subject for state in states if _level(state) == OVER]
        groups = [over[start : start + _GROUP] for start in range(0, len(over), _GROUP)]
        kept = {alert.subject for group in groups for alert in alerts.standing(group, now)}
        subjects.forget(set(over) - kept)
    return len(set(over) - kept)


def _take(config: Config, hook: Hook, reports: Sequence[Report], now: float) -> list[Made]:
    names = [hooked.subject_of(hook, report) for report in reports]
    known = {name: state for name, state in subjects.states(names).items() if state.organization == hook.organization}
    verdicts = [_verdict(report, known.get(name), now) for report, name in zip(reports, names, strict=True)]
    told = [
        _observed(config, hook, report, known.get(name), now)
        for report, name, outcome in zip(reports, names, verdicts, strict=True)
        if outcome in _TAKEN or (outcome == "nothing" and report.at is not None)
    ]
    pipeline.ingest_reports(config, told, now)
    open_ones = {alert.subject: alert.id for alert in alerts.standing(names, now) if alert.resolved_at is None}
    return [
        Made(report, name, outcome, open_ones.get(name))
        for report, name, outcome in zip(reports, names, verdicts, strict=True)
    ]


def _newest(reports: Iterable[Report], now: float) -> list[Report]:
    """One for each alert, the last that is true: a payload may tell of the same one twice."""
    found: dict[str, Report] = {}
    for report in reports:
        before = found.get(report.id)
        if before is None or _order(report, now) >= _order(before, now):
            found[report.id] = report
    return list(found.values())


def _order(report: Report, now: float) -> tuple[float, int]:
    """When it is true. A clock ahead of ours must not make all that follows look late once it is set right."""
    return (now if report.at is None else min(report.at, now)), report.number


def _verdict(report: Report, known: State | None, now: float) -> Outcome:
    if report.level is None:
        return "unknown"
    before = OVER if known is None else _level(known)
    if known is not None and report.at is not None and _order(report, now) < _last(known):
        if not _insists(report, known, now):
            return "late"
    elif report.level > OVER and report.at is not None and not report.goes_on and now - report.at > OLDEST:
        return "too_old"
    if report.level == OVER:
        return "resolved" if before else "nothing"
    return "raised" if not before else "repeated" if before == report.level else "changed"


def _insists(report: Report, known: State, now: float) -> bool:
    """Whether it is no stray: an Alertmanager that lost sight of Prometheus tells the end of what it tells again later.

    That is the same incident as before, which began when it says it began, and no older one played back.
    """
    began = known.observation.facts.get("started_at")
    same = report.started_at is not None and began is not None and report.started_at >= began
    return report.goes_on and bool(report.level) and same and now - known.observation.at > _ASTRAY


def _observed(config: Config, hook: Hook, report: Report, known: State | None, now: float) -> tuple[Watch, Observation]:
    """The report as the pipeline takes it. Its moment is ours: two requests may come to their turn in any order."""
    at = now
    if known is not None and 0 < known.observation.at - now < _ASTRAY:
        at = known.observation.at
    order = max(_order(report, now), _last(known) if known is not None else (0.0, 0))
    report = replace(report, started_at=_began(report, known, now))
    facts = {"true_at": order[0], "number": order[1]}
    seen = hooked.observation_of(config, hook, report, facts, at)
    watch = hooked.watch_of(config, seen.subject, seen.facts)
    assert watch is not None
    return watch, seen


def _began(report: Report, known: State | None, now: float) -> float | None:
    """Since when the trouble lasts, which what is over goes on saying: by that it is known when it comes again."""
    if report.started_at is not None:
        return min(report.started_at, now)
    kept = known.observation.facts.get("started_at") if known is not None and _level(known) else None
    return None if kept is None else float(kept)


def _expired(config: Config, state: State, now: float) -> tuple[Watch, Observation] | None:
    seen = state.observation
    watch = hooked.watch_of(config, seen.subject, seen.facts)
    hook = config.hook_of.get(watch.name.partition("/")[0]) if watch is not None else None
    if watch is None or hook is None or hook.expire is None or state.organization != hook.organization:
        return None
    if _level(state) == OVER or now - seen.at <= hook.expire:
        return None
    words = f"not heard of for {duration(hook.expire)}: taken to be over"
    over = Observation("ok", {REPORTED: float(OVER)}, words, seen.facts, seen.subject, now)
    return watch, over


def _level(state: State) -> int:
    return int(state.observation.values.get(REPORTED) or OVER)


def _last(state: State) -> tuple[float, int]:
    facts: Mapping[str, Any] = state.observation.facts
    return float(facts.get("true_at", 0.0)), int(facts.get("number", 0))
