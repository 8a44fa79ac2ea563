"""What is due by time and by people: reminders, escalation, acknowledgements, snoozes, silences, flapping, digests."""

from dataclasses import replace

import pytest

from alerting import dispatch, holds, pipeline
from alerting.config import Channel, Config, Maintenance, Rule, Silence
from alerting.lifecycle import Alert
from alerting.messages import Message
from alerting.store import alerts, decisions, events, silences
from alerting.store.database import reading, transaction
from tests.alerting.heart import CONFIG, DOWN, HIGH, MAIL, NOW, OPS, cpu, every_alert, only_rules, seen, site, the_alert

HOUR = 3600.0
TO_THE_HOUR = HOUR - NOW % HOUR


@pytest.fixture(autouse=True)
def received(store: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Message]]:
    """What reached each channel's provider, which always says yes."""
    got: dict[str, list[Message]] = {"slack": [], "email": []}

    class Provider:
        def __init__(self, kind: str) -> None:
            self.kind = kind

        def deliver(self, settings: object, message: Message, *, plain: bool, timeout: float) -> dispatch.Receipt:
            got[self.kind].append(message)
            return dispatch.Receipt(None)

    monkeypatch.setattr(dispatch.channels, "find", Provider)
    return got


def pass_time(until: float, config: Config = CONFIG, since: float = 0.0, step: float = 5.0) -> None:
    """Let the scheduler do what it does, every `step` seconds from `since` to `until`."""
    at = since
    while at <= until:
        pipeline.tick(config, NOW + at)
        pipeline.keep_time(config, NOW + at)
        holds.note(config, NOW + at)
        now = NOW + at
        dispatch.deliver_due(config, "http://here", "me", lambda now=now: now)
        at += step


def story(got: list[Message]) -> list[tuple[str, float]]:
    """Reason and second of each message."""
    return [(message.reason, message.at - NOW) for message in got]


def lines(alert: Alert) -> list[str]:
    with reading():
        return [one.what for one in decisions.of_alert(alert)]


def test_whoever_knows_of_a_critical_alert_is_reminded_until_it_is_over(received: dict[str, list[Message]]) -> None:
    site(0, "critical")
    pass_time(9 * HOUR, step=60)
    assert story(received["slack"]) == [("triggered", 0), ("reminder", 4 * HOUR), ("reminder", 8 * HOUR)]
    site(9 * HOUR + 60, "ok")
    pass_time(20 * HOUR, since=9 * HOUR + 60, step=600)
    assert story(received["slack"])[3:] == [("resolved", 9 * HOUR + 60)]


def test_an_acknowledgement_stops_reminders_until_it_runs_out_which_is_said(received: dict[str, list[Message]]) -> None:
    site(0, "critical")
    pass_time(60)
    pipeline.acknowledge(CONFIG, the_alert().id, "alice", NOW + 60, NOW + 6 * HOUR)
    pass_time(7 * HOUR, since=65, step=300)
    _, again = received["slack"]
    assert (again.reason, again.items[0].note) == ("reminder", "The acknowledgement by alice has run out.")
    assert 6 * HOUR <= again.at - NOW < 6 * HOUR + 300
    assert the_alert().status == "triggered"
    with reading():
        assert [one.type for one in events.after(0)].count("alert_triggered") == 2


def test_a_snooze_puts_it_off(received: dict[str, list[Message]]) -> None:
    site(0, "critical")
    pass_time(10)
    pipeline.snooze(CONFIG, the_alert().id, "alice", NOW + 5 * HOUR, NOW + 10)
    pass_time(5 * HOUR + 60, since=15, step=60)
    assert [reason for reason, _ in story(received["slack"])] == ["triggered", "reminder"]
    assert received["slack"][1].items[0].note == "The snooze is over."
    site(6 * HOUR, "ok")
    pipeline.snooze(CONFIG, the_alert().id, "alice", NOW + 9 * HOUR, NOW + 6 * HOUR)  # over: it stays as it is
    assert the_alert().snoozed_until is None


