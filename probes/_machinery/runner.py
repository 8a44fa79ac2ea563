"""Drives probes: serves what they ask for, many at once in one thread, and lets none outlive its deadline."""

import heapq
import logging
import select
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from itertools import count
from math import inf
from secrets import token_hex
from typing import Any

from probes import find
from probes._machinery.checking import check_config
from probes._machinery.exchanges import TRANSPORTS, Exchanges, Transport
from probes._machinery.guard import address_guard
from probes._machinery.host import Host
from probes._machinery.http import HttpLoop
from probes._machinery.observation import Observation, timed
from probes._machinery.requests import HostQuery, HttpReply, HttpRequest, Reply, Request, Sleep, SqlQuery
from probes._machinery.shared import Shared
from probes._machinery.sql import SqlThreads
from probes._machinery.tasks import Alarm, Job, Line, Running, Task

__all__ = ["Runner", "check_config", "run"]

_log = logging.getLogger("vedette.probes")
_LONGEST_RUN = 60.0
_DEADLINE = -1  # in place of a turn: the timer is the whole probe's
_STALE_TIMERS = 1000
_GATHER = 0.01  # seconds an ended exchange waits for others: judged one by one, each would find the caches cold
HTTP_AT_ONCE = 1024
"""HTTP exchanges at once. A twentieth of 10,000 checks a minute that hang for 10 s are 84 of them."""

SQL_AT_ONCE = 64
"""Queries at once, a thread each: servers that hang until their timeout must leave places to the others."""


