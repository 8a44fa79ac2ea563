"""Reports of other programs in the heart: one alert each, told in order, routed and resolved like everything else."""

from dataclasses import replace
from typing import Any

import pytest

from alerting import hooked, pipeline, reports
from alerting.config import Config, Environment, Hook, Rule, Watch
from alerting.configuration.rules import default_rules
from alerting.lifecycle import Alert
from alerting.reports import Made
from alerting.sources import Report, netdata
from alerting.store import alerts, subjects
from alerting.store.database import reading
from tests.alerting.heart import CONFIG as HEART
from tests.alerting.heart import NOW, deliver, every_alert, rows, the_alert
from tests.alerting.test_source_netdata import CAPTURED

HOOK = Hook("main", "acme", "alertmanager")
CONFIG = replace(HEART, hooks=(HOOK,), rules=default_rules())
GUID = "22222222-2222-11f0-8002-000000000002"


def told(when: float, level: int | None, config: Config = CONFIG, one: str = "a", **more: Any) -> str:
    """Report an alert at a moment of the story; what was made of it."""
    more = {name: NOW + value if name in ("at", "started_at") else value for name, value in more.items()}
    (made,) = take(when, Report(one, f"Trouble {one}", level, f"it is {level}", **more), config=config)
    return made.outcome


def take(at: float, *several: Report, config: Config = CONFIG) -> list[Made]:
    return reports.take(config, config.hooks[0], several, NOW + at)


def open_alerts() -> list[Alert]:
    with reading():
        return alerts.unresolved()


@pytest.mark.parametrize(("level", "severity"), [(1, "info"), (2, "warning"), (3, "critical")])
def test_a_report_is_an_alert_until_its_program_says_it_is_over(store: str, level: int, severity: str) -> None:
    assert told(0, level) == "raised"
    alert = the_alert()
    assert (alert.fingerprint, alert.alert_type) == ("custom:hook/main/a:reported", "custom")
    assert (alert.severity, alert.title, alert.reason) == (severity, "Trouble a", f"it is {level}")
    assert told(60, 0) == "resolved"
    assert the_alert().resolved_at == NOW + 60
    assert told(70, 0) == "nothing"


def test_it_is_told_by_the_severity_policy_and_its_end_as_well(store: str) -> None:
    told(0, 3)
    assert sorted(row[:2] for row in rows("pending")) == [("mail", "triggered"), ("ops", "triggered")]
    deliver(1)
    told(60, 0)
    assert sorted(row[:2] for row in rows("pending")) == [("mail", "resolved"), ("ops", "resolved")]


def test_the_same_again_is_one_alert_and_an_occurrence(store: str) -> None:
    told(0, 2)
    assert told(60, 2) == "repeated"
    assert (the_alert().occurrences, the_alert().last_at) == (2, NOW + 60)


def test_its_severity_rises_and_falls(store: str) -> None:
    outcomes = [told(at, level) for at, level in ((0, 2), (60, 3), (120, 1))]
    assert outcomes == ["raised", "changed", "changed"]
    assert the_alert().severity == "info"


def test_it_began_when_its_program_says(store: str) -> None:
    told(0, 3, started_at=-3600)
    told(1, 3, one="b", started_at=3600)  # by a clock that is ahead
    assert [alert.started_at - NOW for alert in every_alert()] == [-3600, 1]
    assert [alert.triggered_at - NOW for alert in every_alert()] == [0, 1]


def test_labels_and_the_link_come_along(store: str) -> None:
    told(0, 3, labels={"team": "shop", "hook": "not so"}, url="http://prometheus/")
    assert the_alert().labels == {"team": "shop", "hook": "main", "url": "http://prometheus/"}


def test_what_comes_too_late_raises_nothing_anew(store: str) -> None:
    told(0, 3, at=-10)
    assert told(5, 0, at=-5) == "resolved"
    assert told(10, 3, at=-10) == "late"
    assert told(20, 2, at=-7) == "late"
    assert open_alerts() == []
    assert told(30, 3, at=25) == "raised"


def test_an_end_that_overtakes_its_beginning_is_remembered(store: str) -> None:
    assert told(0, 0, at=-1) == "nothing"
    assert told(1, 3, at=-3) == "late"
    assert every_alert() == []


def test_of_one_second_the_numbers_tell_the_order(store: str) -> None:
    told(0, 3, at=-10, number=4)
    assert told(1, 0, at=-10, number=5) == "resolved"
    assert told(2, 3, at=-10, number=4) == "late"
    assert told(3, 3, at=-10, number=6) == "raised"


def test_a_program_whose_clock_was_ahead_is_heard_after_it_was_set_right(store: str) -> None:
    told(0, 3, at=7200)
    assert told(5, 0, at=4) == "resolved"


