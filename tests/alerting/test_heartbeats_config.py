"""The [heartbeats] tables of a configuration file: what they become, what is wrong with them, no key shown."""

from pathlib import Path

import pytest

from alerting.config import Config
from alerting.configuration.faults import ConfigError
from alerting.configuration.heartbeats import digest
from alerting.configuration.reader import read
from alerting.settings import load

GOOD = """
[organizations.acme]
name = "Acme"
[service]
timezone = "Europe/Paris"
[servers.prod-1]
local = true
[environments.shop]
server = "prod-1"
project = "shop"
[heartbeats.backup]
key = "${BACKUP_PING_KEY}"
cron = "0 3 * * *"
grace = "30m"
max_runtime = "2h"
environment = "shop"
description = "pg_dump of the shop"
failures = 2
[heartbeats.report]
organization = "acme"
key = "report-key.0_~"
period = "1d"
timezone = "Asia/Tokyo"
depends_on = ["heartbeat/backup"]
[checks.numbers]
kind = "http"
config = { url = "http://127.0.0.1/numbers" }
depends_on = ["heartbeat/report"]
"""


def config(text: str, tmp_path: Path, **environ: str) -> Config:
    path = tmp_path / "vedette.toml"
    path.write_text(text)
    return read(path, load(environ or {"BACKUP_PING_KEY": "backup-key-1"}))


def faults(tables: str, tmp_path: Path) -> list[str]:
    with pytest.raises(ConfigError) as error:
        config(f'[organizations.acme]\nname = "Acme"\n{tables}', tmp_path)
    return [f"{fault.where}: {fault.message}" for fault in error.value.faults]


def test_a_heartbeat_is_watched_and_its_key_leads_to_it(tmp_path: Path) -> None:
    found = config(GOOD, tmp_path)
    backup, report = found.watch_of["heartbeat/backup"], found.watch_of["heartbeat/report"]
    assert (backup.kind, backup.is_probed, backup.failures) == ("heartbeat", False, 2)
    assert backup.config == {"timezone": "Europe/Paris", "cron": "0 3 * * *", "grace": "30m", "max_runtime": "2h"}
    assert (backup.server, backup.environment, backup.project) == ("prod-1", "shop", "shop")
    assert backup.parents == ("server/prod-1",)
    assert backup.description == "pg_dump of the shop"
    assert report.config == {"timezone": "Asia/Tokyo", "period": "1d"}
    assert report.parents == ("heartbeat/backup",)
    assert found.watch_of["check/numbers"].parents == ("heartbeat/report",)
    assert found.heartbeat_keys == {
        digest("backup-key-1"): "heartbeat/backup",
        digest("report-key.0_~"): "heartbeat/report",
    }


def test_no_key_is_shown(tmp_path: Path) -> None:
    found = config(GOOD, tmp_path)
    assert found.document["heartbeats"]["backup"]["key"] == "${BACKUP_PING_KEY}"
    assert found.document["heartbeats"]["report"]["key"] == "********"
    assert "report-key" not in repr(found) and "backup-key" not in repr(found)


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ('[heartbeats.a]\nperiod = "1d"', "heartbeats.a: key is missing"),
        ('[heartbeats.a]\nkey = "abcdefgh"', "heartbeats.a: expected exactly one of period and cron"),
        (
            '[heartbeats.a]\nkey = "abcdefgh"\nperiod = "1d"\ncron = "@daily"',
            "heartbeats.a: expected exactly one of period and cron",
        ),
        ('[heartbeats.a]\nkey = "abcdefg"\nperiod = "1d"', "heartbeats.a.key: expected 8 to 200 of A-Z"),
        ('[heartbeats.a]\nkey = "abcd/efgh"\nperiod = "1d"', "heartbeats.a.key: expected 8 to 200 of A-Z"),
        ('[heartbeats.a]\nkey = "${NO_SUCH}"\nperiod = "1d"', "heartbeats.a.key: the environment variable NO_SUCH"),
        (
            '[heartbeats.a]\nkey = "abcdefgh"\nperiod = 9\n[heartbeats.b]\nkey = "abcdefgh"\nperiod = 9',
            "heartbeats.b.key: heartbeats.a has the same key",
        ),
        ('[heartbeats.a]\nkey = "abcdefgh"\nperiod = "0.2s"', "heartbeats.a.period: expected at least 1 s"),
        ('[heartbeats.a]\nkey = "abcdefgh"\nperiod = "often"', "heartbeats.a.period: expected a duration"),
        ('[heartbeats.a]\nkey = "abcdefgh"\ncron = "0 0 30 2 *"', "heartbeats.a.cron: not a cron line"),
        ('[heartbeats.a]\nkey = "abcdefgh"\ncron = "0 3 * *"', "heartbeats.a.cron: expected five fields"),
        (
            '[heartbeats.a]\nkey = "abcdefgh"\nperiod = "1d"\ntimezone = "Mars"',
            "heartbeats.a.timezone: unknown time zone",
        ),
        ('[heartbeats.a]\nkey = "abcdefgh"\nperiod = "1d"\nurl = "x"', "heartbeats.a.url: unknown key"),
        ('[heartbeats.a]\nkey = "abcdefgh"\nperiod = "1d"\nserver = "x"', "heartbeats.a.server: not found"),
        (
            '[heartbeats.a]\nkey = "abcdefgh"\nperiod = "1d"\ndepends_on = ["heartbeat/a"]',
            "heartbeats.a.depends_on: depends on itself",
        ),
        (
            '[heartbeats.a]\nkey = "abcdefgh"\nperiod = "1d"\ndepends_on = ["heartbeat/b"]',
            "heartbeats.a.depends_on[0]: not found: heartbeats.b is not declared",
        ),
        (
            '[checks.a]\nkind = "heartbeat"\nconfig = { period = "1d" }',
            "checks.a.kind: a heartbeat is declared as [heartbeats.a]",
        ),
    ],
)
def test_what_is_wrong_is_told_where_it_is(tables: str, fault: str, tmp_path: Path) -> None:
    found = faults(tables, tmp_path)
    assert len(found) == 1 and found[0].startswith(fault), found
    assert "abcdefgh" not in found[0]


def test_what_belongs_to_another_organization_is_no_parent(tmp_path: Path) -> None:
    text = """
[organizations.acme]
[organizations.globex]
[heartbeats.a]
organization = "acme"
key = "abcdefgh"
period = "1d"
depends_on = ["heartbeat/b"]
[heartbeats.b]
key = "abcdefghi"
period = "1d"
"""
    path = tmp_path / "vedette.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read(path, load({}))
    assert "organization is missing" in str(error.value)
    path.write_text(text.replace("[heartbeats.b]", '[heartbeats.b]\norganization = "globex"'))
    with pytest.raises(ConfigError) as error:
        read(path, load({}))
    assert "heartbeats.b belongs to another organization" in str(error.value)
