"""From observations to states, alerts, messages due and events, in the database."""

import json
from collections.abc import Iterator
from dataclasses import replace
from math import nan
from typing import Any

import pytest

import schemas
from alerting import own, pipeline
from alerting.config import Config, Organization
from alerting.store import alerts, database, events, subjects
from alerting.store.database import reading, transaction
from tests.alerting.heart import (
    CONFIG,
    CRITICAL,
    DOWN,
    HIGH,
    MAIL,
    NOW,
    SERVER,
    WEBSITE,
    cpu,
    deliver,
    every_alert,
    only_rules,
    rows,
    seen,
    site,
    the_alert,
    tick,
)

SLOW = only_rules(replace(HIGH, duration_seconds=300.0), replace(CRITICAL, duration_seconds=300.0))
MAIL_TOLD = [("mail", "triggered")]


@pytest.fixture(autouse=True)
def _open(store: str) -> None:
    """Every test has its own database."""


def restart(store: str) -> None:
    """The process ends; another opens the same database."""
    database.close_database()
    database.open_database(store)


def logged() -> list[tuple[str, dict[str, Any]]]:
    """The event log: type and data, each as its schema says."""
    with reading():
        found = [(event.type, json.loads(event.data)) for event in events.after(0)]
    for kind, data in found:
        assert schemas.faults(f"events/{kind}", data) == []
    return found


def kinds() -> list[str]:
    return [kind for kind, _ in logged() if kind.startswith("alert")]


def test_one_bad_look_is_one_alert_one_event_and_a_row_a_channel() -> None:
    assert site(0, "critical") == 1
    alert = the_alert()
    assert (alert.fingerprint, alert.severity, alert.status) == ("http_down:website:status", "critical", "triggered")
    assert rows() == [("ops", "triggered", 0), ("mail", "triggered", 0)]
    (data,) = [data for kind, data in logged() if kind == "alert_triggered"]
    assert data["alert_id"] == alert.id
    assert data["message"] == "it is critical"


def test_looking_again_counts_and_says_nothing() -> None:
    assert [site(30.0 * number, "critical") for number in range(4)] == [1, 0, 0, 0]
    assert the_alert().occurrences == 4
    assert len(rows()) == 2
    assert kinds() == ["alert_triggered"]


def test_a_duration_is_confirmed_by_the_first_breach_at_its_end() -> None:
    assert [cpu(at, 90, SLOW) for at in (0, 60, 120, 180, 240, 299)] == [0] * 6
    assert cpu(300, 90, SLOW) == 1
    assert (the_alert().started_at, the_alert().triggered_at) == (NOW, NOW + 300)


def test_a_duration_is_confirmed_by_a_tick_while_nothing_newer_contradicts() -> None:
    cpu(240, 90, SLOW)
    assert tick(539, SLOW) == 0
    cpu(480, 90, SLOW)
    assert tick(539, SLOW) == 0
    assert tick(540, SLOW) == 1
    assert tick(541, SLOW) == 0
    assert (the_alert().started_at, the_alert().occurrences) == (NOW + 240, 1)


def test_a_tick_confirms_nothing_that_nobody_looked_at_for_three_intervals() -> None:
    cpu(0, 90, SLOW)
    assert tick(300, SLOW) == 0


def test_a_dip_begins_the_wait_anew() -> None:
    for at, percent in ((0, 90), (240, 79), (270, 90), (330, 90), (569, 90)):
        assert cpu(at, percent, SLOW) == 0
    assert cpu(570, 90, SLOW) == 1


def test_a_missing_value_neither_breaks_nor_proves_a_wait() -> None:
    cpu(0, 90, SLOW)
    for at in (60, 120, 300, 330):
        assert cpu(at, None, SLOW) == 0
        assert tick(at, SLOW) == 0
    assert cpu(360, 90, SLOW) == 1
    assert the_alert().started_at == NOW


