"""CPU a HTTP check: our runner against a bare libcurl loop and requests in threads; and the whole scheduler's path."""

import select
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import harness
import pycurl
import requests
from apscheduler.executors.pool import ThreadPoolExecutor as SchedulerThreads
from apscheduler.schedulers.background import BackgroundScheduler
from harness import own_cpu
from target import target

import probes
from alerting.config import Config, Organization, Watch
from alerting.configuration.rules import default_rules
from alerting.prober import Prober
from alerting.store import database, subjects
from probes._machinery.runner import Runner

AT_ONCE = 64
_SLICE = 0.05  # seconds
FLOOR, OURS, THREADS = "bare libcurl multi loop (floor)", "Runner, JSON judged", "requests in 64 threads, JSON judged"
SCHEDULED, APSCHEDULER = "Vedette's scheduler, judged and stored", "APScheduler, requests in threads, nothing stored"

_EVENTS = {1: select.EPOLLIN, 2: select.EPOLLOUT, 3: select.EPOLLIN | select.EPOLLOUT}


def main() -> None:
    quick = harness.arguments(__doc__).quick
    count, rounds = (300, 2) if quick else (3000, 5)
    with target() as (url, what):
        harness.say(f"checks against {what}")
        _engines(url, count, rounds, what)
        _schedulers(url, quick, what)


def _engines(url: str, count: int, rounds: int, what: str) -> None:
    sides = {FLOOR: bare_curl, OURS: runner, THREADS: in_threads}
    samples = harness.alternate({name: _milliseconds(work, url, count) for name, work in sides.items()}, rounds)
    rows = [[name, harness.figure(samples[name]), harness.ratio(samples, name, FLOOR)] for name in sides]
    title = f"A HTTP check, {AT_ONCE} at once, a new connection each, {count} a round, {rounds} rounds, against {what}"
    harness.table(title, ["engine", "CPU ms a check", "to the floor"], rows)


def _schedulers(url: str, quick: bool, what: str) -> None:
    watches, every, rounds = (100, 1.0, 1) if quick else (1000, 5.0, 3)
    sides = {
        SCHEDULED: lambda: float(harness.in_child(scheduled, url, watches, every)),
        APSCHEDULER: lambda: float(harness.in_child(apscheduler, url, watches, every)),
    }
    samples = harness.alternate(sides, rounds)
    rows = [[name, harness.figure(samples[name]), harness.ratio(samples, name, SCHEDULED)] for name in sides]
    title = f"{watches} checks every {every:g} s on their grid, SQLite, {rounds} rounds, against {what}"
    harness.table(title, ["process", "CPU ms a check", "to ours"], rows)


def _milliseconds(work: Callable[[str, int], float], url: str, count: int) -> Callable[[], float]:
    return lambda: float(harness.in_child(work, url, count)) / count * 1000


def bare_curl(url: str, count: int, pace: float | None = None, silent: str = "", hanging: int = 0) -> float:
    """As little as pycurl lets one do: a body read, a status looked at. CPU seconds of so many, `pace` a second.

    silent, hanging: so many of them, spread evenly, go to this URL, where nobody answers
    """
    loop = CurlLoop(url)
    loop.run(AT_ONCE)
    loop.hang(silent, hanging, count)
    before = own_cpu()
    assert loop.run(count, pace) == count - hanging
    return own_cpu() - before


def runner(url: str, count: int) -> float:
    """Our probes, driven by our runner."""
    driver = Runner()
    _drive(driver, url, AT_ONCE)
    before = own_cpu()
    assert _drive(driver, url, count) == count
    return own_cpu() - before


