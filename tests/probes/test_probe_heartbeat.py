"""Kind `heartbeat`: what the pings of a job, and their absence, are judged to mean."""

from typing import Any

import pytest

from probes import Observation
from probes._machinery import pings
from probes._machinery.pings import Memory, Ping
from probes._machinery.runner import check_config, run
from probes.heartbeat import next_look

NOW = 1_795_230_000.0  # 21 Nov 2026, 04:00 in Paris
HOURLY = {"period": "1h", "grace": "10m", "timezone": "Europe/Paris"}
NIGHTLY = {"cron": "0 3 * * *", "grace": "30m", "timezone": "Europe/Paris"}
MINUTE = 60.0
HOUR = 3600.0


class Job:
    """A heartbeat as it goes along: pinged, and looked at."""

    def __init__(self, config: dict[str, Any], memory: Memory | None = None) -> None:
        self.config = config
        self.memory = memory or pings.fresh(NOW)

    def ping(self, after: float, kind: Any = "success", **more: Any) -> "Job":
        told = Ping(NOW + after, kind, **more)
        return Job(self.config, pings.remember(self.config, self.memory, told))

    def whole(self, **more: Any) -> dict[str, Any]:
        return {**self.config, "memory": pings.to_json(self.memory), **more}

    def at(self, after: float, **more: Any) -> Observation:
        return run("heartbeat", self.whole(**more), NOW + after)

    def is_(self, after: float, **more: Any) -> tuple[str, str]:
        seen = self.at(after, **more)
        return seen.status, str(seen.facts["status"])

    def next_look(self, after: float, **more: Any) -> float:
        return next_look(self.whole(**more), NOW + after) - NOW


@pytest.mark.parametrize(
    ("after", "state"),
    [(0, ("unknown", "new")), (HOUR, ("unknown", "late")), (HOUR + 10 * MINUTE, ("critical", "missed"))],
)
def test_one_that_was_never_pinged_has_its_first_period_and_grace(after: float, state: tuple[str, str]) -> None:
    assert Job(HOURLY).is_(after) == state


@pytest.mark.parametrize(
    ("after", "state"),
    [
        (5 * MINUTE, ("ok", "up")),
        (65 * MINUTE - 1, ("ok", "up")),
        (65 * MINUTE, ("ok", "late")),
        (75 * MINUTE - 1, ("ok", "late")),
        (75 * MINUTE, ("critical", "missed")),
        (900 * HOUR, ("critical", "missed")),
    ],
)
def test_a_ping_holds_for_a_period_and_its_grace(after: float, state: tuple[str, str]) -> None:
    assert Job(HOURLY).ping(5 * MINUTE).is_(after) == state


def test_a_cron_line_is_kept_by_its_zone() -> None:
    job = Job(NIGHTLY).ping(0)
    assert job.is_(23 * HOUR - 1) == ("ok", "up")
    assert job.is_(23 * HOUR) == ("ok", "late")
    assert job.is_(23.5 * HOUR) == ("critical", "missed")
    seen = job.at(23.5 * HOUR)
    assert seen.message == (
        "no ping came by 22 Nov 03:30 CET; it was due at 22 Nov 03:00 CET; last ping: success at 21 Nov 04:00 CET"
    )
    assert seen.facts["next_expected_at"] == "2026-11-23T02:00:00.000Z"


def test_a_missed_ping_is_told_with_the_facts_of_the_last() -> None:
    job = Job(HOURLY).ping(0, "start").ping(192, exit_status=0, source="10.0.0.7", said="dumped 14 GB")
    seen = job.at(2 * HOUR)
    assert "last ping: success at 21 Nov 04:03:12 CET, from 10.0.0.7, after 3 min 12 s: dumped 14 GB" in seen.message
    assert seen.facts["last_ping_at"] == "2026-11-21T03:03:12.000Z"
    assert (seen.facts["exit_status"], seen.facts["last_run_seconds"]) == (0, 192)
    assert seen.values == {"run_seconds": None, "exit_status": None}  # nothing is known of the run that did not come