@pytest.mark.parametrize("values", [{}, {"cpu_percent": None}, {"cpu_percent": nan}])
def test_unknown_neither_raises_nor_resolves(values: dict[str, float | None]) -> None:
    cpu(0, 90)
    unknown = seen("server/prod-1", 60, "unknown", "the probe broke", **values)
    assert pipeline.ingest(CONFIG, [unknown], NOW + 60) == 0
    assert the_alert().status == "triggered"
    site(0, "unknown")
    assert len(every_alert()) == 1


def test_a_wait_survives_a_restart_and_is_neither_reset_nor_shortened(store: str) -> None:
    cpu(0, 90, SLOW)
    cpu(240, 90, SLOW)
    restart(store)
    assert tick(299, SLOW) == 0
    assert cpu(300, 90, SLOW) == 1
    assert the_alert().started_at == NOW


def test_failures_in_a_row_survive_a_restart(store: str) -> None:
    patient = replace(CONFIG, watches=(replace(WEBSITE, failures=3),))
    assert [site(0, "critical", patient), site(30, "critical", patient)] == [0, 0]
    restart(store)
    assert site(60, "critical", patient) == 1


def test_warning_and_critical_share_one_alert() -> None:
    cpu(0, 85)
    first = the_alert()
    assert (first.severity, rows()) == ("warning", [("mail", "triggered", 10)])
    deliver(10)
    cpu(60, 97)
    risen = the_alert()
    assert (risen.id, risen.severity) == (first.id, "critical")
    assert rows("pending") == [("ops", "triggered", 60), ("mail", "escalated", 60)]
    assert kinds() == ["alert_triggered", "alert_triggered"]
    deliver(61)
    cpu(120, 85)
    assert (the_alert().id, the_alert().severity, rows("pending")) == (first.id, "warning", [])
    cpu(180, 20)
    assert sorted(rows("pending")) == [("mail", "resolved", 180), ("ops", "resolved", 180)]


def test_an_alert_that_eased_untold_and_rose_again_is_told_nothing_new() -> None:
    cpu(0, 97)
    deliver(1)
    for at, percent in ((60, 85), (120, 97), (180, 85), (240, 97)):
        cpu(at, percent)
    assert rows("pending") == []


def test_the_database_holds_one_unresolved_alert_a_fingerprint() -> None:
    cpu(0, 90)
    with pytest.raises(database.IntegrityError), transaction():
        alerts.save(replace(the_alert(), id=0))
    with transaction():
        alerts.save(replace(the_alert(), id=0, resolved_at=NOW, status="resolved"))


def test_fired_and_resolved_before_any_message_left_nothing_is_said() -> None:
    site(0, "critical")
    site(30, "ok")
    assert rows("pending") == []
    assert kinds() == ["alert_triggered", "alert_resolved"]


def test_whoever_was_told_is_told_the_end_and_nobody_else() -> None:
    site(0, "critical")
    assert deliver(1, "ops") == [("ops", "triggered")]
    site(30, "ok")
    assert rows("pending") == [("ops", "resolved", 30)]


def test_a_cooldown_defers_and_the_occurrence_is_counted() -> None:
    cpu(0, 90)
    deliver(10)
    cpu(60, 20)
    deliver(61)
    cpu(120, 90)
    assert rows("pending") == [("mail", "triggered", 3610)]
    assert every_alert()[-1].occurrences == 2
    assert deliver(3609) == []
    assert deliver(3610) == MAIL_TOLD


def test_a_deferred_message_that_has_become_untrue_is_never_sent() -> None:
    cpu(0, 90)
    deliver(10)
    cpu(60, 20)
    deliver(61)
    cpu(120, 90)
    cpu(180, 20)
    assert deliver(4000) == []


def test_a_cooldown_never_holds_a_critical_alert_back() -> None:
    site(0, "critical")
    deliver(1)
    site(30, "ok")
    deliver(31)
    site(60, "critical")
    assert sorted(rows("pending")) == [("mail", "triggered", 60), ("ops", "triggered", 60)]


