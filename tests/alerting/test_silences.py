"""What is kept quiet and until when: windows agree with a clock on the wall that is read every minute."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting import silences
from alerting.config import Maintenance, Silence
from alerting.lifecycle import Alert

NOW = 1_800_000_000.0  # 15 January 2027, 08:00 UTC

ALERT = Alert(
    fingerprint="cpu_high:prod-1:cpu_percent",
    organization="acme",
    alert_type="cpu_high",
    subject="server/prod-1",
    metric_name="cpu_percent",
    rule="High CPU",
    severity="warning",
    title="High CPU: prod-1",
    message="CPU 97 %",
    started_at=NOW,
    triggered_at=NOW,
    last_at=NOW,
    server="prod-1",
    labels={"team": "shop"},
)

QUIET = Silence(4, "acme", {"server": "prod-*"}, NOW, NOW + 3600, "moving racks", "alice@example.com")
ONCE = Maintenance("db-upgrade", "acme", {}, "new disks", starts_at=NOW, ends_at=NOW + 7200)

# Where clocks go forward and back, at midnight (Santiago), by half an hour (Lord Howe); leap days; a quiet week.
CHANGES = (
    ("Europe/Paris", datetime(2027, 3, 28)),
    ("Europe/Paris", datetime(2027, 10, 31)),
    ("America/New_York", datetime(2027, 3, 14)),
    ("America/New_York", datetime(2027, 11, 7)),
    ("America/Santiago", datetime(2027, 9, 5)),
    ("America/Santiago", datetime(2027, 4, 4)),
    ("Australia/Lord_Howe", datetime(2027, 4, 4)),
    ("Australia/Lord_Howe", datetime(2027, 10, 3)),
    ("Asia/Kathmandu", datetime(2028, 2, 29)),
    ("UTC", datetime(2028, 2, 29)),
)

Reached = Callable[[datetime], bool]


@cache
def wall(zone: str, day: datetime) -> list[tuple[float, datetime]]:
    """Every minute of five days around `day`: the moment, and what a clock on the wall shows."""
    place, first = ZoneInfo(zone), (day - timedelta(days=3)).replace(tzinfo=UTC)
    minutes = [first + timedelta(minutes=number) for number in range(5 * 1440)]
    return [(minute.timestamp(), minute.astimezone(place).replace(tzinfo=None)) for minute in minutes]


def read_off(
    zone: str, day: datetime, is_time: Reached, lasts: float
) -> Iterator[tuple[float, tuple[float, float] | None]]:
    """Each minute, and the window that holds then: begun when the wall first showed, or jumped over, its time."""
    latest, start = wall(zone, day)[0][1], None
    for moment, shown in wall(zone, day)[1:]:
        while latest < shown:
            latest += timedelta(minutes=1)
            start = moment if is_time(latest) else start
        yield moment, (start, start + lasts) if start is not None and moment < start + lasts else None


def agree(planned: Maintenance, day: datetime, is_time: Reached) -> None:
    """At every minute at which it begins or ends, at the one before, and at some between."""
    begun = wall(planned.timezone, day)[0][0] + planned.lasts  # before, it may hold from a time that is not read
    read = list(read_off(planned.timezone, day, is_time, planned.lasts))
    for number, (moment, expected) in enumerate(read[1:], start=1):
        turns = expected != read[number - 1][1] or expected != read[min(number + 1, len(read) - 1)][1]
        if moment > begun and (turns or number % 31 == 0):
            assert silences.window(planned, moment) == expected, datetime.fromtimestamp(moment, UTC)


changes = st.sampled_from(CHANGES)
hours, minutes = st.integers(0, 23), st.integers(0, 59)
spans = st.sampled_from([60.0, 1800.0, 7200.0, 9000.0, 30 * 3600.0])


@settings(max_examples=60, deadline=None)
@given(changes, st.sets(st.sampled_from(silences.DAYS), min_size=1), st.integers(0, 4) | hours, minutes, spans)
def test_a_weekly_window_is_what_the_wall_shows(
    change: tuple[str, datetime], days: set[str], hour: int, minute: int, lasts: float
) -> None:
    zone, day = change
    planned = Maintenance(
        "weekly", "acme", {}, "x", zone, days=tuple(sorted(days)), at=f"{hour:02}:{minute:02}", lasts=lasts
    )
    numbers = {silences.DAYS.index(name) for name in days}
    agree(planned, day, lambda shown: shown.weekday() in numbers and (shown.hour, shown.minute) == (hour, minute))


@settings(max_examples=40, deadline=None)
@given(changes, st.integers(0, 4) | hours, minutes, spans)
def test_a_cron_window_is_what_the_wall_shows(
    change: tuple[str, datetime], hour: int, minute: int, lasts: float
) -> None:
    zone, day = change
    planned = Maintenance("cron", "acme", {}, "x", zone, cron=f"{minute} {hour} {day.day} {day.month} *", lasts=lasts)
    agree(planned, day, lambda shown: (shown.replace(year=day.year)) == day + timedelta(hours=hour, minutes=minute))


def test_a_window_that_begins_again_before_it_ends_goes_on() -> None:
    """Every ten minutes for a day: found without counting them all, and the last one to begin."""
    planned = Maintenance("often", "acme", {}, "x", "Europe/Paris", cron="*/10 * * * *", lasts=86_400.0)
    for late in (0.0, 1.0, 59.5, 599.9):
        assert silences.window(planned, NOW + late) == (NOW, NOW + 86_400.0)
    holed = replace(planned, cron="*/10 0-4 * * *", timezone="UTC", lasts=20 * 3600.0)
    assert silences.window(holed, NOW) == (NOW - 3.25 * 3600 + 300, NOW - 3.25 * 3600 + 300 + 20 * 3600)


def test_once_holds_from_its_start_up_to_its_end() -> None:
    holds = (NOW, NOW + 7200)
    assert silences.window(ONCE, NOW - 0.1) is None
    assert silences.next_window(ONCE, NOW - 0.1) == holds
    assert silences.window(ONCE, NOW) == silences.window(ONCE, NOW + 7199.9) == holds
    assert silences.next_window(ONCE, NOW) is None
    assert silences.window(ONCE, NOW + 7200) is None
    states = [silences.maintenance_state(ONCE, NOW + late) for late in (-1, 0, 7200)]
    assert states == ["scheduled", "active", "expired"]


def test_a_recurring_one_does_not_begin_again_after_its_until() -> None:
    daily = Maintenance("nightly", "acme", {}, "x", days=silences.DAYS, at="08:00", lasts=3600.0, until=NOW + 86_400)
    assert silences.next_window(daily, NOW) == (NOW + 86_400, NOW + 90_000)
    assert silences.window(daily, NOW + 86_400 + 60) == (NOW + 86_400, NOW + 90_000)
    assert silences.next_window(daily, NOW + 86_400) is None
    assert silences.maintenance_state(daily, NOW + 86_400) == "active"
    assert silences.maintenance_state(daily, NOW + 90_000) == "expired"
    assert silences.window(daily, NOW + 2 * 86_400) is None


@pytest.mark.parametrize(
    "match",
    [
        {},
        {"severity": "warning"},
        {"alert_type": "cpu_*", "server": "prod-?"},
        {"organization": "acme", "subject": "server/*"},
        {"fingerprint": "cpu_high:prod-1:cpu_percent"},
        {"rule": "High*"},
        {"team": "shop"},
        {"project": "*"},
    ],
)
def test_what_a_match_holds_for(match: dict[str, str]) -> None:
    assert silences.matches(match, ALERT)


@pytest.mark.parametrize(
    "match",
    [
        {"severity": "critical"},
        {"server": "prod-1", "team": "web"},
        {"SERVER": "prod-1"},
        {"environment": "shop"},
        {"title": "High CPU: prod-1"},
        {"server": "PROD-1"},
        {"other": "x*"},
    ],
)
def test_what_a_match_does_not_hold_for(match: dict[str, str]) -> None:
    assert not silences.matches(match, ALERT)


def test_a_name_with_what_is_special_in_a_pattern_means_itself() -> None:
    odd = replace(ALERT, fingerprint="http_down:[::1]:status")
    assert silences.matches({"fingerprint": "http_down:[::1]:status"}, odd)


def test_a_silence_says_who_holds_back_and_until_when() -> None:
    held = silences.holding([QUIET], [], ALERT, NOW, "Europe/Paris")
    assert held == silences.Hold("silenced by #4 until 15 Jan 2027, 10:00 CET (moving racks)", NOW + 3600)
    assert silences.holding([QUIET], [], ALERT, NOW - 1) is None
    assert silences.holding([QUIET], [], ALERT, NOW + 3600) is None
    assert silences.holding([QUIET], [], replace(ALERT, server="test-1"), NOW) is None
    assert silences.holding([QUIET], [], replace(ALERT, organization="globex"), NOW) is None


def test_of_several_that_hold_the_last_to_end_is_told() -> None:
    both = silences.holding([QUIET], [ONCE], ALERT, NOW)
    assert both == silences.Hold("maintenance db-upgrade until 15 Jan 2027, 10:00 UTC", NOW + 7200)
    longer = replace(QUIET, ends_at=NOW + 9000)
    held = silences.holding([longer], [ONCE], ALERT, NOW)
    assert held is not None
    assert held.until == NOW + 9000


def test_whether_anything_is_quiet_at_all() -> None:
    assert not silences.active_any([], [], NOW)
    assert not silences.active_any([QUIET], [ONCE], NOW - 1)
    assert silences.active_any([QUIET], [], NOW)
    assert silences.active_any([], [ONCE], NOW + 7199)
    assert not silences.active_any([QUIET], [ONCE], NOW + 7200)


def test_a_silence_ended_before_it_began_is_over() -> None:
    ended = replace(QUIET, starts_at=NOW + 100, ends_at=NOW)
    assert silences.silence_state(ended, NOW + 1) == "expired"
    assert silences.silence_state(replace(QUIET, starts_at=NOW + 1), NOW) == "scheduled"
    assert silences.silence_state(QUIET, NOW) == "active"