def test_a_failure_is_critical_at_once_and_until_a_success() -> None:
    failed = Job(HOURLY).ping(0).ping(10, "failure", exit_status=3, source="10.0.0.7", said="no space left on device")
    seen = failed.at(11)
    assert (seen.status, seen.facts["status"]) == ("critical", "failed")
    said = "failed with exit status 3 at 21 Nov 04:00:10 CET, from 10.0.0.7: no space left on device"
    assert seen.message == said
    assert seen.values == {"run_seconds": None, "exit_status": 3}
    assert failed.ping(20, "start").is_(21) == ("critical", "failed")  # it has begun again, which proves nothing
    assert failed.ping(20, "start").ping(30).is_(31) == ("ok", "up")
    assert failed.is_(2 * HOUR) == ("critical", "missed")


def test_long_words_of_a_run_are_cut_short_in_the_message() -> None:
    seen = Job(HOURLY).ping(0, "failure", said="x" * 900).at(1)
    assert seen.message.endswith("x…") and len(seen.message) < 300


def test_a_run_that_does_not_end_within_its_grace_is_told() -> None:
    job = Job(HOURLY).ping(0).ping(HOUR, "start")
    assert job.is_(HOUR + 9 * MINUTE) == ("ok", "running")
    assert job.is_(HOUR + 10 * MINUTE) == ("critical", "overrun")
    assert "the run that began at 21 Nov 05:00 CET has not ended within 10 min" in job.at(2 * HOUR).message


def test_a_run_that_began_in_time_has_its_longest_run() -> None:
    job = Job({**NIGHTLY, "max_runtime": "4h"}).ping(0).ping(23 * HOUR + 20 * MINUTE, "start")
    assert job.is_(26 * HOUR) == ("ok", "running")
    assert job.next_look(26 * HOUR) == 27 * HOUR + 20 * MINUTE
    assert job.is_(27 * HOUR + 20 * MINUTE) == ("critical", "overrun")
    ended = job.ping(26 * HOUR)
    assert ended.at(26 * HOUR).facts["last_run_seconds"] == 2 * HOUR + 40 * MINUTE
    assert ended.is_(46 * HOUR) == ("ok", "up")


def test_a_run_that_began_too_late_mends_nothing_before_it_ends() -> None:
    job = Job({**NIGHTLY, "max_runtime": "4h"}).ping(0).ping(24 * HOUR, "start")
    assert job.is_(24 * HOUR) == ("critical", "missed")
    assert job.ping(25 * HOUR).is_(25 * HOUR) == ("ok", "up")


def test_the_usual_limit_of_a_run_does_not_depend_on_when_it_began() -> None:
    job = Job({"cron": "0 3 * * *", "timezone": "Europe/Paris"})
    for began in (22.9 * HOUR, 23 * HOUR, 30 * HOUR):
        assert job.ping(began, "start").next_look(began) == began + HOUR


def test_runs_that_overlap_are_told_apart_by_their_ids() -> None:
    job = Job({**HOURLY, "max_runtime": "2h"}).ping(0, "start", run="a").ping(HOUR, "start", run="b")
    first = job.ping(HOUR + 60, run="b")
    assert first.at(HOUR + 61).facts["last_run_seconds"] == 60
    assert first.is_(HOUR + 61) == ("ok", "running")
    both = first.ping(HOUR + 90, run="a")
    assert both.at(HOUR + 91).facts["last_run_seconds"] == HOUR + 90
    assert both.is_(HOUR + 91) == ("ok", "up")


def test_a_run_that_never_came_back_is_forgiven_by_the_next_that_ends() -> None:
    job = Job(HOURLY).ping(0, "start", run="crashed")
    assert job.is_(HOUR)[1] == "overrun"
    assert job.ping(HOUR, run="b").is_(HOUR + 1) == ("ok", "up")


def test_a_ping_that_is_told_twice_took_what_it_took() -> None:
    job = Job(HOURLY).ping(0, "start", run="a").ping(60, run="a").ping(61, run="a")
    assert job.at(62).facts["last_run_seconds"] == 60
    assert Job(HOURLY).ping(0, "start").ping(60).ping(61).at(62).facts["last_run_seconds"] is None