def test_a_rise_ends_the_wait_of_a_cooldown() -> None:
    cpu(0, 90)
    deliver(1)
    cpu(60, 20)
    deliver(61)
    cpu(120, 90)
    cpu(180, 97)
    assert sorted(rows("pending")) == [("mail", "triggered", 180), ("ops", "triggered", 180)]


def test_resolved_by_hand_nothing_opens_until_an_ok_observation() -> None:
    cpu(0, 90)
    deliver(10)
    assert pipeline.resolve(CONFIG, the_alert().id, "alice", NOW + 30) is not None
    assert rows("pending") == [("mail", "resolved", 30)]
    assert [cpu(60, 90), tick(61), cpu(120, 97), tick(130)] == [0, 0, 0, 0]
    cpu(180, 20)
    assert cpu(240, 90) == 1
    assert [alert.resolved_by for alert in every_alert()] == ["alice", None]


def test_resolved_by_hand_the_cooldown_is_the_longest_it_is_held() -> None:
    cpu(0, 90)
    pipeline.resolve(CONFIG, the_alert().id, "alice", NOW + 30)
    assert cpu(3629, 90) == 0
    assert tick(3630) == 1
    assert len(every_alert()) == 2


def test_the_hold_is_the_cooldown_of_the_rule_that_raised_it() -> None:
    namesake = replace(HIGH, severity="critical", threshold=95.0, cooldown_seconds=60.0)
    config = only_rules(namesake, HIGH)
    cpu(0, 90, config)
    pipeline.resolve(config, the_alert().id, "alice", NOW)
    assert the_alert().held_until == NOW + 3600


def test_resolving_and_acknowledging_twice_change_nothing_more() -> None:
    cpu(0, 90)
    first = the_alert().id
    acknowledged = pipeline.acknowledge(CONFIG, first, "alice", NOW + 10)
    assert pipeline.acknowledge(CONFIG, first, "bob", NOW + 20) == acknowledged
    resolved = pipeline.resolve(CONFIG, first, "alice", NOW + 30)
    assert pipeline.resolve(CONFIG, first, "bob", NOW + 40) == resolved
    assert pipeline.acknowledge(CONFIG, first, "bob", NOW + 50) == resolved
    assert kinds() == ["alert_triggered", "alert_acknowledged", "alert_resolved"]
    assert pipeline.resolve(CONFIG, 4711, "alice", NOW) is None
    assert pipeline.acknowledge(CONFIG, 4711, "alice", NOW) is None


def without(**gone: Any) -> Config:
    return replace(CONFIG, **gone)


@pytest.mark.parametrize(
    "config",
    [
        without(rules=(HIGH, CRITICAL)),
        without(rules=(HIGH, CRITICAL, replace(DOWN, is_active=False))),
        without(watches=(SERVER,)),
        without(watches=(SERVER, replace(WEBSITE, kind="info"))),
        without(watches=(SERVER, replace(WEBSITE, organization="globex"))),
    ],
    ids=["rule gone", "rule inactive", "check gone", "check of another kind", "check of another organization"],
)
def test_what_the_configuration_no_longer_watches_is_resolved_and_told(config: Config) -> None:
    site(0, "critical")
    deliver(1)
    assert pipeline.reconcile(CONFIG, NOW + 10) == 0
    assert pipeline.reconcile(config, NOW + 20) == 1
    assert pipeline.reconcile(config, NOW + 30) == 0
    assert the_alert().message == "no longer watched"
    assert sorted(rows("pending")) == [("mail", "resolved", 20), ("ops", "resolved", 20)]
    assert kinds()[-1] == "alert_resolved"


def test_a_removed_rule_of_one_severity_leaves_the_alert_of_the_other() -> None:
    cpu(0, 97)
    config = only_rules(HIGH)
    assert pipeline.reconcile(config, NOW + 30) == 0
    cpu(60, 97, config)
    assert (the_alert().severity, the_alert().status) == ("warning", "triggered")


