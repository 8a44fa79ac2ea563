"""What a fingerprint's alert becomes when its rules have been put to an observation."""

from dataclasses import replace

import pytest

from alerting import lifecycle
from alerting.config import Rule
from alerting.lifecycle import Alert, Change, Finding
from alerting.rules import Breach
from tests.alerting.heart import CRITICAL, HIGH, NOW, SERVER


def finding(rule: Rule = HIGH, value: float | None = 90.0, breaching: bool = True, known: bool = True) -> Finding:
    held = Breach("key", SERVER.subject, NOW - 600, NOW, 11, value, "CPU at 90 %") if value is not None else None
    return Finding(rule, held, breaching, known)


def step(current: Alert | None, found: Finding, at: float = 0) -> Change | None:
    return lifecycle.step(current, found, SERVER, "High CPU on prod-1", NOW + at)


def raised(rule: Rule = HIGH) -> Alert:
    change = step(None, finding(rule))
    assert change is not None
    return replace(change.alert, id=7)


CLEAR = finding(value=None, breaching=False)


def test_a_confirmed_breach_raises_an_alert_that_began_with_its_first_observation() -> None:
    change = step(None, finding())
    assert change is not None
    assert (change.move, change.alert.status, change.alert.severity) == ("triggered", "triggered", "warning")
    assert (change.alert.started_at, change.alert.triggered_at) == (NOW - 600, NOW)
    assert change.alert.fingerprint == "cpu_high:prod-1:cpu_percent"
    assert (change.alert.metric_value, change.alert.operator, change.alert.threshold) == (90.0, ">", 80.0)
    assert (change.alert.occurrences, change.alert.server) == (1, "prod-1")


def test_a_breach_that_goes_on_is_counted() -> None:
    change = step(raised(), finding())
    assert change is not None
    assert (change.move, change.alert.id, change.alert.occurrences) == ("continued", 7, 2)


def test_warning_to_critical_is_the_same_alert_risen() -> None:
    change = step(raised(), finding(CRITICAL, 97.0))
    assert change is not None
    assert (change.move, change.alert.id, change.alert.severity) == ("escalated", 7, "critical")


def test_critical_to_warning_is_the_same_alert_eased() -> None:
    change = step(raised(CRITICAL), finding(HIGH, 85.0))
    assert change is not None
    assert (change.move, change.alert.id, change.alert.severity) == ("eased", 7, "warning")


def test_worse_than_what_was_acknowledged_wants_a_person_again() -> None:
    seen = lifecycle.acknowledge(raised(), NOW, "alice", NOW + 3600)
    assert (seen.status, seen.acknowledged_by) == ("acknowledged", "alice")
    same, worse = step(seen, finding()), step(seen, finding(CRITICAL, 97.0))
    assert same is not None
    assert worse is not None
    assert (same.alert.status, same.alert.acknowledged_by) == ("acknowledged", "alice")
    assert (worse.alert.status, worse.alert.acknowledged_by) == ("triggered", None)


def test_no_condition_holding_resolves() -> None:
    change = step(raised(), CLEAR, 60)
    assert change is not None
    assert (change.move, change.alert.status, change.alert.resolved_at) == ("resolved", "resolved", NOW + 60)
    assert change.alert.resolved_by is None


@pytest.mark.parametrize("current", [None, raised()])
def test_a_condition_that_holds_and_is_not_confirmed_changes_nothing(current: Alert | None) -> None:
    assert step(current, finding(value=None, breaching=True)) is None


@pytest.mark.parametrize("current", [None, raised(), lifecycle.resolve(raised(), NOW, "alice", 3600)])
@pytest.mark.parametrize("breaching", [True, False])
@pytest.mark.parametrize("value", [90.0, None])
def test_without_a_value_nothing_is_raised_and_nothing_resolved(
    current: Alert | None, breaching: bool, value: float | None
) -> None:
    assert step(current, finding(value=value, breaching=breaching, known=False)) is None


def test_resolved_by_hand_it_is_held_until_an_observation_that_clears_it() -> None:
    held = lifecycle.resolve(raised(), NOW, "alice", hold=3600)
    assert (held.resolved_by, held.held_until) == ("alice", NOW + 3600)
    assert step(held, finding()) is None
    assert step(held, finding(CRITICAL, 99.0)) is None
    change = step(held, CLEAR)
    assert change is not None
    assert (change.move, change.alert.held_until, change.alert.resolved_by) == ("released", None, "alice")
