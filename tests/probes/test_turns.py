"""When a job is expected: cron lines in zones whose clocks are set, against a reckoning minute by minute."""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from probes._machinery import turns

PARIS = "Europe/Paris"
ZONES = (
    PARIS,
    "UTC",
    "America/New_York",
    "America/Havana",  # clocks set at midnight
    "Africa/Cairo",
    "Asia/Beirut",
    "Australia/Lord_Howe",  # by half an hour
    "Asia/Kathmandu",  # a quarter of an hour off the others
    "Pacific/Apia",  # a day left out in 2011
)
MINUTES = ("0", "30", "59", "15,45", "*/20", "*", "10-12")
HOURS = ("0", "1", "2", "3", "23", "0,2", "1-3", "*/2", "*")
DAYS = ("* * *", "* * *", "* * SUN", "1 * *", "L * *", "* * MON-FRI")


def at(text: str, zone: str = PARIS) -> float:
    """A moment by the clock of a zone; of two, the first."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def shown(moment: float, zone: str = PARIS) -> str:
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %Z")


def fires(line: str, after: str, count: int, zone: str = PARIS) -> list[str]:
    found, moment = [], at(after, zone)
    for _ in range(count):
        moment = turns.due_after({"cron": line, "timezone": zone}, moment)
        found.append(shown(moment, zone))
    return found


def test_an_hour_that_is_skipped_is_made_up_for_right_after_it() -> None:
    assert fires("30 2 * * *", "2026-03-28 12:00", 2) == ["2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"]


def test_an_hour_that_comes_twice_counts_once() -> None:
    assert fires("30 2 * * *", "2026-10-24 12:00", 2) == ["2026-10-25 02:30 CEST", "2026-10-26 02:30 CET"]


def test_an_hourly_job_runs_in_both() -> None:
    expected = ["2026-10-25 02:00 CEST", "2026-10-25 02:00 CET", "2026-10-25 03:00 CET"]
    assert fires("0 * * * *", "2026-10-25 01:30", 3) == expected
    assert fires("@hourly", "2026-03-29 00:30", 2) == ["2026-03-29 01:00 CET", "2026-03-29 03:00 CEST"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("0 3 * *", "expected five fields"),
        ("0 0 3 * * *", "expected five fields"),
        ("", "expected five fields"),
        ("@reboot", "expected five fields"),
        ("61 3 * * *", "bad minute"),
        ("0 3 * * 9", "bad day-of-week"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("*/0 * * * *", "bad minute"),
        ("0 3 * * MOON", "bad day-of-week"),
    ],
)
def test_a_faulty_line_is_told(line: str, fault: str) -> None:
    assert fault in (turns.cron_fault(line) or "")


@pytest.mark.parametrize(
    "line", ["0 3 * * *", "@daily", " @Weekly ", "*/5 9-17 * * MON-FRI", "0 0 29 2 *", "0 0 L * *"]
)
def test_a_good_line_is_taken(line: str) -> None:
    assert turns.cron_fault(line) is None


@pytest.mark.parametrize("name", ["Mars/Base", "", "../../etc/passwd", "Europe", "Europe/Paris\0"])
def test_a_zone_nobody_knows_is_told(name: str) -> None:
    assert turns.zone_fault(name) is not None
    assert turns.zone_fault(PARIS) is None


def test_a_ping_a_moment_early_is_for_the_turn_it_is_early_for() -> None:
    config = {"cron": "0 3 * * *", "timezone": PARIS}
    assert shown(turns.due_after_ping(config, at("2026-11-21 02:59:45"))) == "2026-11-22 03:00 CET"
    assert shown(turns.due_after_ping(config, at("2026-11-21 02:59:15"))) == "2026-11-21 03:00 CET"
    assert shown(turns.due_after_ping({"cron": "* * * * *"}, at("2026-11-21 02:59:45"))) == "2026-11-21 03:00 CET"


def test_grace_is_a_tenth_of_the_wait_where_none_is_given() -> None:
    due = at("2026-11-21 03:00")
    assert turns.grace({"cron": "0 3 * * *", "grace": "30m"}, due) == 1800
    assert turns.grace({"cron": "0 3 * * *", "timezone": PARIS}, due) == 3600
    assert turns.grace({"cron": "0 * * * *"}, due) == 360
    assert turns.grace({"period": "5m"}, due) == 30
    assert turns.grace({"period": 2}, due) == 1


@pytest.mark.parametrize("config", [{"period": "1h", "grace": "10m"}, {"cron": "0 * * * *", "grace": "10m"}])
def test_every_turn_has_its_deadline(config: dict[str, str]) -> None:
    first = at("2026-11-21 03:00")
    assert shown(turns.deadline_after(config, first, first - 9e5)) == "2026-11-21 03:10 CET"
    assert shown(turns.deadline_after(config, first, at("2026-11-21 03:09"))) == "2026-11-21 03:10 CET"
    assert shown(turns.deadline_after(config, first, at("2026-11-21 03:10"))) == "2026-11-21 04:10 CET"
    assert shown(turns.deadline_after(config, first, at("2026-11-21 05:30"))) == "2026-11-21 06:10 CET"


@cache
def settings_of_clocks(zone: str, year: int) -> list[float]:
    """The hours of that year in which the zone's clocks were set; its beginning where they never were."""
    start = datetime(year, 1, 1, tzinfo=UTC).timestamp()
    offsets = [
        (start + n * 3600, datetime.fromtimestamp(start + n * 3600, ZoneInfo(zone)).utcoffset()) for n in range(8784)
    ]
    return [now for (_, before), (now, after) in pairwise(offsets) if before != after] or [start]