def test_where_nobody_acknowledges_somebody_else_is_told(received: dict[str, list[Message]]) -> None:
    config = only_rules(
        replace(DOWN, notify_channels=("ops",), escalate_after_seconds=900.0, escalate_to=("mail",), remind_seconds=0.0)
    )
    site(0, "critical", config)
    pass_time(2000, config)
    assert story(received["email"]) == [("escalated", 900)]
    assert received["email"][0].items[0].note == "Nobody has acknowledged it."
    site(2100, "ok", config)
    pass_time(2200, config, since=2100)
    assert [reason for reason, _ in story(received["email"])] == ["escalated", "resolved"]


def test_an_acknowledgement_stops_escalation(received: dict[str, list[Message]]) -> None:
    config = only_rules(replace(DOWN, notify_channels=("ops",), escalate_after_seconds=900.0, escalate_to=("mail",)))
    site(0, "critical", config)
    pass_time(600, config)
    pipeline.acknowledge(config, the_alert().id, "alice", NOW + 600)
    pass_time(2000, config, since=605)
    assert received["email"] == []


def silence(start: float, end: float, **match: str) -> None:
    with transaction():
        silences.add(Silence(0, "acme", match, NOW + start, NOW + end, "an upgrade", "alice", NOW))


def test_what_is_silenced_and_still_true_is_told_once_at_the_end(received: dict[str, list[Message]]) -> None:
    silence(-10, 1200, subject="check/website")
    site(0, "critical")
    pass_time(3000, step=10)
    assert story(received["slack"]) == [("triggered", 1200)]
    assert "held" in lines(the_alert())


def test_what_is_over_before_the_silence_is_never_told(received: dict[str, list[Message]]) -> None:
    silence(-10, 1200, alert_type="http_*")
    site(0, "critical")
    pass_time(600, step=10)
    site(610, "ok")
    pass_time(3000, since=610, step=10)
    assert received["slack"] == []


def test_an_end_passes_a_silence(received: dict[str, list[Message]]) -> None:
    site(0, "critical")
    pass_time(60)
    silence(60, 5000, severity="critical")
    site(120, "ok")
    pass_time(200, since=120)
    assert story(received["slack"]) == [("triggered", 0), ("resolved", 120)]


def test_a_maintenance_window_is_a_planned_silence(received: dict[str, list[Message]]) -> None:
    window = Maintenance("upgrade", "acme", {}, "an upgrade", starts_at=NOW - 60, ends_at=NOW + 900)
    config = replace(CONFIG, maintenance=(window,))
    site(0, "critical", config)
    pass_time(1000, config)
    assert story(received["slack"]) == [("triggered", 900)]


def flap(times: int, every: float = 30.0) -> float:
    """The website comes and goes, delivered in between; when it changed last."""
    for number in range(times):
        site(number * every, "critical" if number % 2 == 0 else "ok")
        pass_time(number * every + every - 5, since=number * every)
    return (times - 1) * every


@pytest.mark.parametrize(("times", "final"), [(9, "triggered"), (8, "resolved")])
def test_flapping_is_told_once_and_then_when_it_has_been_steady(
    received: dict[str, list[Message]], times: int, final: str
) -> None:
    last = flap(times)
    pass_time(last + 2 * HOUR, since=last + 30, step=30)
    reasons = [reason for reason, _ in story(received["slack"])]
    assert reasons == ["triggered", "resolved", "triggered", "resolved", "flapping", "settled"]
    assert received["slack"][-1].items[0].told == final
    assert received["slack"][-1].at - NOW - last >= 1800 - 30
    assert {"flapping", "settled"} <= {line for alert in every_alert() for line in lines(alert)}


