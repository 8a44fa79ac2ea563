"""A replica from the standby to the log, the alert and the exit code: by the scheduler's prober, and by hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from alerting import settings
from alerting.cli.probe import probe
from alerting.config import Config
from alerting.configuration.reader import read_bytes
from alerting.prober import Prober
from alerting.settings import Settings
from alerting.store import alerts, events
from alerting.store.database import migrate, reading
from probes._machinery.standby import MIB
from tests.databases import opened
from tests.probes.standbys import wait_gone, wait_reported
from tests.servers.postgres import PostgresPair
from tests.waiting import wait_until

FILE = """
[pools.shop]
url = "{dsn}"

[environments.shop-prod.replica]
pool = "shop"
application_name = "replica"
every = "1s"
thresholds = {{ warning_bytes = 2097152, warning_seconds = 900, critical_bytes = 209715200, critical_seconds = 1800 }}
"""


@pytest.fixture
def watched(tmp_path: Path, fresh_postgres_pair: PostgresPair) -> Iterator[PostgresPair]:
    """A pair that a prober watches each second."""
    config: Config = read_bytes(FILE.format(dsn=fresh_postgres_pair.dsn).encode(), "vedette.toml", Settings())
    with opened(f"sqlite:///{tmp_path / 'vedette.db'}"):
        migrate()
        prober = Prober(lambda: config, lambda: None)
        prober.start()
        try:
            yield fresh_postgres_pair
        finally:
            prober.stop(10)


def told(name: str, **wanted: Any) -> list[dict[str, Any]]:
    """The events of that type in the log whose data has these values."""
    with reading():
        found = [json.loads(event.data) for event in events.after(0) if event.type == name]
    return [data for data in found if wanted.items() <= data.items()]


def open_alerts() -> dict[str, str]:
    """Fingerprint → severity."""
    with reading():
        return {alert.fingerprint: alert.severity for alert in alerts.unresolved()}


def test_lag_and_absence_are_logged_and_alerted_and_end(watched: PostgresPair) -> None:
    pair, fingerprint = watched, "replica_lag:shop-prod:status"
    wait_until(lambda: told("replica.health_updated", status="online"), 30, "the replica to be seen")
    pair.standby.sql("SELECT pg_wal_replay_pause()")
    pair.write(4)
    wait_until(lambda: told("replica.health_updated", status="lagging"), 30, "the lag to be told")
    (lag,) = told("replica.lag_alert")
    assert (lag["environment_id"], lag["severity"], lag["threshold_bytes"]) == ("shop-prod", "warning", 2 * MIB)
    assert lag["lag_bytes"] > 2 * MIB
    assert open_alerts() == {fingerprint: "warning"}
    pair.standby.sql("SELECT pg_wal_replay_resume()")
    wait_until(lambda: not open_alerts(), 30, "the alert to end")
    pair.standby.kill()
    wait_until(lambda: told("replica.health_updated", status="offline"), 30, "the absence to be told")
    assert open_alerts() == {fingerprint: "critical"}
    pair.standby.start()
    wait_until(lambda: not open_alerts(), 60, "the alert to end")
    pair.primary.kill()
    wait_until(lambda: told("replica.health_updated", status="error", lag_bytes=None), 30, "the error to be told")
    wait_until(lambda: open_alerts() == {fingerprint: "critical"}, 30, "the alert")


def test_the_exit_code_says_how_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_postgres_pair: PostgresPair
) -> None:
    pair = fresh_postgres_pair
    monkeypatch.chdir(tmp_path)
    small = {"warning_bytes": 2 * MIB, "critical_bytes": 200 * MIB, "warning_seconds": 900, "critical_seconds": 1800}
    assert _probe(pair, thresholds=small) == (0, "online")
    pair.standby.sql("SELECT pg_wal_replay_pause()")
    pair.write(4)
    wait_reported(pair, 2 * MIB)
    assert _probe(pair, thresholds=small) == (1, "lagging")  # it looks twice, and takes as long
    pair.standby.kill()
    wait_gone(pair)
    assert _probe(pair) == (2, "offline")
    pair.primary.kill()
    assert _probe(pair) == (3, "error")


def _probe(pair: PostgresPair, **more: Any) -> tuple[int, str]:
    given = {"dsn": pair.dsn, "application_name": "replica", **more}
    settings.current.cache_clear()
    try:
        done = CliRunner().invoke(probe, ["replica", "--config", json.dumps(given), "--json"])
    finally:
        settings.current.cache_clear()
    return done.exit_code, json.loads(done.stdout)["facts"]["status"]
