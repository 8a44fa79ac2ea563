"""Whom a change concerns, and when it is due."""

from dataclasses import replace
from typing import Any

import pytest

from alerting import lifecycle, routing
from alerting.config import Channel, Config, Route, Rule
from alerting.lifecycle import Alert, Change
from alerting.routing import Addressee, Circumstances, Due, Gathering, Pending, Plan, Told
from tests.alerting.heart import CONFIG, CRITICAL, HIGH, MAIL, NOW, OPS

WARNING = Alert(
    "cpu_high:prod-1:cpu_percent", "acme", "cpu_high", "server/prod-1", "cpu_percent", "High CPU", "warning",
    "High CPU on prod-1", "", NOW - 600, NOW, NOW, id=7, server="prod-1", project="shop",
)  # fmt: skip
WORSE = replace(WARNING, severity="critical", rule="CPU Critical", last_at=NOW + 60)
BY_DEFAULT = replace(HIGH, managed_by="default", notify_channels=("email",))
OVER = lifecycle.resolve(WARNING, NOW + 120, None)


def concerned(alert: Alert, rule: Rule | None, config: Config = CONFIG) -> tuple[str, ...]:
    return tuple(one.channel for one in routing.addressees(config, alert, rule))


def told(channel: str, state: str = "triggered", alert: int = 7, severity: str = "warning") -> dict[str, Told]:
    return {channel: Told(channel, alert, state, severity, NOW - 100)}


def plan(
    move: str, alert: Alert, known: dict[str, Told], *waiting: Pending, channels: str = "mail", **more: Any
) -> Plan:
    change = Change(move, alert, HIGH)  # type: ignore[arg-type]
    return routing.plan(change, to(channels), Circumstances(known, waiting, NOW, 3600.0, **more))


def to(channels: str, **how: Any) -> tuple[Addressee, ...]:
    return tuple(Addressee(name, **how) for name in channels.split())


def apart(found: Plan) -> list[tuple[str, str, float]]:
    """Channel, reason and seconds from now of what a plan adds."""
    return [(one.channel, one.reason, one.due_at - NOW) for one in found.due]


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
    ours, others = Pending(1, "ops", "triggered", False, 7), Pending(2, "mail", "triggered", False, 7)
    found = plan("escalated", WORSE, {}, ours, others, channels="ops")
    assert found.dropped == (1,)


def test_who_was_told_the_worst_is_not_told_it_again() -> None:
    knowing = told("mail", severity="critical")
    assert plan("escalated", WORSE, knowing).due == ()
    assert len(plan("escalated", replace(WORSE, id=8), knowing).due) == 1  # another alert's worst


def test_an_end_is_told_to_whoever_was_told_the_beginning() -> None:
    known = told("ops") | told("mail", "resolved", 6)
    assert plan("resolved", OVER, known).due == (Due("ops", "resolved", "resolved", NOW, group="server prod-1"),)


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


GROUP = "server prod-1"


def first(alert: Alert, gathering: Gathering | None = None, **more: Any) -> Due:
    """What one channel is due for a new alert of a group, in which others may gather already."""
    open_groups = {("mail", GROUP): gathering} if gathering is not None else {}
    at = Circumstances({}, (), NOW, 3600.0, gathering=open_groups, **more)
    (due,) = routing.plan(Change("triggered", alert, HIGH), to("mail", group=GROUP), at).due
    return due


def test_a_groups_first_critical_leaves_at_once_and_opens_the_group() -> None:
    due = first(WORSE)
    assert (due.due_at, due.gathers_until) == (NOW, NOW + 10)


def test_what_is_not_critical_gathers() -> None:
    due = first(WARNING)
    assert (due.due_at, due.gathers_until) == (NOW + 10, NOW + 10)


def test_followers_gather_until_the_group_closes() -> None:
    assert first(WORSE, Gathering(NOW + 4, critical=True)).due_at == NOW + 4
    assert first(WARNING, Gathering(NOW + 4, critical=False)).due_at == NOW + 4


def test_the_first_critical_among_warnings_leaves_at_once() -> None:
    due = first(WORSE, Gathering(NOW + 4, critical=False))
    assert (due.due_at, due.gathers_until) == (NOW, NOW + 4)


def test_a_child_waits_for_its_parents_to_be_looked_at() -> None:
    assert first(WORSE, patience=60.0).due_at == NOW + 60


def test_groups_are_servers_or_environments_or_what_a_route_says() -> None:
    placed = replace(WARNING, server=None, environment="shop-prod")
    assert [routing.group_of(one, None) for one in (WARNING, placed, replace(WARNING, server=None))] == [
        "server prod-1", "environment shop-prod", None,
    ]  # fmt: skip
    labelled = replace(WARNING, labels={"team": "shop"})
    assert routing.group_of(labelled, ("team", "severity")) == "team shop, severity warning"
    assert routing.group_of(WARNING, ()) == "everything"


@pytest.mark.parametrize(("at", "hour"), [(7200.0, 10800.0), (7200.1, 10800.0), (10799.9, 10800.0)])
def test_digests_leave_on_the_hour(at: float, hour: float) -> None:
    assert routing.next_hour(at) == hour


def how(config: Config, alert: Alert = WARNING, rule: Rule | None = None) -> list[tuple[str, bool]]:
    return [(one.channel, one.digest) for one in routing.addressees(config, alert, rule)]


def test_a_kind_is_timed_by_severity_and_a_name_is_told_at_once() -> None:
    assert how(CONFIG) == [("mail", True)]
    assert how(CONFIG, WORSE) == [("ops", False), ("mail", False)]
    assert how(CONFIG, WARNING, replace(HIGH, notify_channels=("mail",))) == [("mail", False)]
    assert how(CONFIG, WARNING, replace(HIGH, notify_channels=("email",))) == [("mail", True)]