def test_after_it_has_settled_it_is_told_as_ever(received: dict[str, list[Message]]) -> None:
    last = flap(8)
    pass_time(last + HOUR, since=last + 30, step=30)
    site(last + HOUR + 30, "critical")
    pass_time(last + HOUR + 60, since=last + HOUR + 30)
    assert story(received["slack"])[-1] == ("triggered", last + HOUR + 30)


def test_a_warning_by_kind_leaves_with_the_hours_digest(received: dict[str, list[Message]]) -> None:
    config = only_rules(replace(HIGH, notify_channels=("email",)))
    cpu(0, 90, config)
    pass_time(TO_THE_HOUR + 10, config)
    assert story(received["email"]) == [("digest", TO_THE_HOUR)]
    cpu(TO_THE_HOUR + 60, 20, config)
    pass_time(TO_THE_HOUR + 2 * HOUR, config, since=TO_THE_HOUR + 60, step=60)
    assert [reason for reason, _ in story(received["email"])] == ["digest", "digest"]
    assert received["email"][1].items[0].told == "resolved"


def test_a_digest_without_news_is_not_sent(received: dict[str, list[Message]]) -> None:
    config = only_rules(replace(HIGH, notify_channels=("email",)))
    cpu(0, 90, config)
    cpu(60, 20, config)
    pass_time(TO_THE_HOUR + 2 * HOUR, config, since=60, step=60)
    assert received["email"] == []


def test_alerts_of_one_server_leave_as_one_message(received: dict[str, list[Message]]) -> None:
    memory = Rule("Memory", "memory_high", "warning", "memory_percent", ">", 80.0, 0, HOUR, ("mail",))
    config = only_rules(HIGH, memory)
    pipeline.ingest(config, [seen("server/prod-1", 0, cpu_percent=90.0, memory_percent=95.0)], NOW)
    pass_time(30, config, step=1)
    (message,) = received["email"]
    assert (message.reason, message.at - NOW, len(message.items)) == ("triggered", 10, 2)


def test_a_parents_message_names_what_it_stands_for(received: dict[str, list[Message]]) -> None:
    child = replace(CONFIG.watches[1], parents=("server/prod-1",))
    down = replace(DOWN, name="Server Down", alert_type="server_down", kinds=())
    config = replace(CONFIG, watches=(CONFIG.watches[0], child), rules=(down, DOWN))
    site(0, "critical", config)
    pipeline.ingest(config, [seen("server/prod-1", 20, "critical", "gone")], NOW + 20)
    pass_time(600, config, since=20)
    (message,) = received["slack"]
    assert message.items[0].subject == "server/prod-1"
    assert message.items[0].note == "Stands for what depends on it too: check website."
    website = next(alert for alert in every_alert() if alert.subject == "check/website")
    with reading():
        held = [one.text for one in decisions.of_alert(website) if one.what == "held"]
    assert held == ["suppressed by server/prod-1, which is in trouble itself"]


def test_a_wait_leaves_its_lines(store: str) -> None:
    config = only_rules(replace(HIGH, duration_seconds=120.0, failures=3))
    for at in (0, 60, 120):
        cpu(at, 90, config)
    with reading():
        found = decisions.of_subject("server/prod-1", "acme")
    assert [one.what for one in found] == ["waiting", "waiting", "triggered", "queued"]
    assert found[0].text.startswith("High CPU (warning): cpu_percent 90 > 80: look 1 of 3; must hold for 2 minutes")
    cpu(180, 20, config)
    cpu(240, 90, config)
    cpu(300, 20, config)
    with reading():
        assert decisions.of_subject("server/prod-1", "acme")[-1].what == "ended"
    assert len(every_alert()) == 1


def test_a_channel_of_another_organization_hears_nothing(received: dict[str, list[Message]]) -> None:
    theirs = Channel("theirs", "slack", "globex", {})
    config = replace(CONFIG, channels=(theirs, OPS, MAIL))
    site(0, "critical", config)
    pass_time(10, config)
    with reading():
        assert len(received["slack"]) == len(alerts.unresolved()) == 1
