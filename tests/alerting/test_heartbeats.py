"""Heartbeats from a ping to an alert and back, on both databases: stored and judged whole, and nobody blamed for us."""

from dataclasses import replace
from typing import Any

import pytest

from alerting import heartbeats, own, pipeline
from alerting.config import Config, Organization, Rule, Watch
from alerting.configuration.rules import default_rules
from alerting.store import heartbeats as kept
from alerting.store import settings_table, subjects
from alerting.store.database import reading, transaction
from probes._machinery.pings import Kind, Ping
from tests.alerting.heart import NOW, OPS, every_alert, rows, seen

HOUR, MINUTE = 3600.0, 60.0
BACKUP = Watch("heartbeat/backup", "heartbeat", "acme", 60.0, {"period": "1h", "grace": "10m"})
RULES = tuple(rule for rule in default_rules() if rule.alert_type == "heartbeat_missed")
CONFIG = Config(
    organizations=(Organization("acme", "Acme"),),
    watches=(BACKUP,),
    rules=tuple(replace(rule, notify_channels=("ops",)) for rule in RULES),
    channels=(OPS,),
)

OWN = replace(CONFIG, rules=(*CONFIG.rules, *(rule for rule in default_rules() if rule.alert_type == "self")))


def ping(at: float, kind: Kind = "success", config: Config = CONFIG, log: str = "", **more: Any) -> None:
    """A ping arrives; a web process runs, or it could not."""
    heartbeats.note_receiving(CONFIG, NOW + at)
    heartbeats.receive(config, config.watches[0], Ping(NOW + at, kind, **more), log, len(log))


def pass_time(begin: float, end: float, config: Config = CONFIG, every: float = 25.0) -> int:
    """Web and scheduler run from one moment to another. How many pings were missed."""
    missed, at = 0, begin
    while at <= end:
        heartbeats.note_receiving(config, NOW + at)
        missed += heartbeats.judge_due(config, NOW + at)
        at += every
    return missed


def state() -> tuple[str, str]:
    """How the heartbeat was last observed."""
    with reading():
        found = subjects.states()["heartbeat/backup"].observation
    return found.status, found.facts["status"]


def alerts() -> list[tuple[str, str, str]]:
    return [(one.fingerprint, one.severity, one.status) for one in every_alert()]


def test_a_missed_ping_is_an_alert_and_the_next_resolves_it(store: str) -> None:
    heartbeats.adopt(CONFIG, NOW)
    ping(0)
    assert pass_time(0, 70 * MINUTE - 25) == 0
    assert alerts() == []
    assert pass_time(70 * MINUTE, 75 * MINUTE) == 1
    assert alerts() == [("heartbeat_missed:backup:status", "critical", "triggered")]
    assert "last ping: success" in every_alert()[0].message
    ping(76 * MINUTE)
    assert alerts() == [("heartbeat_missed:backup:status", "critical", "resolved")]
    assert [(channel, reason) for channel, reason, _ in rows()] == [("ops", "triggered")]  # it never left


def test_one_that_was_never_pinged_is_missed_after_its_first_period_and_grace(store: str) -> None:
    heartbeats.adopt(CONFIG, NOW)
    heartbeats.adopt(CONFIG, NOW + 30 * MINUTE)  # a restart: it waits since it was first declared
    assert pass_time(0, 69 * MINUTE) == 0
    assert pass_time(69 * MINUTE, 71 * MINUTE) == 1
    assert "there was no ping yet" in every_alert()[0].message


def test_a_failure_is_told_at_once_with_its_words(store: str) -> None:
    ping(0, "start")
    ping(60, "failure", exit_status=3, source="10.0.0.7", said="no space left", log="no space left\non device")
    [alert] = every_alert()
    assert alert.severity == "critical"
    assert "failed with exit status 3" in alert.message and "after 1 min: no space left" in alert.message
    with reading():
        newest, oldest = kept.page("heartbeat/backup", None, 10)
    assert (newest["kind"], newest["log"], newest["run_seconds"]) == ("failure", "no space left\non device", 60)
    assert (oldest["kind"], oldest["run_seconds"]) == ("start", None)


def test_failures_in_a_row_are_turns_and_not_looks(store: str) -> None:
    config = replace(CONFIG, watches=(replace(BACKUP, failures=2),))
    ping(0, config=config)
    ping(10, "failure", config=config)
    ping(20, "start", config=config)
    heartbeats.adopt(config, NOW + 30)
    heartbeats.adopt(config, NOW + 40)
    assert alerts() == []
    ping(50, "failure", config=config)
    assert len(alerts()) == 1