class Runner:
    """Many probes under way in one thread. Not thread-safe, but for `wake`.

    http_limit, sql_limit: exchanges and queries at once; further ones wait in line, and their deadlines with them
    denied_networks, allowed_networks: CIDR texts, as `guard.address_guard` has them, for every transport
    ca_file: certificates to trust instead of the system's
    heard: told every reply that a probe waited for, with the probe's key and its request
    stamp: makes of what a probe concluded, its key and the seconds it took the observation to return
    """

    def __init__(
        self,
        *,
        http_limit: int = HTTP_AT_ONCE,
        sql_limit: int = SQL_AT_ONCE,
        denied_networks: Iterable[str] = (),
        allowed_networks: Iterable[str] = (),
        ca_file: str | None = None,
        heard: Callable[[Any, Request, Reply], None] | None = None,
        stamp: Callable[[Observation, Any, float], Observation] = timed,
    ) -> None:
        self._epoll = select.epoll()
        self._alarm = Alarm()
        self._epoll.register(self._alarm.descriptor, select.EPOLLIN)
        self.set_policy(denied_networks, allowed_networks)
        self._http = HttpLoop(self._epoll, self._allowed, ca_file)
        self._sql = SqlThreads(self.wake, self._allowed)
        self._exchanges = Exchanges(self.wake, self._allowed)
        self._heard = heard
        self._stamp = stamp
        self._host = Host()
        self._shared = Shared()
        self._lines: dict[Any, Line] = {HttpRequest: Line(http_limit), SqlQuery: Line(sql_limit)}
        self._timers: list[tuple[float, int, Task, int]] = []
        self._numbers = count()
        self._tasks: set[Task] = set()
        self._done: list[tuple[Any, Observation]] = []

    @property
    def in_flight(self) -> int:
        """Probes started and not yet ended."""
        return len(self._tasks)

    def set_policy(self, denied_networks: Iterable[str], allowed_networks: Iterable[str]) -> None:
        """From now on these networks are out of bounds, for what is under way too. Raises ValueError."""
        self._policy = address_guard(denied_networks, allowed_networks)

    def start(self, probe: Running, key: Hashable, deadline_seconds: float) -> None:
        """Begin a probe; `run_once` gives its observation with `key`. Time in line does not count as its own."""
        task = Task(probe, key, deadline_seconds)
        self._tasks.add(task)
        self._advance(task, None)

    def run_once(self, timeout: float) -> list[tuple[Any, Observation]]:
        """Wait up to `timeout` seconds for an event, see to what is due, return what has ended (maybe nothing)."""
        called = self._listen(timeout)
        for task, reply, moment in self._http.finished():
            self._lines[HttpRequest].busy -= 1
            task.heard_at = moment
            self._settle(task, reply)
        if called:
            self._end_jobs()
        self._ring_timers()
        self._let_in()
        done, self._done = self._done, []
        return done

    def _listen(self, timeout: float) -> bool:
        """Serve sockets until something is due; whether a thread called. What has ended waits a moment for more."""
        called, now = False, time.monotonic()
        end = now if self._done else min(now + timeout, self._timers[0][0] if self._timers else inf)
        gathering = False
        while True:
            for descriptor, events in self._epoll.poll(self._patience(now, end)):
                if descriptor == self._alarm.descriptor:
                    self._alarm.hear()
                    called = True
                else:
                    self._http.on_event(descriptor, events)
            self._http.on_time()
            now = time.monotonic()
            if not gathering and self._http.has_ended():
                gathering, end = True, min(end, now + _GATHER)
            if called or now >= end or self._http.has_unsent:
                return called

    def _settle(self, task: Task, reply: HttpReply) -> None:
        """Hand on a reply: to who asked, and to who waited for the same."""
        assert isinstance(task.request, HttpRequest)
        if not task.request.share_seconds:
            self._advance(task, reply)
            return
        answered, patient = self._shared.settle(task, task.request, reply, time.monotonic())
        for each in (task, *answered):
            self._advance(each, reply)
        for each, request in patient:
            self._serve(each, request)

    def wake(self) -> None:
        """End the wait of `run_once`, from any thread."""
        self._alarm.ring()

    def close(self) -> None:
        """Stop every probe without a conclusion and let everything go."""
        for task in list(self._tasks):
            self._stop(task)
        self._http.close()
        self._exchanges.close()
        self._alarm.close()
        self._epoll.close()

    def _allowed(self, address: str) -> bool:
        return self._policy(address)

    def _patience(self, now: float, end: float) -> float:
        due = self._http.next_due()
        return max(0.0, (end if due is None else min(end, due)) - now)

    def _advance(self, task: Task, reply: Reply) -> None:
        """Give a probe its reply, and see to what it asks for next."""
        task.turn += 1
        task.job = None
        if reply is not None and task.request is not None and self._heard is not None:
            self._heard(task.key, task.request, reply)
        try:
            request = task.probe.send(reply)
            while (at_hand := self._at_hand(request)) is not None:
                request = task.probe.send(at_hand)
        except StopIteration as end:
            self._end(task, end.value)
        except Exception as trouble:
            self._end(task, _broken(task.key, trouble))
        else:
            self._serve(task, request)

    def _at_hand(self, request: Request) -> Reply:
        """The reply that needs no waiting for, else None."""
        if isinstance(request, HostQuery):
            return self._host.look()
        if isinstance(request, HttpRequest) and request.share_seconds:
            return self._shared.answer(request, time.monotonic())
        return None

    def _serve(self, task: Task, request: Request) -> None:
        task.request, task.heard_at = request, None
        transport = TRANSPORTS.get(type(request))
        line = self._line_of(request, transport) if transport else self._lines.get(type(request))
        if isinstance(request, HttpRequest) and request.share_seconds and self._shared.join(request, task):
            task.pause()  # another asks this very thing, within deadlines of its own
        elif line is not None:
            self._ask(line, task, request)
        elif isinstance(request, Sleep):
            self._resume(task)
            self._set_timer(time.monotonic() + request.seconds, task, task.turn)
        else:
            self._stop(task)
            self._end(task, _broken(task.key, TypeError(f"asked for {type(request).__name__}, which none serves")))

    def _line_of(self, request: Any, transport: Transport) -> Line:
        """The line of a request's sort, or of its sort and the host it goes to; made where there is none yet."""
        place = type(request) if transport.lane is None else (type(request), transport.lane(request))
        line = self._lines.get(place)
        if line is None:
            line = self._lines[place] = Line(transport.limit)
        return line

    def _ask(self, line: Line, task: Task, request: Request) -> None:
        if line.is_full or line.waiting:
            task.pause()
            line.waiting.append((task, request))
        else:
            self._send(line, task, request)

    def _send(self, line: Line, task: Task, request: Any) -> None:
        self._resume(task)
        line.busy += 1
        if isinstance(request, HttpRequest):
            self._http.start(request, task)
            return
        server = self._sql if isinstance(request, SqlQuery) else self._exchanges
        task.job = server.start(request, task)
        self._set_timer(time.monotonic() + request.timeout, task, task.turn)

    def _let_in(self) -> None:
        for line in self._lines.values():
            while line.waiting and not line.is_full:
                task, request = line.waiting.popleft()
                if task in self._tasks:
                    self._send(line, task, request)

    def _end_jobs(self) -> None:
        for query in self._sql.finished():
            self._end_job(self._lines[SqlQuery], query)
        for exchange in self._exchanges.finished():
            self._end_job(self._line_of(exchange.request, TRANSPORTS[type(exchange.request)]), exchange)

    def _end_job(self, line: Line, job: Job) -> None:
        """It has ended elsewhere: its place is free, and its reply counts unless its time was up before."""
        line.busy -= 1
        task: Task = job.token  # type: ignore[assignment]
        if job.cut or task not in self._tasks:
            return
        if isinstance(job.trouble, Exception):
            self._stop(task)
            self._end(task, _broken(task.key, job.trouble))
        else:
            self._advance(task, job.reply)

    def _resume(self, task: Task) -> None:
        if task.deadline is None:
            self._set_timer(task.go_on(), task, _DEADLINE)

    def _set_timer(self, at: float, task: Task, turn: int) -> None:
        if len(self._timers) > _STALE_TIMERS + 4 * len(self._tasks):
            self._timers = [timer for timer in self._timers if timer[2] in self._tasks]
            heapq.heapify(self._timers)
        heapq.heappush(self._timers, (at, next(self._numbers), task, turn))

    def _ring_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            _, _, task, turn = heapq.heappop(self._timers)
            if task not in self._tasks:
                continue
            if turn == _DEADLINE:
                if task.deadline is not None and task.deadline <= now:
                    self._out_of_time(task)
            elif turn == task.turn:
                self._time_is_up(task)

    def _time_is_up(self, task: Task) -> None:
        """A sleep has ended, or a query had its time."""
        job = task.job
        if job is None:
            self._advance(task, None)
        else:
            job.cut_off()
            self._advance(task, job.late_reply())

    def _out_of_time(self, task: Task) -> None:
        said = f"the check was stopped: it had not ended within {task.deadline_seconds:g} s"
        self._stop(task)
        self._end(task, Observation("unknown", message=said))

    def _stop(self, task: Task) -> None:
        self._tasks.discard(task)
        left_waiting = self._shared.leave(task)
        if task.job is not None:
            task.job.cut_off()
        elif self._http.cancel(task):
            self._lines[HttpRequest].busy -= 1
        try:
            task.probe.close()
        except Exception:
            _log.exception("a probe broke while it was being stopped", extra={"key": str(task.key)})
        for other, request in left_waiting:
            self._serve(other, request)

    def _end(self, task: Task, observation: object) -> None:
        self._tasks.discard(task)
        if not isinstance(observation, Observation):
            observation = _broken(task.key, TypeError(f"returned {type(observation).__name__}, no observation"))
        self._done.append((task.key, self._stamp(observation, task.key, task.seconds())))