def test_a_digest_route_and_a_digest_channel_gather_what_they_name() -> None:
    assert how(routed(Route({}, ("ops",), digest=True)), WORSE) == [("ops", True)]
    gathering = replace(CONFIG, channels=(OPS, replace(MAIL, digest=True)))
    assert how(gathering, WARNING, replace(HIGH, notify_channels=("mail",))) == [("mail", True)]


def test_a_route_may_go_on_to_the_next() -> None:
    config = routed(Route({}, ("ops",), goes_on=True, digest=True), Route({}, ("ops", "mail")), Route({}, ("none",)))
    assert how(config) == [("ops", False), ("mail", False)]


def test_a_route_matches_by_labels() -> None:
    config = routed(Route({}, ("ops",), labels={"team": "sh*"}))
    assert how(config, replace(WARNING, labels={"team": "shop"})) == [("ops", False)]
    assert how(config, WARNING) == [("mail", True)]


def test_an_end_is_told_in_a_digest_to_whom_the_beginning_was() -> None:
    known = {"mail": Told("mail", 7, "triggered", "warning", NOW - 100, digest=True)}
    (due,) = plan("resolved", OVER, known).due
    assert (due.digest, due.due_at) == (True, routing.next_hour(NOW))


def test_whoever_hears_of_ends_by_the_hour_hears_nothing_of_one_that_did_not_last() -> None:
    known = {"mail": Told("mail", 7, "triggered", "warning", NOW - 100, digest=True)}
    again = replace(WARNING, id=8)
    found = plan("triggered", again, known, Pending(1, "mail", "resolved", False, 7, digest=True))
    assert (found.dropped, found.hurried) == ((1,), ())
    over = plan("resolved", replace(OVER, id=8), known)
    assert [one.channel for one in over.due] == ["mail"]  # told by the alert before, and it believes in it still


def test_an_end_that_waits_leaves_at_once_when_the_trouble_comes_back() -> None:
    found = plan("triggered", replace(WORSE, id=8), told("mail"), Pending(1, "mail", "resolved", False, 7))
    assert (found.dropped, found.hurried) == ((), (1,))


def test_an_end_is_told_once() -> None:
    assert plan("resolved", OVER, told("ops"), Pending(1, "ops", "resolved", True, 6)) == Plan()


def test_an_acknowledgement_ends_reminders_and_calls() -> None:
    seen = lifecycle.acknowledge(WORSE, NOW, "alice", NOW + 3600)
    waiting = (
        Pending(1, "mail", "reminder", False, 7),
        Pending(2, "ops", "escalated", False, 7, change="escalated_to:1"),
    )
    found = plan("acknowledged", seen, told("mail"), *waiting, channels="mail ops")
    assert (apart(found), found.dropped) == ([("mail", "acknowledged", 0)], (1, 2))


def test_what_begins_to_flap_is_said_once_to_all_it_concerns() -> None:
    known = told("boss")
    found = plan(
        "triggered", WORSE, known, Pending(1, "ops", "triggered", False), channels="ops mail", restless="begins"
    )
    assert apart(found) == [("boss", "flapping", 0), ("mail", "flapping", 0), ("ops", "flapping", 0)]
    assert found.dropped == (1,)


@pytest.mark.parametrize("move", ["triggered", "escalated", "resolved"])
def test_what_goes_on_flapping_is_not_told(move: str) -> None:
    assert plan(move, WORSE, told("mail"), channels="ops mail", restless="goes on") == Plan()


def test_digests_gather_as_ever_while_it_flaps() -> None:
    at = Circumstances({}, (), NOW, 3600.0, restless="goes on")
    (due,) = routing.plan(Change("triggered", WARNING, HIGH), to("mail", digest=True), at).due
    assert (due.reason, due.digest) == ("triggered", True)


def test_what_has_settled_is_told_to_whoever_heard_that_it_flaps_and_to_nobody_else_if_it_is_over() -> None:
    known = {
        "ops": Told("ops", 7, "resolved", "critical", NOW - 100, at=NOW - 50),
        "mail": told("mail", "resolved")["mail"],
    }
    at = Circumstances(known, (), NOW)
    assert apart(routing.settled(OVER, NOW - 60, to("ops mail"), at)) == [("ops", "settled", 0)]
    still = routing.settled(WORSE, NOW - 60, to("ops mail"), at)
    assert apart(still) == [("ops", "settled", 0), ("mail", "triggered", 0)]


REMINDED = [("critical", None, 14_400.0), ("warning", None, None), ("critical", 0.0, None), ("warning", 60.0, 3600.0)]


@pytest.mark.parametrize(("severity", "wish", "after"), REMINDED)
def test_reminders_by_severity_or_wish_and_never_within_the_cooldown(
    severity: str, wish: float | None, after: float | None
) -> None:
    rule = replace(HIGH, remind_seconds=wish, cooldown_seconds=3600.0)
    assert routing.remind_after(replace(WARNING, severity=severity), rule) == after


def test_whom_to_call_where_nobody_acknowledges() -> None:
    rule = replace(HIGH, escalate_after_seconds=600.0, escalate_to=("ops",))
    config = routed(Route({}, ("mail",), escalate_after=60.0, escalate_to=("mail",)))
    wanted = routing.escalation(config, WARNING, rule)
    assert wanted is not None
    assert (wanted[0], [one.channel for one in wanted[1]]) == (600.0, ["ops"])
    by_route = routing.escalation(config, WARNING, HIGH)
    assert by_route is not None
    assert (by_route[0], [one.channel for one in by_route[1]]) == (60.0, ["mail"])
    assert routing.escalation(CONFIG, WARNING, HIGH) is None