def test_a_wait_does_not_outlive_its_rule() -> None:
    cpu(0, 90, SLOW)
    cpu(60, 90, only_rules(DOWN))
    assert cpu(400, 90, SLOW) == 0
    assert cpu(700, 90, SLOW) == 1
    assert the_alert().started_at == NOW + 400


def test_a_wait_under_a_raised_threshold_is_not_confirmed() -> None:
    cpu(0, 85, SLOW)
    cpu(240, 85, SLOW)
    raised = only_rules(replace(HIGH, duration_seconds=300.0, threshold=90.0))
    assert tick(300, raised) == 0
    assert every_alert() == []


def test_an_alert_under_a_raised_threshold_is_over() -> None:
    cpu(0, 85)
    pipeline.reconcile(only_rules(replace(HIGH, threshold=90.0)), NOW + 30)  # what follows an edit, at once
    assert the_alert().status == "resolved"


def test_the_first_round_after_a_gap_only_observes() -> None:
    assert site(0, "critical", only_observe=True) == 0
    assert tick(1) == 0
    with reading():
        assert subjects.states()["check/website"].observation.status == "critical"
    assert site(30, "critical") == 1
    assert the_alert().started_at == NOW + 30


def test_after_a_gap_a_wait_begins_anew() -> None:
    cpu(0, 90, SLOW)
    assert cpu(3600, 90, SLOW, only_observe=True) == 0
    assert [tick(3601, SLOW), cpu(3660, 90, SLOW), cpu(3959, 90, SLOW)] == [0, 0, 0]
    assert cpu(3960, 90, SLOW) == 1


def test_after_a_gap_an_open_alert_goes_on_and_an_end_is_an_end() -> None:
    cpu(0, 90)
    site(0, "critical")
    assert cpu(3600, 90, only_observe=True) == 0
    assert site(3600, "ok", only_observe=True) == 1
    assert [alert.status for alert in every_alert()] == ["triggered", "resolved"]
    cpu(3660, 20)
    assert every_alert()[0].status == "resolved"


def test_an_observation_older_than_the_one_kept_is_left_out() -> None:
    site(60, "ok")
    assert pipeline.ingest(CONFIG, [seen("check/website", 30, "critical")], NOW + 61) == 0
    assert every_alert() == []


def test_what_a_clock_set_wrong_stamped_in_the_future_blinds_nobody() -> None:
    site(86_400, "ok")
    assert site(0, "critical") == 1


def test_late_observations_count_the_time_of_their_looking_not_of_their_coming() -> None:
    late = NOW + 3600
    assert pipeline.ingest(SLOW, [seen("server/prod-1", 0, cpu_percent=90.0)], late) == 0
    assert pipeline.ingest(SLOW, [seen("server/prod-1", 60, cpu_percent=20.0)], late) == 0


def test_an_observation_of_something_unknown_is_left_out() -> None:
    assert pipeline.ingest(CONFIG, [seen("check/other", 0, "critical")], NOW) == 0


def test_what_no_database_takes_is_made_fit() -> None:
    odd = seen("check/website", 0, "critical", "one\x00two\nthree\ud800", latency_seconds=nan)
    assert pipeline.ingest(CONFIG, [odd], NOW) == 1
    with reading():
        kept = subjects.states()["check/website"].observation
    assert kept.message == "onetwo three"
    assert kept.values["latency_seconds"] is None


def test_a_silent_subject_is_unknown_after_three_intervals_and_said_once() -> None:
    site(0, "ok")
    assert pipeline.mark_stale(CONFIG, NOW + 90, NOW) == 0
    pipeline.mark_stale(CONFIG, NOW + 91, NOW)
    pipeline.mark_stale(CONFIG, NOW + 92, NOW)
    statuses = [data["status"] for kind, data in logged() if kind == "check.updated"]
    assert statuses == ["ok", "unknown"]