def test_what_is_played_back_a_year_later_raises_nothing(store: str) -> None:
    year = 365 * 86_400.0
    assert told(0, 3, at=-year) == "too_old"
    assert told(1, 3, at=-86_000) == "raised"
    assert told(2, 0, one="c", at=-year) == "nothing"
    told(3, 3, one="d", at=-5)
    assert told(4, 0, one="d", at=-year) == "late"
    assert len(open_alerts()) == 2


def test_what_fires_for_a_year_is_no_playback(store: str) -> None:
    """An Alertmanager tells what is true now, which may have begun long ago."""
    assert told(0, 3, at=-3e7, started_at=-3e7, goes_on=True) == "raised"


def test_an_alertmanager_that_insists_is_believed(store: str) -> None:
    """It lost sight of Prometheus, told the end, and tells the same incident again: a minute later that is no stray."""
    incident = {"started_at": -600.0, "goes_on": True}
    told(0, 3, at=-600, **incident)
    assert told(300, 0, at=290, **incident) == "resolved"
    assert told(310, 3, at=-600, **incident) == "late"  # another of the cluster, behind by a moment
    assert told(400, 3, at=-9000, started_at=-9000, goes_on=True) == "late"  # an older incident, played back
    assert told(400, 3, at=-600, **incident) == "raised"
    assert told(500, 3, at=-600, **incident) == "repeated"
    assert told(600, 0, at=590, **incident) == "resolved"


def test_what_cannot_be_told_changes_nothing(store: str) -> None:
    told(0, 3)
    assert told(60, None) == "unknown"
    assert len(open_alerts()) == 1


def test_two_requests_may_have_their_turn_in_any_order(store: str) -> None:
    told(5.0, 2, at=1)
    assert told(4.9, 0, at=2) == "resolved"  # it came first, and waited
    assert open_alerts() == []


def test_a_payload_may_tell_of_one_alert_twice(store: str) -> None:
    made = take(0, Report("a", "A", 3, at=NOW - 1), Report("b", "B", 2), Report("a", "A", 0, at=NOW - 2))
    assert [(one.report.id, one.outcome) for one in made] == [("a", "raised"), ("b", "raised")]
    assert [one.alert for one in made] == [alert.id for alert in every_alert()]


def test_many_at_once(store: str) -> None:
    many = [Report(str(number), f"Alert {number}", 3) for number in range(1200)]
    assert {one.outcome for one in take(0, *many)} == {"raised"}
    assert len(open_alerts()) == 1200
    take(1, *(replace(one, level=0) for one in many))
    assert open_alerts() == []


def test_a_captured_story_of_two_hosts(store: str) -> None:
    hook = Hook("main", "acme", "netdata")
    for version, stories in CAPTURED.items():
        start = float(stories[0]["when"])
        for payload in stories:
            (made,) = reports.take(CONFIG, hook, netdata.reports(payload, hook), float(payload["when"]) + 0.5)
            assert made.outcome in ("raised", "changed", "resolved"), (version, payload)
        for payload in stories:  # and all of it played back
            for one in reports.take(CONFIG, hook, netdata.reports(payload, hook), start + 600):
                assert one.outcome in ("late", "nothing", "repeated")
    assert {alert.title for alert in open_alerts()} <= {"test_cpu_low on parent", "test_cpu_low on child1"}


def test_a_rule_of_the_teams_own_takes_the_place_of_the_default(store: str) -> None:
    patient = Rule("Patient", "custom", "critical", "reported", ">=", 3, 300, subjects=("hook/main/*",), failures=1)
    config = replace(CONFIG, rules=(patient, *default_rules()))
    told(0, 3, config)
    assert the_alert().severity == "warning"  # which the default for warnings still says
    assert pipeline.tick(config, NOW + 200) == 0
    assert pipeline.tick(config, NOW + 301) == 1
    assert the_alert().severity == "critical"
    assert (the_alert().title, the_alert().labels) == ("Trouble a", {"hook": "main"})


def test_a_custom_rule_about_something_else_leaves_reports_alone(store: str) -> None:
    queue = Rule("Queue", "custom", "critical", "queue_length", ">", 100)
    told(0, 3, replace(CONFIG, rules=(queue, *default_rules())))
    assert the_alert().rule == "Reported Critical"


def test_a_wait_runs_out_although_nothing_more_is_reported(store: str) -> None:
    slow = Rule("Slow", "custom", "warning", "reported", ">=", 2, 300, subjects=("hook/*",), labels={"slow": "yes"})
    config = replace(CONFIG, rules=(slow,))
    told(0, 2, config, labels={"team": "shop"}, started_at=-60.0)
    assert every_alert() == []
    assert pipeline.tick(config, NOW + 301) == 1
    assert the_alert().labels == {"team": "shop", "hook": "main", "slow": "yes"}
    assert the_alert().started_at == NOW - 60