def test_each_missed_turn_is_an_occurrence(store: str) -> None:
    ping(0)
    assert pass_time(0, 3 * HOUR + 15 * MINUTE) == 3
    assert every_alert()[0].occurrences == 3


def test_nobody_is_blamed_while_no_ping_can_arrive(store: str) -> None:
    ping(0)
    for minute in range(5, 300, 5):
        assert heartbeats.judge_due(CONFIG, NOW + minute * MINUTE) == 0  # the scheduler alone
    back = 5 * HOUR
    assert pass_time(back, back + 9 * MINUTE) == 0
    assert pass_time(back + 9 * MINUTE, back + 11 * MINUTE) == 1
    assert "Vedette itself could not be reached until" in every_alert()[0].message


def test_nobody_is_blamed_while_our_own_network_is_down(store: str) -> None:
    ping(0)
    pass_time(0, 50 * MINUTE)
    own.observe(OWN, "network", "there is no route", NOW + 50 * MINUTE)
    assert pass_time(50 * MINUTE, 3 * HOUR, OWN) == 0
    own.observe(OWN, "network", None, NOW + 3 * HOUR)
    assert pass_time(3 * HOUR, 3 * HOUR + 9 * MINUTE, OWN) == 0
    assert pass_time(3 * HOUR + 9 * MINUTE, 3 * HOUR + 11 * MINUTE, OWN) == 1


def test_when_all_was_away_a_ping_within_its_grace_after_our_return_is_in_time(store: str) -> None:
    heartbeats.adopt(CONFIG, NOW)
    ping(0)
    heartbeats.adopt(CONFIG, NOW + 5 * HOUR)  # the scheduler is back before the web
    assert heartbeats.judge_due(CONFIG, NOW + 5 * HOUR + 1) == 0
    assert pass_time(5 * HOUR + 2, 5 * HOUR + 9 * MINUTE) == 0
    ping(5 * HOUR + 9.5 * MINUTE)
    assert pass_time(5 * HOUR + 9.5 * MINUTE, 5.5 * HOUR) == 0
    assert alerts() == [] and state() == ("ok", "up")


def test_a_scheduler_that_was_away_blames_at_once_for_the_web_was_not(store: str) -> None:
    ping(0)
    for at in range(0, 7201, 25):
        heartbeats.note_receiving(CONFIG, NOW + at)
    assert heartbeats.judge_due(CONFIG, NOW + 7200) == 1
    assert "Vedette itself" not in every_alert()[0].message


def test_what_was_missed_stays_missed_through_our_own_restart(store: str) -> None:
    heartbeats.adopt(CONFIG, NOW)
    ping(0)
    pass_time(0, 2 * HOUR)
    assert state() == ("critical", "missed")
    heartbeats.adopt(CONFIG, NOW + 5 * HOUR)
    heartbeats.note_receiving(CONFIG, NOW + 5 * HOUR)
    heartbeats.adopt(CONFIG, NOW + 5 * HOUR + 1)
    assert state() == ("critical", "missed")
    assert [status for _, _, status in alerts()] == ["triggered"]


@pytest.mark.parametrize("jump", [7200.0, -7200.0])
def test_a_clock_that_jumps_blames_nobody(store: str, jump: float) -> None:
    ping(0)
    pass_time(0, 50 * MINUTE)
    at = 50 * MINUTE + jump
    assert heartbeats.judge_due(CONFIG, NOW + at) == 0
    assert pass_time(at + 1, at + 9 * MINUTE) == 0
    assert alerts() == []


def test_a_ping_that_beats_a_clock_ahead_of_ours_still_resolves(store: str) -> None:
    """The scheduler's clock is ahead of the web's: its verdict is from the future when the ping comes."""
    ping(0)
    pass_time(0, 71 * MINUTE)
    assert state() == ("critical", "missed")
    heartbeats.receive(CONFIG, BACKUP, Ping(NOW + 69 * MINUTE, "success"), "", 0)
    assert state() == ("ok", "up")


def test_a_changed_file_is_looked_at_anew(store: str) -> None:
    ping(0)
    pass_time(0, 65 * MINUTE)
    strict = replace(CONFIG, watches=(replace(BACKUP, config={"period": "1h", "grace": "1m"}),))
    heartbeats.adopt(strict, NOW + 65 * MINUTE)
    assert state() == ("critical", "missed")
    lenient = replace(CONFIG, watches=(replace(BACKUP, config={"period": "1d", "grace": "1m"}),))
    heartbeats.adopt(lenient, NOW + 66 * MINUTE)
    assert state() == ("ok", "up")
    assert [status for _, _, status in alerts()] == ["resolved"]


