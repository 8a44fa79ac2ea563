"""Observations judged and alerts stored a CPU second, on SQLite and PostgreSQL, against bare INSERTs of as much."""

import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import harness
from harness import ROOT, own_cpu, tree_cpu

from alerting import pipeline
from alerting.config import Channel, Config, Organization, Rule, Watch
from alerting.configuration.rules import default_rules
from alerting.store import alerts, database
from probes import Observation

WATCHES = 500
JUDGED, JUDGED_ONE, STORED, STORED_ONE = (
    "observation, nothing new, in a batch",
    "observation, nothing new, one by one",
    "alert raised, in a batch",
    "alert raised, one by one",
)
FLOOR = "bare INSERTs of an alert, a notice and an event, one by one (floor)"

_CONFIG = Config(
    organizations=(Organization("acme", "Acme"),),
    watches=tuple(Watch(f"check/c{number}", "http", "acme", 60.0, {"url": "http://x/"}) for number in range(WATCHES)),
    rules=(Rule("Down", "http_down", "critical", "status", ">=", 2, 0.0, kinds=("http",)), *default_rules()),
    channels=(Channel("ops", "slack", "acme", {"webhook_url": "http://127.0.0.1:9/hook"}),),
)
_VALUES = {"status_code": 200.0, "total_seconds": 0.01, "dns_seconds": 0.001, "body_bytes": 96.0, "tls_seconds": None}


def main() -> None:
    quick = harness.arguments(__doc__).quick
    rounds = 1 if quick else 5
    numbers = count()
    with tempfile.TemporaryDirectory() as home:
        _tell("SQLite", lambda: f"sqlite:///{Path(home, f'{next(numbers)}.db')}", None, rounds)
    with _postgres() as server:
        if server is None:
            harness.say("PostgreSQL: no server here, left out")
            return
        pid = int((server.data / "postmaster.pid").read_text().split()[0])
        new_url = lambda: str(server.new_database(f"bench{next(numbers)}"))  # noqa: E731
        _tell("PostgreSQL, its server's CPU included", new_url, pid, rounds)


def _tell(where: str, new_url: Callable[[], str], server: int | None, rounds: int) -> None:
    samples: harness.Samples = {}
    for number in range(1, rounds + 1):
        harness.say(f"  {number}/{rounds} {where}")
        for name, microseconds in harness.in_child(_measure, new_url(), server).items():
            samples.setdefault(name, []).append(microseconds)
    rows = [
        [
            name,
            harness.figure(found, ",.0f"),
            harness.figure([1e6 / one for one in found], ",.0f"),
            harness.ratio(samples, name, FLOOR),
        ]
        for name, found in samples.items()
    ]
    title = f"{WATCHES} subjects, {rounds} rounds, {where}"
    harness.table(title, ["what", "CPU µs each", "a CPU second", "to the floor"], rows)


def _measure(url: str, server: int | None) -> dict[str, float]:
    """CPU µs of each, and the server's where there is one."""
    database.open_database(url)
    database.migrate()
    with database.reading():  # the connection of a process that goes on
        found = {
            JUDGED: _cost(server, lambda: _ingest("ok", (1, 2, 3, 4, 5), WATCHES), 5 * WATCHES),
            JUDGED_ONE: _cost(server, lambda: _ingest("ok", (6,), 1), WATCHES),
            STORED: _cost(server, lambda: _ingest("critical", (10,), WATCHES), WATCHES),
        }
        assert len(alerts.unresolved()) == WATCHES, "not every failure became an alert"
        _ingest("ok", (11,), WATCHES)
        found[STORED_ONE] = _cost(server, lambda: _ingest("critical", (7200,), 1), WATCHES)
        assert len(alerts.unresolved()) == WATCHES, "not every failure became an alert"
    database.close_database()
    found[FLOOR] = _cost(server, _bare(url), WATCHES)
    return found


def _cost(server: int | None, work: Callable[[], None], pieces: int) -> float:
    before = own_cpu() + (tree_cpu(server) if server else 0.0)
    work()
    return (own_cpu() + (tree_cpu(server) if server else 0.0) - before) / pieces * 1e6


def _ingest(status: Any, moments: tuple[int, ...], batch: int) -> None:
    for moment in moments:
        at = 1_800_000_000.0 + moment * 60
        seen = [Observation(status, _VALUES, f"HTTP 200 at {at}", {}, one.subject, at, 0.01) for one in _CONFIG.watches]
        for start in range(0, len(seen), batch):
            pipeline.ingest(_CONFIG, seen[start : start + batch], at)


def _bare(url: str) -> Callable[[], None]:
    """Three INSERTs and a commit for each, by the driver alone, of about as many bytes as we store."""
    connection: Any
    if url.startswith("sqlite"):
        connection, mark = sqlite3.connect(url.partition("///")[2]), "?"
        connection.execute("PRAGMA synchronous = 1")
    else:
        import psycopg

        connection, mark = psycopg.connect(url), "%s"
    tables = {"bare_alert": "a" * 400, "bare_notice": "n" * 300, "bare_event": "e" * 500}
    for name in tables:
        connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, at REAL, subject TEXT UNIQUE, data TEXT)")
    connection.commit()

    def work() -> None:
        for number, watch in enumerate(_CONFIG.watches):
            for name, data in tables.items():
                values = f"({mark}, {mark}, {mark}, {mark})"
                connection.execute(f"INSERT INTO {name} VALUES {values}", (number, 1.8e9, watch.subject, data))
            connection.commit()

    return work


@contextmanager
def _postgres() -> Iterator[Any]:
    """The tests' PostgreSQL server, without its standby; None where there is no such program."""
    sys.path.insert(0, str(ROOT))
    from tests import provision
    from tests.servers.postgres import USER, PostgresPair

    program = provision.find("initdb")
    if program is None:
        yield None
        return
    pair = PostgresPair(program.resolve().parent)
    try:
        pair.primary.run("initdb", "-D", str(pair.primary.data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        pair.primary.start()
        yield pair.primary
    finally:
        pair.stop()


if __name__ == "__main__":
    main()