def in_threads(url: str, count: int) -> float:
    """What most would write."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(_ask, [url] * AT_ONCE))
        before = own_cpu()
        assert sum(pool.map(_ask, [url] * count)) == count
        return own_cpu() - before


def scheduled(url: str, watches: int, every: float) -> float:
    """CPU ms a check of the prober and the pipeline, from the second round on: the first is all new."""
    config = _config(url, watches, every)
    with tempfile.TemporaryDirectory() as home:
        database.open_database(f"sqlite:///{Path(home, 'vedette.db')}")
        database.migrate()
        prober = Prober(lambda: config, lambda: None)
        prober.start()
        harness.wait_for(lambda: _stored() >= watches, "every check was seen once")
        milliseconds = _over_rounds(every, watches)
        prober.stop(5)
        assert _all_ok(), "a check failed"
        database.close_database()
    return milliseconds


def apscheduler(url: str, watches: int, every: float) -> float:
    """The same number of checks as jobs of their own; each result is thrown away."""
    scheduler = BackgroundScheduler(executors={"default": SchedulerThreads(AT_ONCE)})
    for number in range(watches):
        # Spread over the interval, as a grid would: all at once the pool refuses some.
        first = datetime.fromtimestamp(time.time() + every * (1 + number / watches), UTC)
        scheduler.add_job(_ask, "interval", [url], seconds=every, next_run_time=first)
    scheduler.start()
    time.sleep(every)  # until the first is due
    milliseconds = _over_rounds(every, watches)
    scheduler.shutdown(wait=False)
    return milliseconds


def _over_rounds(every: float, watches: int, rounds: int = 3) -> float:
    before = own_cpu()
    time.sleep(every * rounds)
    return (own_cpu() - before) / (rounds * watches) * 1000


def _stored() -> int:
    with database.reading():
        return len(subjects.looked_at())


def _all_ok() -> bool:
    with database.reading():
        return all(state.observation.status == "ok" for state in subjects.states().values())


def _config(url: str, watches: int, every: float) -> Config:
    wanted = {"url": url, "json": {"status": "ok"}, "timeout": 4.0}
    return Config(
        organizations=(Organization("acme", "Acme"),),
        watches=tuple(Watch(f"check/c{number}", "http", "acme", every, wanted) for number in range(watches)),
        rules=default_rules(),
    )


def _drive(driver: Runner, url: str, count: int) -> int:
    config = {"url": url, "json": {"status": "ok"}}
    probe = probes.find("http")
    begun = good = 0
    while begun < count or driver.in_flight:
        while begun < count and driver.in_flight < AT_ONCE:
            driver.start(probe(config, 0.0, None), begun, 30.0)
            begun += 1
        good += sum(seen.status == "ok" for _, seen in driver.run_once(1.0))
    return good


def _ask(url: str) -> bool:
    reply = requests.get(url, timeout=10)
    return bool(reply.status_code == 200 and reply.json()["status"] == "ok")


class CurlLoop:
    """libcurl's multi interface told by epoll which sockets are ready."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._epoll = select.epoll()
        self._known: set[int] = set()
        self._due: float | None = None
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._free = [self._handle(url) for _ in range(AT_ONCE)]
        self._hanging: dict[int, Any] = {}

    def hang(self, silent: str, hanging: int, count: int) -> None:
        """So many of the next `count` exchanges go to the URL `silent`, each with a handle of its own."""
        self._hanging = {number * count // hanging: self._handle(silent) for number in range(hanging)}

    def run(self, count: int, pace: float | None = None) -> int:
        """So many exchanges, all at full tilt or `pace` a second, begun 20 times a second; how many were answered."""
        begun = ended = good = 0
        begin = time.monotonic()
        while ended < count:
            while begun < self._allowed(count, pace, begin) and self._free:
                self._start(self._hanging.pop(begun, None) or self._free.pop())
                begun += 1
            self._wait(_SLICE if pace and begun < count else 1.0)
            _, succeeded, failed = self._multi.info_read()
            for handle in [*succeeded, *(one[0] for one in failed)]:
                ended += 1
                good += handle.getinfo(pycurl.RESPONSE_CODE) == 200 and bool(handle.body.getvalue())
                self._multi.remove_handle(handle)
                if handle.url == self._url:
                    self._free.append(handle)
        return good

    def _start(self, handle: Any) -> None:
        handle.body = BytesIO()
        handle.setopt(pycurl.WRITEDATA, handle.body)
        self._multi.add_handle(handle)

    @staticmethod
    def _allowed(count: int, pace: float | None, begin: float) -> float:
        """How many may have begun by now: of a paced run those of the slices of time that are over."""
        slices = (time.monotonic() - begin) // _SLICE
        return count if pace is None else min(count, slices * _SLICE * pace)

    def _wait(self, most: float) -> None:
        patience = most if self._due is None else min(most, max(0.0, self._due - time.monotonic()))
        ready = self._epoll.poll(patience)
        for descriptor, events in ready:
            self._multi.socket_action(descriptor, 2 if events == select.EPOLLOUT else 1)
        if self._due is not None and self._due <= time.monotonic():
            self._due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _watch(self, what: int, descriptor: int, _multi: Any, _data: Any) -> None:
        if what not in _EVENTS:
            self._known.discard(descriptor)
            self._epoll.unregister(descriptor)
        elif descriptor in self._known:
            self._epoll.modify(descriptor, _EVENTS[what])
        else:
            self._known.add(descriptor)
            self._epoll.register(descriptor, _EVENTS[what])

    def _set_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    @staticmethod
    def _handle(url: str) -> Any:
        handle = pycurl.Curl()
        for option in (pycurl.NOSIGNAL, pycurl.FRESH_CONNECT, pycurl.FORBID_REUSE):
            handle.setopt(option, 1)
        handle.url = url
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.TIMEOUT_MS, 10_000)
        return handle


if __name__ == "__main__":
    main()