def test_a_person_resolves_it_and_it_is_not_raised_anew_at_once(store: str) -> None:
    told(0, 3)
    pipeline.resolve(CONFIG, the_alert().id, "alice", NOW + 10)
    assert told(60, 3) == "repeated"
    assert open_alerts() == []
    told(120, 0)
    assert told(180, 3) == "raised"
    assert len(open_alerts()) == 1


def test_it_stays_while_its_hook_is_declared_and_ends_with_it(store: str) -> None:
    told(0, 3)
    assert pipeline.reconcile(CONFIG, NOW + 60) == 0
    pipeline.mark_stale(CONFIG, NOW + 86_400 * 3, NOW)
    assert len([alert for alert in open_alerts() if alert.subject == "hook/main/a"]) == 1
    without = replace(CONFIG, hooks=())
    assert pipeline.reconcile(without, NOW + 86_400 * 3) == 1
    assert every_alert()[0].message == "no longer watched"
    with reading():
        assert subjects.states(["hook/main/a"]) == {}


def test_a_hook_that_went_to_another_organization_left_nothing_behind(store: str) -> None:
    told(0, 3, at=-5.0)
    theirs = replace(CONFIG, hooks=(replace(HOOK, organization="globex"),))
    assert pipeline.reconcile(theirs, NOW + 60) == 1
    assert told(61, 3, theirs, at=-10.0) == "raised"
    assert open_alerts()[0].organization == "globex"


def test_silence_ends_an_alert_only_where_the_hook_says_so(store: str) -> None:
    told(0, 3)
    assert reports.expire(CONFIG, NOW + 1e6) == 0
    config = replace(CONFIG, hooks=(replace(HOOK, expire=3600.0),))
    told(1800, 3, config)
    assert reports.expire(config, NOW + 5400) == 0
    assert reports.expire(config, NOW + 5401) == 1
    assert open_alerts() == []
    assert reports.expire(config, NOW + 9000) == 0
    with reading():
        seen = subjects.states(["hook/main/a"])["hook/main/a"].observation
    assert seen.message == "not heard of for 1 hour: taken to be over"
    assert told(9100, 3, config) == "raised"


def test_what_is_over_is_forgotten_after_a_week(store: str) -> None:
    told(0, 3, one="open")
    told(0, 3, one="over")
    told(10, 0, one="over")
    assert reports.forget(NOW + reports.FORGOTTEN_AFTER) == 0
    assert reports.forget(NOW + reports.FORGOTTEN_AFTER + 11) == 1
    with reading():
        assert list(subjects.states()) == ["hook/main/open"]


NETDATA = Watch("server/prod-1", "netdata", "acme", 60.0, {"url": "http://10.0.0.5:19999"}, server="prod-1")
STREAMING = Watch(
    "server/prod-2", "netdata", "acme", 60.0, {"url": "http://p:1", "machine_guid": GUID}, server="prod-2"
)
LOCAL = Watch("server/this", "local", "acme", 60.0, {}, server="this")
SSH = Watch("server/prod-4", "netdata", "acme", 60.0, {"ssh": "monitor@prod-4.acme.example"}, server="prod-4")
THEIRS = Watch("server/theirs", "local", "globex", 60.0, {}, server="theirs")
PLACES = replace(
    CONFIG,
    watches=(NETDATA, STREAMING, LOCAL, SSH, THEIRS),
    environments=(Environment("shop-prod", "acme", "shop", "prod-2"), Environment("their-prod", "globex", "p")),
)


@pytest.mark.parametrize(
    ("names", "place"),
    [
        (("prod-1",), ("prod-1", None, None)),
        (("PROD-1:9100",), ("prod-1", None, None)),
        (("10.0.0.5:9100",), ("prod-1", None, None)),
        ((GUID.upper(), "web"), ("prod-2", None, None)),
        (("prod-4.acme.example",), ("prod-4", None, None)),
        (("shop-prod",), ("prod-2", "shop-prod", "shop")),
        (("prod-1", "shop-prod"), ("prod-1", "shop-prod", "shop")),
        (("p",), (None, None, None)),  # a parent's address is no name of its children
        (("theirs", "their-prod"), (None, None, None)),
        (("nobody:x", ""), (None, None, None)),
        ((), (None, None, None)),
    ],
)
def test_where_it_is_of_what_is_declared(
    store: str, names: tuple[str, ...], place: tuple[str | None, str | None, str | None]
) -> None:
    told(0, 3, PLACES, names=names)
    alert = the_alert()
    assert (alert.server, alert.environment, alert.project) == place


def test_whatever_stands_in_the_place_of_a_subject_is_no_watch() -> None:
    for subject in ("hook/main", "hook/main/", "hook/gone/a", "server/main/a", "", "hook"):
        assert hooked.watch_of(CONFIG, subject) is None
    found = hooked.watch_of(CONFIG, "hook/main/a/b")
    assert found is not None and not found.is_probed
