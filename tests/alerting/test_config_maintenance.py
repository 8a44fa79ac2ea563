"""The [maintenance] tables of a configuration file: what they become, and every impossible one by its key."""

import json
from datetime import UTC, datetime

import pytest

from alerting import silences
from alerting.config import Maintenance
from tests.alerting.test_config_file import config_of, faults_of

BASE = """
[organizations.acme]
name = "Acme"
[service]
timezone = "Europe/Paris"
[servers.prod-1]
local = true
[environments.shop]
server = "prod-1"
"""

GOOD = """
[maintenance.db-upgrade]
match = { environment = "shop", severity = "critical", labels = { team = "shop" } }
reason = "new disks"
starts_at = 2026-12-01T22:00:00+01:00
ends_at = 2026-12-02T02:00:00

[maintenance.patches]
all = true
reason = "the weekly restart"
days = ["sat", "sun"]
at = "02:00"
lasts = "2h"

[maintenance.backups]
match = { subject = "server/prod-*" }
reason = "disks are busy"
timezone = "Asia/Tokyo"
cron = "30 3 * * mon-fri"
lasts = 5400
until = "2027-06-30T00:00:00Z"
"""


def at(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


def refused(table: str, base: str = BASE) -> list[str]:
    return [f"{fault.where}: {fault.message}" for fault in faults_of(f"{base}[maintenance.w]\n{table}")]


def test_windows_as_they_are_read() -> None:
    once, weekly, cron = config_of(BASE + GOOD).maintenance
    assert once == Maintenance(
        "db-upgrade",
        "acme",
        {"environment": "shop", "severity": "critical", "team": "shop"},
        "new disks",
        "Europe/Paris",
        starts_at=at(2026, 12, 1, 21),
        ends_at=at(2026, 12, 2, 1),
    )
    assert weekly.match == {}
    assert (weekly.days, weekly.at, weekly.lasts, weekly.timezone) == (("sat", "sun"), "02:00", 7200, "Europe/Paris")
    assert silences.next_window(weekly, at(2027, 3, 27, 3)) == (at(2027, 3, 28, 1), at(2027, 3, 28, 3))
    assert (cron.timezone, cron.until) == ("Asia/Tokyo", at(2027, 6, 30))
    assert silences.window(cron, at(2027, 1, 17, 19)) == (at(2027, 1, 17, 18, 30), at(2027, 1, 17, 20))
    assert {each.managed_by for each in (once, weekly, cron)} == {"config"}


def test_a_shown_configuration_has_its_times_as_text() -> None:
    shown = config_of(BASE + GOOD).document["maintenance"]
    assert json.loads(json.dumps(shown))["db-upgrade"]["starts_at"] == "2026-12-01T22:00:00+01:00"


def test_a_time_of_day_may_be_written_as_toml_has_it() -> None:
    text = 'all = true\nreason = "x"\ndays = ["mon"]\nat = 23:30:00\nlasts = "1h"\n'
    (found,) = config_of(f"{BASE}[maintenance.w]\n{text}").maintenance
    assert found.at == "23:30"


ONCE = "starts_at = 2026-12-01T22:00:00Z\nends_at = 2026-12-02T02:00:00Z"
WEEKLY = 'days = ["sat"]\nat = "02:00"\nlasts = "2h"'


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("", ": expected one of starts_at and ends_at; days, at and lasts; cron and lasts; found none"),
        (f"{ONCE}\n{WEEKLY}", ": expected one of starts_at and ends_at; days, at and lasts; cron and lasts; "
         "found once and weekly"),
        ('cron = "0 2 * * 6"\ndays = ["sat"]', ": expected one of starts_at and ends_at; days, at and lasts; "
         "cron and lasts; found weekly and cron"),
        ("starts_at = 2026-12-01T22:00:00Z", ": ends_at is missing"),
        ("ends_at = 2026-12-01T22:00:00Z", ": starts_at is missing"),
        ("starts_at = 2026-12-01T22:00:00Z\nends_at = 2026-12-01T21:00:00Z", ".ends_at: lies before starts_at"),
        ("starts_at = 2026-12-01T22:00:00Z\nends_at = 2026-12-01T23:00:00+01:00",
         ".ends_at: is the same moment as starts_at"),
        ("starts_at = 2026-12-01T22:00:00Z\nends_at = 2028-12-01T22:00:00Z",
         ".ends_at: expected a year after starts_at at most"),
        ('starts_at = "tomorrow"\nends_at = 2026-12-01T22:00:00Z',
         ".starts_at: expected a moment such as 2026-12-01T22:00:00+01:00, or 2026-12-01T22:00:00 for the window's "
         "time zone"),
        ("starts_at = 2026-12-01\nends_at = 2026-12-02T00:00:00Z",
         ".starts_at: expected a moment such as 2026-12-01T22:00:00+01:00, or 2026-12-01T22:00:00 for the window's "
         "time zone"),
        (f'{ONCE}\nlasts = "1h"', ".lasts: is for a window that recurs; this one has starts_at and ends_at"),
        (f"{ONCE}\nuntil = 2027-01-01T00:00:00Z", ".until: is for a window that recurs; this one has starts_at and "
         "ends_at"),
        ('days = ["sat"]\nlasts = "1h"', ": at is missing"),
        ('at = "02:00"\nlasts = "1h"', ": days is missing"),
        ('days = ["sat"]\nat = "02:00"', ": lasts is missing"),
        ('cron = "0 2 * * 6"', ": lasts is missing"),
        ('days = ["sat"]\nat = "2:00"\nlasts = "1h"', '.at: expected a time of day such as "02:00"'),
        ('days = ["sat"]\nat = 02:00:30\nlasts = "1h"', '.at: expected a time of day such as "02:00"'),
        ('days = ["saturday"]\nat = "02:00"\nlasts = "1h"',
         ".days[0]: expected one of mon, tue, wed, thu, fri, sat, sun"),
        ('cron = "0 2 * *"\nlasts = "1h"', ".cron: expected five fields, minute hour day month weekday, such as "
         '"0 3 * * *", or one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually'),
        ('cron = "0 25 * * *"\nlasts = "1h"', ".cron: not a cron line: bad hour"),
        ('cron = "0 0 30 2 *"\nlasts = "1h"', ".cron: not a cron line: bad day-of-month"),
        ('cron = "0 2 * * *"\nlasts = "1d"', ".lasts: it would begin again before it ends, each time, and so never "
         "end"),
        ('cron = "*/10 * * * *"\nlasts = "1h"', ".lasts: it would begin again before it ends, each time, and so "
         "never end"),
        ('cron = "0 2 1 * *"\nlasts = "8d"', ".lasts: expected a week at most"),
        (f'{WEEKLY}\nuntil = "never"', ".until: expected a moment such as 2026-12-01T22:00:00+01:00, or "
         "2026-12-01T22:00:00 for the window's time zone"),
        (f'{WEEKLY}\ntimezone = "Mars/Phobos"', ".timezone: unknown time zone; expected a name such as Europe/Paris "
         "or UTC"),
        (f'{WEEKLY}\nevery = "1h"', ".every: unknown key; there are: all, at, cron, days, ends_at, lasts, match, "
         "organization, reason, starts_at, timezone, until"),
    ],
)  # fmt: skip
def test_an_impossible_time_is_named(when: str, said: str) -> None:
    assert refused(f'all = true\nreason = "x"\n{when}') == [f"maintenance.w{said}"]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("", ".match: names nothing; for every alert of the organization say all = true"),
        ("match = {}", ".match: names nothing; for every alert of the organization say all = true"),
        ("match = { labels = {} }", ".match: names nothing; for every alert of the organization say all = true"),
        ("all = false", ".match: names nothing; for every alert of the organization say all = true"),
        ('all = true\nmatch = { server = "prod-1" }', ".all: expected one of match and all = true, not both"),
        ('match = { server = "prod-2" }', '.match.server: not found: servers.prod-2 is not declared'),
        ('match = { environment = "web" }', '.match.environment: not found: environments.web is not declared'),
        ('match = { organization = "globex" }', ".match.organization: never matches: the window belongs to acme"),
        ('match = { serverr = "prod-1" }', ".match.serverr: unknown key; did you mean server?"),
        ('match = { labels = { server = "prod-1" } }', ".match.labels.server: is no label but a field of every "
         "alert; write it beside labels"),
        ('match = { severity = "loud" }', ".match.severity: expected one of info, warning, critical"),
    ],
)  # fmt: skip
def test_what_it_is_about_must_be_said_and_be_there(what: str, said: str) -> None:
    assert refused(f'reason = "x"\n{WEEKLY}\n{what}') == [f"maintenance.w{said}"]


def test_a_window_says_why() -> None:
    assert refused(f"all = true\n{WEEKLY}") == ["maintenance.w: reason is missing"]
    assert refused(f'all = true\nreason = " "\n{WEEKLY}') == [
        "maintenance.w.reason: expected a reason, of 1 to 1000 characters"
    ]


def test_a_window_belongs_to_one_organization() -> None:
    two = '[organizations.acme]\nname = "A"\n[organizations.globex]\nname = "G"\n'
    table = f'reason = "x"\n{WEEKLY}\n'
    theirs = '[servers.theirs]\norganization = "globex"\nlocal = true\n'
    assert refused(f"all = true\n{table}", two) == [
        "maintenance.w: organization is missing; several are declared: acme, globex"
    ]
    assert refused(f'organization = "acme"\nmatch = {{ server = "theirs" }}\n{table}', two + theirs) == [
        "maintenance.w.match.server: servers.theirs belongs to another organization"
    ]


def test_dates_elsewhere_are_no_values_still() -> None:
    (fault,) = faults_of("[service]\nname = 2026-12-01\n")
    assert "dates and times are not used here" in fault.message
