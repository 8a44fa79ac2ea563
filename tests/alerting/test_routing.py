"""Whom a change concerns, and when it is due."""

from dataclasses import replace

import pytest

from alerting import lifecycle, routing
from alerting.config import Channel, Config, Route, Rule
from alerting.lifecycle import Alert, Change
from alerting.routing import Due, Pending, Plan, Told
from tests.alerting.heart import CONFIG, CRITICAL, HIGH, MAIL, NOW, OPS

WARNING = Alert(
    "cpu_high:prod-1:cpu_percent", "acme", "cpu_high", "server/prod-1", "cpu_percent", "High CPU", "warning",
    "High CPU on prod-1", "", NOW - 600, NOW, NOW, id=7, server="prod-1", project="shop",
)  # fmt: skip
WORSE = replace(WARNING, severity="critical", rule="CPU Critical", last_at=NOW + 60)
BY_DEFAULT = replace(HIGH, managed_by="default", notify_channels=("email",))
OVER = lifecycle.resolve(WARNING, NOW + 120, None)


def concerned(alert: Alert, rule: Rule | None, config: Config = CONFIG) -> tuple[str, ...]:
    return routing.channels_for(config, alert, rule)


def told(channel: str, state: str = "triggered", alert: int = 7, severity: str = "warning") -> dict[str, Told]:
    return {channel: Told(channel, alert, state, severity, NOW - 100)}


def plan(move: str, alert: Alert, known: dict[str, Told], *waiting: Pending, channels: str = "mail") -> Plan:
    change = Change(move, alert, HIGH)  # type: ignore[arg-type]
    return routing.plan(change, channels.split(), known, waiting, NOW, 3600.0)


def test_a_teams_rule_tells_the_channels_it_names() -> None:
    assert concerned(WARNING, replace(HIGH, notify_channels=("ops",))) == ("ops",)


def test_a_kind_means_all_channels_of_that_kind() -> None:
    more = replace(CONFIG, channels=(OPS, MAIL, replace(MAIL, name="boss")))
    assert concerned(WARNING, BY_DEFAULT, more) == ("mail", "boss")


def test_only_the_organizations_own_channels_are_told() -> None:
    theirs = Channel("theirs", "email", "globex", {})
    assert concerned(WARNING, BY_DEFAULT, replace(CONFIG, channels=(MAIL, theirs))) == ("mail",)
    named = replace(HIGH, notify_channels=("theirs",))
    assert concerned(WARNING, named, replace(CONFIG, channels=(MAIL, theirs))) == ()


POLICY = [("info", ()), ("warning", ("mail",)), ("critical", ("ops", "mail"))]


@pytest.mark.parametrize(("severity", "channels"), POLICY)
def test_nothing_named_means_the_severity_policy(severity: str, channels: tuple[str, ...]) -> None:
    assert concerned(replace(WARNING, severity=severity), None) == channels
    assert concerned(replace(WARNING, severity=severity), replace(HIGH, notify_channels=())) == channels


def routed(*routes: Route) -> Config:
    return replace(CONFIG, routes=routes)


def test_the_first_route_that_matches_wins() -> None:
    config = routed(Route({"severity": "critical"}, ("mail",)), Route({"project": "shop"}, ("ops",)), Route({}, ()))
    assert concerned(WARNING, BY_DEFAULT, config) == ("ops",)
    assert concerned(WORSE, BY_DEFAULT, config) == ("mail",)


def test_a_route_matches_by_all_it_names_with_patterns() -> None:
    config = routed(Route({"server": "prod-*", "alert_type": "cpu_*"}, ("ops",)))
    assert concerned(WARNING, BY_DEFAULT, config) == ("ops",)
    assert concerned(replace(WARNING, alert_type="disk_high"), BY_DEFAULT, config) == ("mail",)
    assert concerned(replace(WARNING, server=None), BY_DEFAULT, config) == ("mail",)


def test_a_route_of_another_organization_does_not_match() -> None:
    assert concerned(WARNING, BY_DEFAULT, routed(Route({}, ("ops",), "globex"))) == ("mail",)


def test_the_channels_a_teams_rule_names_win_over_routes() -> None:
    assert concerned(WARNING, HIGH, routed(Route({}, ("ops",)))) == ("mail",)


def test_a_trigger_is_told_at_once() -> None:
    assert plan("triggered", WARNING, {}).due == (Due("mail", "triggered", "triggered", NOW),)


def test_a_cooldown_defers_to_its_end() -> None:
    assert plan("triggered", WARNING, told("mail", "resolved", 6)).due[0].due_at == NOW + 3500


def test_a_cooldown_is_the_channels_own() -> None:
    due = plan("triggered", WARNING, told("mail", "resolved", 6), channels="ops mail").due
    assert [(one.channel, one.due_at - NOW) for one in due] == [("ops", 0), ("mail", 3500)]


def test_a_cooldown_never_keeps_a_critical_alert_from_who_believes_it_resolved() -> None:
    assert plan("triggered", WORSE, told("mail", "resolved", 6)).due[0].due_at == NOW


def test_a_risen_severity_is_told_at_once_as_what_it_is_to_each_channel() -> None:
    due = plan("escalated", WORSE, told("mail"), channels="ops mail").due
    assert [(one.channel, one.reason, one.due_at) for one in due] == [
        ("ops", "triggered", NOW),
        ("mail", "escalated", NOW),
    ]


def test_each_rise_is_a_change_of_its_own() -> None:
    again = replace(WORSE, last_at=WORSE.last_at + 60)
    assert plan("escalated", WORSE, {}).due[0].change != plan("escalated", again, {}).due[0].change


def test_a_rise_replaces_what_waits_for_the_same_channel_alone() -> None:
    ours, others = Pending(1, "ops", "triggered", False), Pending(2, "mail", "triggered", False)
    found = plan("escalated", WORSE, {}, ours, others, channels="ops")
    assert found.dropped == (1,)


def test_who_was_told_the_worst_is_not_told_it_again() -> None:
    knowing = told("mail", severity="critical")
    assert plan("escalated", WORSE, knowing).due == ()
    assert len(plan("escalated", replace(WORSE, id=8), knowing).due) == 1  # another alert's worst


def test_an_end_is_told_to_whoever_was_told_the_beginning() -> None:
    known = told("ops") | told("mail", "resolved", 6)
    assert plan("resolved", OVER, known).due == (Due("ops", "resolved", "resolved", NOW),)


def test_an_end_is_told_to_whoever_may_have_been_told() -> None:
    waiting = (Pending(1, "ops", "triggered", True), Pending(2, "mail", "triggered", False))
    found = plan("resolved", OVER, {}, *waiting)
    assert [one.channel for one in found.due] == ["ops"]
    assert found.dropped == (1, 2)


@pytest.mark.parametrize("move", ["continued", "eased", "released"])
def test_what_is_not_told_by_itself(move: str) -> None:
    assert plan(move, WARNING, told("mail"), Pending(1, "mail", "triggered", True)) == Plan()


def test_a_rise_is_told_to_the_channels_of_the_worse_rule() -> None:
    assert concerned(WORSE, CRITICAL) == ("ops", "mail")
