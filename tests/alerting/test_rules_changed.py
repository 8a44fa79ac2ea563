"""A rule of the API's is changed or deleted: its alert is judged anew, ends, and everybody who knew of it is told."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from alerting import pipeline
from alerting.config import Config
from alerting.overlay import in_force
from alerting.store import rules, subjects
from alerting.store.database import reading
from tests.alerting.heart import CONFIG, NOW, SERVER, cpu, deliver, every_alert, rows, the_alert, tick

WORLD = replace(CONFIG, rules=())
ITEM: dict[str, Any] = {
    "name": "Warm CPU",
    "alert_type": "cpu_high",
    "severity": "warning",
    "metric_name": "cpu_percent",
    "threshold": 80,
    "duration_seconds": 0,
    "notify_channels": ["mail"],
}


def made(**more: Any) -> tuple[int, Config]:
    """A rule made by the API, and the configuration it is in force in."""
    number = rules.add("acme", {**ITEM, **more}, "alice", NOW).id
    return number, in_force(WORLD)


def edited(number: int, **more: Any) -> Config:
    rules.change(number, {**ITEM, **more}, "alice", NOW)
    return in_force(WORLD)


def deleted(number: int) -> Config:
    rules.remove(number)
    return in_force(WORLD)


def open_alert(config: Config) -> None:
    cpu(0, 90, config)
    assert the_alert().status == "triggered"
    assert deliver(10) == [("mail", "triggered")]


def taken(config: Config, at: float) -> None:
    """What the scheduler does within seconds of a change."""
    pipeline.reconcile(config, NOW + at)
    tick(at + 1, config)


def told() -> list[tuple[str, str]]:
    return [(channel, reason) for channel, reason, _ in rows()]


@pytest.mark.parametrize(
    "change",
    [
        lambda number: edited(number, threshold=95),
        lambda number: edited(number, is_active=False),
        lambda number: edited(number, metric_name="memory_percent"),
        lambda number: edited(number, alert_type="custom", threshold=95),
        lambda number: edited(number, subjects=["server/other"]),
        lambda number: edited(number, operator="<"),
        deleted,
    ],
)
@pytest.mark.parametrize("is_acknowledged", [False, True])
def test_what_the_rule_does_not_say_any_more_is_over_and_told(
    store: str, change: Callable[[int], Config], is_acknowledged: bool
) -> None:
    number, config = made()
    open_alert(config)
    if is_acknowledged:
        pipeline.acknowledge(config, the_alert().id, "alice", NOW + 2)
    taken(change(number), 10)
    assert the_alert().status == "resolved"
    assert ("mail", "resolved") in told()


@pytest.mark.parametrize(
    "more", [{"threshold": 85}, {"threshold": 50}, {"name": "Renamed"}, {"duration_seconds": 600}, {"failures": 5}]
)
def test_what_still_holds_goes_on(store: str, more: dict[str, Any]) -> None:
    number, config = made()
    open_alert(config)
    config = edited(number, **more)
    taken(config, 10)
    cpu(60, 90, config)
    assert the_alert().status == "triggered"
    assert told() == [("mail", "triggered")]


def test_a_severity_that_rises_is_told_and_one_that_falls_is_not(store: str) -> None:
    number, config = made()
    open_alert(config)
    taken(edited(number, severity="critical"), 10)
    assert (the_alert().severity, the_alert().status, the_alert().started_at) == ("critical", "triggered", NOW)
    assert ("mail", "escalated") in told()
    taken(edited(number), 20)
    assert (the_alert().severity, the_alert().status) == ("warning", "triggered")
    assert ("mail", "resolved") not in told()


def test_a_rule_deleted_while_it_waits_is_forgotten(store: str) -> None:
    number, config = made(duration_seconds=300)
    cpu(0, 90, config)
    config = deleted(number)
    taken(config, 10)
    cpu(600, 90, config)
    assert not every_alert()
    with reading():
        assert subjects.breaches([SERVER.subject]) == {}


def test_a_wait_goes_on_when_a_rule_is_edited_in_other_ways(store: str) -> None:
    number, config = made(duration_seconds=300)
    cpu(0, 90, config)
    config = edited(number, duration_seconds=300, description="in other words", cooldown_seconds=60)
    taken(config, 10)
    cpu(300, 90, config)
    assert the_alert().started_at == NOW


def test_the_default_takes_the_place_of_a_rule_that_is_deleted(store: str) -> None:
    default = replace(CONFIG.rules[0], managed_by="default")
    number, _ = made()
    world = replace(WORLD, rules=(default,))
    open_alert(in_force(world))
    rules.remove(number)
    taken(in_force(world), 10)
    assert (the_alert().status, told()) == ("triggered", [("mail", "triggered")])
    cpu(60, 90, in_force(world))
    assert the_alert().rule == default.name