def is_turn(local: datetime, line: str) -> bool:
    """Whether a line comes round at that minute of the clock."""
    minute, hour, *days = line.split()
    return local.minute in values(minute, 60) and local.hour in values(hour, 24) and is_day(local, " ".join(days))


def is_day(local: datetime, days: str) -> bool:
    return {
        "* * *": True,
        "* * SUN": local.weekday() == 6,
        "* * MON-FRI": local.weekday() < 5,
        "1 * *": local.day == 1,
        "L * *": (local + timedelta(days=1)).day == 1,
    }[days]


def values(field: str, size: int) -> set[int]:
    if field.startswith("*"):
        return set(range(0, size, int(field.partition("/")[2] or 1)))
    if "-" in field:
        first, last = field.split("-")
        return set(range(int(first), int(last) + 1))
    return {int(one) for one in field.split(",")}


def reckoned(line: str, zone: str, after: float) -> float:
    """The first turn after a moment, minute by minute, as cron does it."""
    by_elapsed_time = line.split()[0].startswith("*") or line.split()[1].startswith("*")
    place = ZoneInfo(zone)
    if by_elapsed_time:
        moment = after // 60 * 60 + 60
        while not is_turn(datetime.fromtimestamp(moment, place), line):
            moment += 60
        return moment
    wall = datetime.fromtimestamp(after, place).replace(tzinfo=None, second=0, microsecond=0) - timedelta(days=2)
    while True:
        wall += timedelta(minutes=1)
        if is_turn(wall, line) and (moment := real(wall, place)) > after:
            return moment


def real(wall: datetime, place: ZoneInfo) -> float:
    """When a clock shows that; of two the first; what it never shows, the first minute it shows after that."""
    while True:
        moment = wall.replace(tzinfo=place).timestamp()
        if datetime.fromtimestamp(moment, place).replace(tzinfo=None) == wall:
            return moment
        wall += timedelta(minutes=1)


@settings(max_examples=50, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    year=st.integers(2005, 2034),
    which=st.integers(0, 5),
    minutes=st.integers(-2000, 300),
    minute=st.sampled_from(MINUTES),
    hour=st.sampled_from(HOURS),
    days=st.sampled_from(DAYS),
)
@example(zone="Pacific/Apia", year=2011, which=2, minutes=-30, minute="0", hour="3", days="* * *")
@example(zone="America/Havana", year=2026, which=0, minutes=-60, minute="0", hour="0", days="* * *")
@example(zone=PARIS, year=2026, which=1, minutes=45, minute="30", hour="2", days="* * *")
def test_turns_are_those_of_a_reckoning_minute_by_minute(
    zone: str, year: int, which: int, minutes: int, minute: str, hour: str, days: str
) -> None:
    set_at = settings_of_clocks(zone, year)
    after, line = set_at[which % len(set_at)] + minutes * 60 + 17, f"{minute} {hour} {days}"
    for _ in range(3):
        found = turns.due_after({"cron": line, "timezone": zone}, after)
        expected = reckoned(line, zone, after)
        assert shown(found, zone) == shown(expected, zone), (line, shown(after, zone))
        assert after < found == expected
        after = found