def test_nobody_is_silent_while_nobody_looked() -> None:
    site(0, "ok")
    pipeline.mark_stale(CONFIG, NOW + 3600, acting_since=NOW + 3590)
    with reading():
        assert subjects.states()["check/website"].observation.status == "ok"


def test_what_tells_its_status_all_the_same_is_not_silent() -> None:
    pipeline.ingest(CONFIG, [seen("check/website", 0, "ok")], NOW)
    for second in (30, 60, 90, 120):
        told = replace(seen("check/website", second, "unknown", "could not ask"), values={"status": 2.0})
        pipeline.ingest(CONFIG, [told], NOW + second)
        with reading():
            values = subjects.states()["check/website"].observation.values
        assert values[pipeline.SILENT_INTERVALS] == 0.0
    pipeline.ingest(CONFIG, [seen("check/website", 150, "unknown", "could not ask")], NOW + 150)
    with reading():
        assert (subjects.states()["check/website"].observation.values[pipeline.SILENT_INTERVALS] or 0) > 3


def test_how_long_nobody_could_tell_is_a_metric() -> None:
    blind = replace(DOWN, name="Blind", alert_type="check_failed", metric_name=pipeline.SILENT_INTERVALS,
                    threshold=3.0, severity="warning", kinds=())  # fmt: skip
    config = only_rules(blind)
    site(0, "ok", config)
    assert [site(30, "unknown", config), site(60, "unknown", config)] == [0, 0]
    assert site(90, "unknown", config) == 1
    assert site(120, "ok", config) == 1
    assert the_alert().status == "resolved"


def test_observations_worth_no_event_leave_none() -> None:
    for at in (0, 30, 60):
        site(at, "ok")
    site(90, "critical")
    assert [kind for kind, _ in logged()] == ["check.updated", "check.updated", "alert_triggered"]


def test_a_batch_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("here the process dies")

    with monkeypatch.context() as patch:
        patch.setattr(pipeline.events, "append", broken)
        with pytest.raises(RuntimeError):
            site(0, "critical")
    assert (every_alert(), rows(), logged()) == ([], [], [])
    with reading():
        assert subjects.states() == {}
    assert site(1, "critical") == 1


@pytest.fixture
def self_rules() -> Iterator[Config]:
    rule = replace(DOWN, name="Vedette Itself", alert_type="self", kinds=())
    yield only_rules(rule)


def test_our_own_trouble_is_resolved_with_the_channel_it_is_about(self_rules: Config) -> None:
    own.observe(self_rules, "channel.ops", "refused", NOW)
    deliver(1)
    assert pipeline.reconcile(self_rules, NOW + 10) == 0
    gone = replace(self_rules, channels=(MAIL,))
    assert pipeline.reconcile(gone, NOW + 20) == 1
    assert ("mail", "resolved", 20) in rows("pending")


def test_our_own_trouble_is_resolved_when_it_gets_another_name(self_rules: Config) -> None:
    own.observe(self_rules, "scheduler", "silent", NOW)
    two = replace(self_rules, organizations=(Organization("acme", "Acme"), Organization("globex", "Globex")))
    assert pipeline.reconcile(self_rules, NOW + 10) == 0
    assert pipeline.reconcile(two, NOW + 20) == 1
    own.observe(two, "scheduler", "silent", NOW + 30)
    assert pipeline.reconcile(two, NOW + 40) == 0
    assert pipeline.reconcile(self_rules, NOW + 50) == 2


def test_our_own_trouble_is_resolved_with_its_organization(self_rules: Config) -> None:
    slugs = ("acme", "globex", "initech")
    three = replace(self_rules, organizations=tuple(Organization(slug, slug) for slug in slugs))
    own.observe(three, "scheduler", "silent", NOW)
    two = replace(three, organizations=three.organizations[:2])
    assert pipeline.reconcile(two, NOW + 10) == 1
    assert [alert.organization for alert in every_alert() if alert.resolved_at is not None] == ["initech"]
