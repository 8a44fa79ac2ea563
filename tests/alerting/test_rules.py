"""Which rules are put to a subject, and what it takes to break one."""

from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import rules
from alerting.config import Config, Rule, Watch
from alerting.configuration.rules import default_rules
from probes import Observation
from tests.alerting.heart import CRITICAL, DOWN, HIGH, SERVER, WEBSITE, only_rules, seen

BY_DEFAULT = replace(HIGH, name="Default", managed_by="default")


def names(config: Config, watch: Watch) -> list[str]:
    return [rule.name for rule in rules.applicable(config, watch)]


def test_a_rule_concerns_what_its_alert_type_is_about() -> None:
    assert names(only_rules(HIGH, DOWN), SERVER) == ["High CPU"]
    assert names(only_rules(HIGH, DOWN), WEBSITE) == ["HTTP Down"]


def test_a_rule_of_a_kind_concerns_that_kind_alone() -> None:
    assert names(only_rules(DOWN), replace(WEBSITE, kind="info")) == []


def test_a_rule_may_name_its_subjects_by_pattern_or_by_name() -> None:
    assert names(only_rules(replace(HIGH, subjects=("server/prod-*",))), SERVER) == ["High CPU"]
    assert names(only_rules(replace(HIGH, subjects=("prod-1",))), SERVER) == ["High CPU"]
    assert names(only_rules(replace(HIGH, subjects=("server/test-*",))), SERVER) == []


def test_a_rule_of_another_organization_says_nothing_here() -> None:
    assert names(only_rules(replace(HIGH, organization="globex")), SERVER) == []
    assert names(only_rules(replace(HIGH, organization="acme")), SERVER) == ["High CPU"]


def test_a_teams_own_rule_replaces_the_default_of_its_type_and_severity() -> None:
    assert names(only_rules(BY_DEFAULT, HIGH), SERVER) == ["High CPU"]


def test_the_default_of_another_severity_stays() -> None:
    assert names(only_rules(BY_DEFAULT, CRITICAL), SERVER) == ["Default", "CPU Critical"]


def test_an_inactive_rule_of_the_team_switches_the_default_off() -> None:
    assert names(only_rules(BY_DEFAULT, replace(HIGH, is_active=False)), SERVER) == []


def test_a_default_stays_for_the_subjects_the_teams_rule_is_not_about() -> None:
    mine = replace(HIGH, subjects=("server/prod-2",))
    assert names(only_rules(BY_DEFAULT, mine), SERVER) == ["Default"]
    assert names(only_rules(BY_DEFAULT, mine), replace(SERVER, subject="server/prod-2")) == ["High CPU"]


def test_severities_of_one_metric_share_a_fingerprint() -> None:
    assert rules.fingerprint(HIGH, SERVER) == rules.fingerprint(CRITICAL, SERVER) == "cpu_high:prod-1:cpu_percent"


def test_a_fingerprint_never_holds_a_threshold_or_a_text() -> None:
    edited = replace(HIGH, threshold=42.0, name="Renamed", description="other words")
    assert rules.fingerprint(edited, SERVER) == rules.fingerprint(HIGH, SERVER)


@pytest.mark.parametrize(
    ("operator", "below", "at", "above"),
    [
        (">", False, False, True),
        (">=", False, True, True),
        ("<", True, False, False),
        ("<=", True, True, False),
        ("==", False, True, False),
        ("!=", True, False, True),
    ],
)
def test_operators(operator: str, below: bool, at: bool, above: bool) -> None:
    rule = replace(HIGH, operator=operator)
    broken = [rules.advance(rule, None, seen("server/prod-1", 0, cpu_percent=value)) for value in (79.9, 80.0, 80.1)]
    assert [one is not None for one in broken] == [below, at, above]


@pytest.mark.parametrize("value", [None, nan, inf, -inf])
def test_a_value_that_is_missing_breaks_nothing_and_proves_nothing(value: float | None) -> None:
    begun = rules.advance(HIGH, None, seen("server/prod-1", 0, cpu_percent=90.0))
    missing = seen("server/prod-1", 60, cpu_percent=value)
    assert rules.advance(HIGH, begun, missing) == begun
    assert rules.advance(HIGH, None, missing) is None


@pytest.mark.parametrize(
    ("status", "broken"), [("ok", False), ("warning", False), ("critical", True), ("unknown", False)]
)
def test_the_status_is_a_metric(status: str, broken: bool) -> None:
    assert (rules.advance(DOWN, None, seen("check/website", 0, status)) is not None) == broken


