"""The life of an alert: what one fingerprint's open alert becomes when its rules have been put to an observation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from alerting import messages, rules
from alerting.config import Rule, Watch
from alerting.rules import Breach

Move = Literal["triggered", "escalated", "eased", "continued", "resolved", "released", "acknowledged"]

ACKNOWLEDGED_FOR = 4 * 3600.0
"""Seconds an acknowledgement lasts where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as the store keeps it. Times are epoch seconds; `id` 0 until it is stored."""

    fingerprint: str
    organization: str
    alert_type: str
    subject: str
    metric_name: str
    rule: str
    severity: str
    title: str
    message: str
    started_at: float
    triggered_at: float
    last_at: float
    id: int = 0
    server: str | None = None
    environment: str | None = None
    project: str | None = None
    metric_value: float | None = None
    operator: str | None = None
    threshold: float | None = None
    status: str = "triggered"
    occurrences: int = 1
    acknowledged_at: float | None = None
    acknowledged_by: str | None = None
    resolved_at: float | None = None
    resolved_by: str | None = None
    held_until: float | None = None
    acknowledged_until: float | None = None
    snoozed_until: float | None = None
    escalated_at: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why there is this alert, in one line: "CPU 97.2 %, over 95 %", "HTTP 500, expected 200"."""
        return messages.alert_message(self.message, self.metric_name, self.metric_value, self.operator, self.threshold)


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an alert, and how it is now. Only triggered, escalated and resolved are told by themselves.

    A `released` alert was resolved by hand while its trouble went on; the trouble has ended, the next one is new.
    """

    move: Move
    alert: Alert
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What the rules of one fingerprint say: the confirmed breach if any, whether any condition holds at all."""

    rule: Rule
    breach: Breach | None
    breaching: bool
    known: bool  # the observation had a value: without one nothing is raised and nothing resolved


def step(current: Alert | None, finding: Finding, watch: Watch, title: str, now: float) -> Change | None:
    """The change this finding makes to the fingerprint's unresolved (or held) alert; None for none."""
    if current is not None and current.resolved_at is not None:
        return _release(current) if finding.known and not finding.breaching else None
    if not finding.known:
        return None
    if finding.breach is not None:
        if current is None:
            return Change("triggered", _begin(finding.rule, finding.breach, watch, title, now), finding.rule)
        return _continue(current, finding.rule, finding.breach)
    if current is not None and not finding.breaching:
        return Change("resolved", resolve(current, now, None), finding.rule)
    return None


def resolve(alert: Alert, now: float, by: str | None, hold: float | None = None) -> Alert:
    """The alert, resolved at `now`, by a person where `by` names one. `hold`: not raised anew for so many seconds."""
    held_until = None if hold is None else now + hold
    return replace(alert, status="resolved", resolved_at=now, resolved_by=by, held_until=held_until)


def acknowledge(alert: Alert, now: float, by: str, until: float) -> Alert:
    """The alert, seen by a person, who is taken at their word until then."""
    return replace(alert, status="acknowledged", acknowledged_at=now, acknowledged_by=by, acknowledged_until=until)


def unacknowledge(alert: Alert) -> Alert:
    """The alert, wanting a person again."""
    nobody = replace(alert, acknowledged_at=None, acknowledged_by=None, acknowledged_until=None)
    return replace(nobody, status="triggered", escalated_at=None)


def snooze(alert: Alert, until: float | None) -> Alert:
    """The alert, of whose going on nobody is told until then; None: from now on again."""
    return replace(alert, snoozed_until=until)


def _release(held: Alert) -> Change:
    return Change("released", replace(held, held_until=None))


def _begin(rule: Rule, breach: Breach, watch: Watch, title: str, now: float) -> Alert:
    return Alert(
        fingerprint=rules.fingerprint(rule, watch),
        organization=watch.organization,
        alert_type=rule.alert_type,
        subject=watch.subject,
        metric_name=rule.metric_name,
        rule=rule.name,
        severity=rule.severity,
        title=watch.title or title,
        message=breach.message,
        started_at=breach.started_at if watch.began is None else min(breach.started_at, watch.began),
        triggered_at=now,
        last_at=breach.last_at,
        server=watch.server,
        environment=watch.environment,
        project=watch.project,
        metric_value=breach.value,
        operator=rule.operator,
        threshold=rules.limit(rule, breach),
        labels={**watch.labels, **rule.labels},
    )


def _continue(alert: Alert, rule: Rule, breach: Breach) -> Change:
    seen = replace(
        alert,
        message=breach.message or alert.message,
        metric_value=breach.value,
        operator=rule.operator,
        threshold=rules.limit(rule, breach),
        rule=rule.name,
        severity=rule.severity,
        last_at=breach.last_at,
        occurrences=alert.occurrences + 1,
    )
    risen = rules.rank(rule.severity) - rules.rank(alert.severity)
    if risen > 0:  # worse than what was acknowledged: it wants a person again
        return Change("escalated", unacknowledge(seen), rule)
    return Change("eased" if risen < 0 else "continued", seen, rule)