def test_only_so_many_runs_are_remembered() -> None:
    job = Job(HOURLY)
    for number in range(50):
        job = job.ping(number, "start", run=str(number))
    assert sorted(job.memory.runs.values()) == [NOW + number for number in range(30, 50)]


def test_what_we_were_away_for_is_not_the_jobs_fault_at_once() -> None:
    job = Job(HOURLY).ping(0)
    back = NOW + HOUR + 5 * MINUTE
    assert job.is_(HOUR + 12 * MINUTE, receiving_since=back) == ("ok", "late")
    seen = job.at(HOUR + 15 * MINUTE, receiving_since=back)
    assert seen.status == "critical"
    assert "Vedette itself could not be reached until 21 Nov 05:05 CET, so one may have been lost" in seen.message
    assert job.next_look(HOUR + 12 * MINUTE, receiving_since=back) == HOUR + 15 * MINUTE


def test_an_absence_long_before_it_was_due_excuses_nothing() -> None:
    job = Job(NIGHTLY).ping(0)
    seen = job.at(23.5 * HOUR, receiving_since=NOW + 10 * HOUR)
    assert seen.status == "critical" and "Vedette itself" not in seen.message


def test_while_no_ping_can_arrive_nothing_is_missed_and_nothing_is_known() -> None:
    job = Job(HOURLY).ping(0)
    assert job.is_(30 * MINUTE, receiving_since=None) == ("ok", "up")
    assert job.is_(30 * HOUR, receiving_since=None) == ("unknown", "late")
    assert "no web process" in job.at(30 * HOUR, receiving_since=None).message


def test_what_was_judged_once_is_not_excused_afterwards() -> None:
    missed = Memory(NOW, NOW, pings.remember(HOURLY, pings.fresh(NOW), Ping(NOW, "success")).last, {}, NOW + 2 * HOUR)
    assert Job(HOURLY, missed).is_(9 * HOUR, receiving_since=NOW + 9 * HOUR) == ("critical", "missed")
    assert Job(HOURLY, missed).is_(9 * HOUR, receiving_since=None) == ("critical", "missed")
    assert Job(HOURLY, missed).ping(9 * HOUR).is_(9 * HOUR) == ("ok", "up")


def test_each_further_turn_that_is_missed_is_looked_at() -> None:
    job = Job(HOURLY).ping(0)
    assert job.next_look(0) == HOUR + 10 * MINUTE
    assert job.next_look(HOUR + 10 * MINUTE) == 2 * HOUR + 10 * MINUTE
    assert Job(NIGHTLY).ping(0).next_look(24 * HOUR) == 47.5 * HOUR


def test_a_memory_survives_being_written_down() -> None:
    job = Job(HOURLY).ping(0, "start", run="a").ping(1, "failure", exit_status=1, source="::1", run="a", said="x")
    assert pings.from_json(pings.to_json(job.memory)) == job.memory
    assert pings.from_json({"declared_at": 5.0}) == pings.fresh(5.0)


def test_without_pings_it_says_where_to_look() -> None:
    seen = run("heartbeat", HOURLY)
    assert seen.status == "unknown" and "[heartbeats.<name>]" in seen.message


@pytest.mark.parametrize(
    ("config", "pointer", "words"),
    [
        ({}, "", "exactly one of period and cron"),
        ({"period": "1d", "cron": "@daily"}, "", "exactly one of period and cron"),
        ({"period": "0.5s"}, "/period", "at least 1 s"),
        ({"period": "99999d"}, "/period", "a year at most"),
        ({"period": "1d", "grace": "9999d"}, "/grace", "a year at most"),
        ({"cron": "0 0 30 2 *"}, "/cron", "bad day-of-month"),
        ({"cron": "@daily", "timezone": "Mars"}, "/timezone", "unknown time zone"),
        ({"period": "1d", "url": "x"}, "", "'url'"),
    ],
)
def test_faults_name_the_key(config: dict[str, Any], pointer: str, words: str) -> None:
    [fault] = check_config("heartbeat", config)
    assert fault.pointer == pointer and words in fault.message