def test_unknown_ends_no_breach_of_the_status() -> None:
    begun = rules.advance(DOWN, None, seen("check/website", 0, "critical"))
    assert rules.advance(DOWN, begun, seen("check/website", 30, "unknown")) == begun
    assert rules.advance(DOWN, begun, seen("check/website", 30, "ok")) is None


def test_a_breach_ends_where_the_rule_as_edited_does_not_see_one() -> None:
    begun = rules.advance(HIGH, None, seen("server/prod-1", 0, cpu_percent=85.0))
    assert rules.standing(replace(HIGH, threshold=84.0), begun) == begun
    assert rules.standing(replace(HIGH, threshold=90.0), begun) is None


def test_a_duration_must_be_held_to_its_end() -> None:
    rule = replace(HIGH, duration_seconds=300.0)
    begun = rules.advance(rule, None, seen("server/prod-1", 0, cpu_percent=90.0))
    assert begun is not None
    assert not rules.confirmed(rule, SERVER, begun, begun.started_at + 299.9)
    assert rules.confirmed(rule, SERVER, begun, begun.started_at + 300.0)


def breach_after(rule: Rule, count: int) -> rules.Breach:
    breach = None
    for number in range(count):
        breach = rules.advance(rule, breach, seen("check/website", 30.0 * number, "critical"))
    assert breach is not None
    return breach


def test_so_many_failures_in_a_row_as_rule_or_check_ask() -> None:
    patient = replace(WEBSITE, failures=3)
    held = [rules.confirmed(DOWN, patient, breach_after(DOWN, count), 1e12) for count in (1, 2, 3)]
    assert held == [False, False, True]
    rule = replace(DOWN, failures=2)
    assert [rules.confirmed(rule, WEBSITE, breach_after(rule, count), 1e12) for count in (1, 2)] == [False, True]


def test_a_checks_failures_are_about_its_status_alone() -> None:
    rule = replace(HIGH, subjects=("*",))
    breach = rules.advance(rule, None, seen("server/prod-1", 0, cpu_percent=90.0))
    assert breach is not None
    assert rules.confirmed(rule, replace(SERVER, failures=3), breach, 1e12)


def test_the_worst_of_several_is_the_most_severe() -> None:
    breaches = [(rule, breach_after(DOWN, 1)) for rule in (HIGH, CRITICAL, HIGH)]
    found = rules.worst(breaches)
    assert found is not None
    assert found[0] is CRITICAL
    assert rules.worst([]) is None


def test_default_rules_ask_what_was_promised() -> None:
    asked = {
        (rule.name, rule.severity): (rule.metric_name, rule.operator, rule.threshold, rule.duration_seconds)
        for rule in default_rules()
    }
    assert asked["High CPU", "warning"] == ("cpu_percent", ">", 80.0, 600.0)
    assert asked["CPU Critical", "critical"] == ("cpu_percent", ">", 95.0, 300.0)
    assert asked["Disk Space Critical", "critical"] == ("disk_percent", ">", 95.0, 60.0)
    assert asked["Disk Critical", "critical"] == ("disk_percent", ">", 90.0, 300.0)
    cooldowns = {rule.alert_type: rule.cooldown_seconds for rule in default_rules()}
    assert (cooldowns["cpu_high"], cooldowns["disk_high"], cooldowns["server_down"]) == (3600.0, 1800.0, 300.0)
    assert len({rules.key(rule) for rule in default_rules()}) == len(default_rules())


@given(st.lists(st.one_of(st.none(), st.floats(0, 100))))
def test_a_breach_is_the_unbroken_end_of_what_was_seen(values: list[float | None]) -> None:
    breach = None
    for number, value in enumerate(values):
        breach = rules.advance(HIGH, breach, Observation("ok", {"cpu_percent": value}, at=float(number)))
    known = [(number, value) for number, value in enumerate(values) if value is not None]
    run: list[int] = []
    for number, value in known:
        run = [*run, number] if value > 80 else []
    assert (breach is not None) == bool(run)
    if breach is not None:
        assert (breach.started_at, breach.last_at, breach.count) == (run[0], run[-1], len(run))


def test_subjects_of_one_name_and_different_sorts_never_share_a_fingerprint() -> None:
    silent = Rule("Not Observed", "check_failed", "warning", "silent_intervals")
    custom = Rule("Anything", "custom", "warning", "seconds")
    same_name = [Watch(f"{sort}/web", "http", "acme", 60.0, {}) for sort in ("server", "environment", "check")]
    for rule in (silent, custom):
        assert len({rules.fingerprint(rule, watch) for watch in same_name}) == 3
    assert rules.fingerprint(silent, same_name[2]) == "check_failed:web:silent_intervals"
    assert rules.fingerprint(custom, same_name[0]) == "custom:web:seconds"
