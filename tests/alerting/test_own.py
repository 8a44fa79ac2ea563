"""Vedette's own parts: observed, judged and told like anybody's, and not written down while all is well."""

import json
from dataclasses import replace

import pytest

from alerting import own, pipeline
from alerting.config import Channel, Config, Organization
from alerting.store import events, settings_table, subjects
from alerting.store.database import reading, transaction
from tests.alerting.heart import CONFIG, DOWN, NOW, deliver, every_alert, only_rules, rows, the_alert

RULE = replace(DOWN, name="Vedette Itself", alert_type="self", kinds=(), notify_channels=())
ALONE = only_rules(RULE)
TWO = replace(
    ALONE,
    organizations=(Organization("acme", "Acme"), Organization("globex", "Globex")),
    channels=(*CONFIG.channels, Channel("theirs", "slack", "globex", {})),
)


@pytest.fixture(autouse=True)
def _open(store: str) -> None:
    """Every test has its own database."""


def observe(at: float, fault: str | None, config: Config = ALONE, part: str = "scheduler") -> None:
    own.observe(config, part, fault, NOW + at)


def test_trouble_is_one_critical_alert_and_its_end_is_told() -> None:
    for at in (0, 5, 10):
        observe(at, "nothing is being checked")
    alert = the_alert()
    assert (alert.fingerprint, alert.severity) == ("self:scheduler:status", "critical")
    assert alert.message == "nothing is being checked"
    assert sorted(deliver(11)) == [("mail", "triggered"), ("ops", "triggered")]
    observe(20, None)
    assert the_alert().status == "resolved"
    assert sorted(deliver(21)) == [("mail", "resolved"), ("ops", "resolved")]


def test_what_is_well_is_not_written_down() -> None:
    observe(0, None)
    with reading():
        assert subjects.states() == {}
        assert events.after(0) == []


def test_each_organization_is_told_of_its_own_alert() -> None:
    observe(0, "silent", TWO)
    assert {(alert.organization, alert.subject) for alert in every_alert()} == {
        ("acme", "self/acme.scheduler"),
        ("globex", "self/globex.scheduler"),
    }
    assert sorted(channel for channel, _, _ in rows()) == ["mail", "ops", "theirs"]
    with reading():
        scopes = {(event.organization, json.loads(event.data)["alert_id"]) for event in events.after(0)}
    assert scopes == {(alert.organization, alert.id) for alert in every_alert()}


def test_trouble_may_concern_one_organization_alone() -> None:
    own.observe(TWO, "channel.theirs", "refused", NOW, ["globex"])
    assert [alert.organization for alert in every_alert()] == ["globex"]


def test_where_nobody_is_declared_the_trouble_is_still_kept() -> None:
    observe(0, "silent", replace(ALONE, organizations=()))
    assert the_alert().organization == "default"


def test_well_after_a_persons_resolve_the_next_trouble_is_a_new_one() -> None:
    observe(0, "silent")
    pipeline.resolve(ALONE, the_alert().id, "alice", NOW + 10)
    observe(20, "silent")
    assert len(every_alert()) == 1
    observe(30, None)
    observe(40, "silent again")
    assert [alert.status for alert in every_alert()] == ["resolved", "triggered"]


def test_well_before_a_wait_is_over_ends_the_wait() -> None:
    slow = only_rules(replace(RULE, duration_seconds=60.0))
    observe(0, "silent", slow)
    observe(10, None, slow)
    observe(100, "silent", slow)
    assert every_alert() == []


def ticked(at: float) -> None:
    with transaction():
        settings_table.put(settings_table.SCHEDULER, {"at": NOW + at})


def migrated(at: float) -> None:
    with transaction():
        settings_table.put("migrated_at", NOW + at)


def test_a_scheduler_that_ticks_is_well() -> None:
    migrated(-10_000)
    ticked(0)
    assert own.scheduler_fault(NOW + 119) is None
    fault = own.scheduler_fault(NOW + 180)
    assert fault is not None
    assert "for 3 minutes" in fault


def test_a_scheduler_that_never_ticked_has_two_minutes_from_the_migration() -> None:
    migrated(0)
    assert own.scheduler_fault(NOW + 119) is None
    fault = own.scheduler_fault(NOW + 120)
    assert fault is not None
    assert "ever" in fault