def test_one_taken_out_of_the_file_is_forgotten_and_its_alert_ends(store: str) -> None:
    ping(0, "failure", log="x")
    empty = replace(CONFIG, watches=())
    pipeline.reconcile(empty, NOW + 1)
    heartbeats.adopt(empty, NOW + 1)
    assert [status for _, _, status in alerts()] == ["resolved"]
    with reading():
        assert kept.page("heartbeat/backup", None, 10) == [] and kept.kept(["heartbeat/backup"]) == {}


def test_another_organizations_of_the_same_name_begins_anew(store: str) -> None:
    ping(0, "failure")
    theirs = replace(BACKUP, organization="globex")
    config = replace(CONFIG, organizations=(Organization("globex", "Globex"),), watches=(theirs,))
    heartbeats.note_receiving(config, NOW + 2 * HOUR)
    assert heartbeats.judge_due(config, NOW + 2 * HOUR) == 0  # the new file is read, and not carried through yet
    heartbeats.adopt(config, NOW + 10)
    with reading():
        found = kept.kept(["heartbeat/backup"])["heartbeat/backup"]
        assert kept.page("heartbeat/backup", None, 10) == []
    assert (found.organization, found.memory.last, found.memory.declared_at) == ("globex", None, NOW + 10)


def test_it_is_never_stale_and_a_rule_may_wait(store: str) -> None:
    patient = Rule("Late", "heartbeat_missed", "critical", "status", ">=", 2, 600.0)
    config = replace(CONFIG, rules=(patient,))
    ping(0, config=config)
    assert pass_time(0, 75 * MINUTE, config) == 1
    assert pipeline.mark_stale(config, NOW + 75 * MINUTE, NOW - 9e5) == 0
    assert alerts() == []
    assert pipeline.tick(config, NOW + 81 * MINUTE) == 1
    assert state() == ("critical", "missed")


def test_it_may_be_a_parent(store: str) -> None:
    child = Watch("check/report", "http", "acme", 30.0, {}, parents=("heartbeat/backup",))
    down = Rule("HTTP Down", "http_down", "critical", "status", ">=", 2.0, 0, 3600.0, ("ops",))
    config = replace(CONFIG, watches=(BACKUP, child), rules=(*CONFIG.rules, down))
    ping(0, "failure", config=config)
    pipeline.ingest(config, [seen("check/report", 1, "critical")], NOW + 1)
    delays = [due for _, _, due in rows("pending")]
    assert delays == [0, 1 + 60]


def test_only_the_last_pings_are_kept(store: str) -> None:
    for number in range(kept.KEPT + 5):
        ping(number, exit_status=0)
    with reading():
        found = kept.page("heartbeat/backup", None, 1000)
    assert [row["at"] - NOW for row in found] == list(range(kept.KEPT + 4, 4, -1))
    heartbeats.prune(NOW + kept.PINGS_KEPT + 50)
    with reading():
        assert len(kept.page("heartbeat/backup", None, 1000)) == 55
        assert [row["id"] for row in kept.page("heartbeat/backup", found[10]["id"], 2)] == [
            row["id"] for row in found[11:13]
        ]


def test_a_ping_is_stored_whole_or_not_at_all(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the machine lost its power here")

    monkeypatch.setattr(pipeline, "ingest", fail)
    with pytest.raises(RuntimeError):
        ping(0)
    with reading():
        assert kept.page("heartbeat/backup", None, 10) == [] and kept.kept(["heartbeat/backup"]) == {}


def test_that_no_ping_can_arrive_is_told_of_vedette_itself(store: str) -> None:
    assert heartbeats.deafness(CONFIG, NOW + 119, NOW) is None
    fault = heartbeats.deafness(CONFIG, NOW + 121, NOW)
    assert fault is not None and "`web`" in fault
    assert heartbeats.deafness(replace(CONFIG, watches=()), NOW + 121, NOW) is None
    own.observe(CONFIG, "web", fault, NOW + 121)
    heartbeats.note_receiving(CONFIG, NOW + 130)
    assert heartbeats.deafness(CONFIG, NOW + 130, NOW) is None


def test_receiving_is_noted_seldom_and_breaks_with_an_absence(store: str) -> None:
    for at in range(0, 100, 3):
        heartbeats.note_receiving(CONFIG, NOW + at)
    with reading():
        assert heartbeats.receiving_since(NOW + 99) == NOW
        assert heartbeats.receiving_since(NOW + 200) is None
        assert settings_table.get(heartbeats.RECEIVING)["at"] <= NOW + 99
    heartbeats.note_receiving(CONFIG, NOW + 200)
    with transaction():
        assert heartbeats.receiving_since(NOW + 201) == NOW + 200
