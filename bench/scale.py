"""10,000 HTTP checks a minute, 5 % of them hanging until their timeout: lateness, CPU and memory a check."""

import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import harness
import psutil
from checks import bare_curl
from harness import beside, own_cpu
from target import target

from alerting.config import Config, Organization, Watch
from alerting.configuration.rules import default_rules
from alerting.prober import Prober
from alerting.store import database, subjects

EVERY, TIMEOUT = 60.0, 10.0
HANGING = 20  # one of so many
FLOOR, PACED = (
    "bare libcurl multi loop at full tilt (floor)",
    "bare libcurl multi loop at the same pace, as many hanging",
)
OURS = "Vedette's prober, pipeline and history on SQLite"


def main() -> None:
    quick = harness.arguments(__doc__).quick
    watches, every, measured, rounds = (1000, 6.0, 12.0, 1) if quick else (10_000, EVERY, EVERY, 2)
    with target() as (url, what), hanging() as silent:
        samples: harness.Samples = {FLOOR: [], PACED: [], OURS: []}
        found: list[dict[str, float]] = []
        for number in range(1, rounds + 1):
            harness.say(f"  {number}/{rounds}")
            samples[FLOOR].append(float(harness.in_child(bare_curl, url, 3000)) / 3000 * 1000)
            paced = harness.in_child(bare_curl, url, 3000, watches / every, silent, 3000 // HANGING)
            samples[PACED].append(float(paced) / 3000 * 1000)
            found.append(harness.in_child(scheduled, url, silent, watches, every, measured))
            samples[OURS].append(found[-1]["cpu"])
        _tell(samples, found, f"{watches:,} checks every {every:g} s, {100 / HANGING:g} % hanging, against {what}")


def _tell(samples: harness.Samples, found: list[dict[str, float]], title: str) -> None:
    rows = [
        [name, harness.figure(each), harness.ratio(samples, name, FLOOR), harness.ratio(samples, name, PACED)]
        for name, each in samples.items()
    ]
    harness.table(title, ["process", "CPU ms a check", "to the floor", "to the paced"], rows)
    names = {"p50": ("lateness p50 ms", ".1f"), "p99": ("lateness p99 ms", ".1f"), "worst": ("latest ms", ".0f")}
    names |= {"missed": ("missed", ".0f"), "stored": ("looks stored", ",.0f"), "memory": ("bytes a check", ",.0f")}
    rows = [[words, harness.figure([one[name] for one in found], form)] for name, (words, form) in names.items()]
    harness.table("Kept to the grid", ["what", "measured"], rows)


def scheduled(url: str, silent: str, watches: int, every: float, measured: float) -> dict[str, float]:
    """What a minute of the scheduler's prober costs once everything was seen, and how late its looks begin."""
    with tempfile.TemporaryDirectory() as home:
        database.open_database(f"sqlite:///{Path(home, 'vedette.db')}")
        database.migrate()
        with _probing(_config(url, silent, HANGING * 5, every), HANGING * 5):
            time.sleep(every / 10)
        before = _memory()
        config = _config(url, silent, watches, every)
        with _probing(config, watches) as prober:
            time.sleep(every + TIMEOUT + 2)  # until all were seen again, the hanging of the first round included
            prober.lateness.forget()
            looks, cpu, missed = _looks(), own_cpu(), prober.missed
            time.sleep(measured)
            used, seen = own_cpu() - cpu, _looks() - looks
            late = prober.lateness.quantiles(0.5, 0.99, 1.0)
            found = {"memory": (_memory() - before) / watches, "missed": prober.missed - missed, "stored": seen}
        database.close_database()
    expected = measured / every * watches
    assert abs(seen - expected) < expected * 0.05 + 300, f"{seen} looks were stored, not {expected:g}"
    return {
        "cpu": used / expected * 1000,
        **found,
        "p50": 1000 * late[0],
        "p99": 1000 * late[1],
        "worst": 1000 * late[2],
    }


@contextmanager
def _probing(config: Config, watches: int) -> Iterator[Prober]:
    prober = Prober(lambda: config, lambda: None)
    prober.start()
    try:
        harness.wait_for(lambda: _known() >= watches, "every check was seen once", 120.0)
        yield prober
    finally:
        prober.stop(5)


def _known() -> int:
    with database.reading():
        return len(subjects.looked_at())


def _looks() -> int:
    with database.reading():
        return int(database.execute("select count(*) from sample")[0][0])


def _memory() -> int:
    return int(psutil.Process().memory_full_info().uss)


def _config(url: str, silent: str, watches: int, every: float) -> Config:
    return Config(
        organizations=(Organization("acme", "Acme"),),
        watches=tuple(_watch(number, silent if number % HANGING == 0 else url, every) for number in range(watches)),
        rules=default_rules(),
    )


def _watch(number: int, url: str, every: float) -> Watch:
    wanted = {"url": f"{url}?{number}", "json": {"status": "ok"}, "timeout": min(TIMEOUT, every / 2)}
    return Watch(f"check/c{number}", "http", "acme", every, wanted)


@contextmanager
def hanging() -> Iterator[str]:
    """A server that takes connections and never says a word: its URL."""
    with beside(_hang) as connection:
        yield f"http://127.0.0.1:{connection.recv()}/health"


def _hang(connection: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    connection.send(listener.getsockname()[1])
    held: list[Any] = []
    while True:
        held.append(listener.accept()[0])
        del held[:-2000]


if __name__ == "__main__":
    main()