def run(
    kind: str,
    config: Mapping[str, Any],
    now: float | None = None,
    previous: Observation | None = None,
    timeout: float | None = None,
    denied_networks: Iterable[str] = (),
    allowed_networks: Iterable[str] = (),
    ca_file: str | None = None,
) -> Observation:
    """One probe, driven to its end here and now. A configuration it cannot take is `unknown`, its faults named.

    now: epoch seconds, the clock's where None; timeout: seconds for all of it, 60 where None
    """
    faults = check_config(kind, config)
    if faults:
        said = "; ".join(f"{fault.pointer}: {fault.message}" if fault.pointer else fault.message for fault in faults)
        return Observation("unknown", message=f"faulty configuration: {said}")
    at = time.time() if now is None else now
    runner = Runner(denied_networks=denied_networks, allowed_networks=allowed_networks, ca_file=ca_file)
    try:
        runner.start(find(kind)(config, at, previous), kind, timeout or _LONGEST_RUN)
        while not (done := runner.run_once(1.0)):
            pass
        return replace(done[0][1], at=at)
    finally:
        runner.close()


def _broken(key: object, trouble: Exception) -> Observation:
    number = token_hex(2)
    _log.error("the check %s failed by itself (id %s)", key, number, exc_info=trouble, extra={"id": number})
    return Observation("unknown", message=f"the check itself failed (id {number}); see the log")
