"""Runs every check on its grid: one thread drives all probes and hands on what they observed."""

import gc
import heapq
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import probes
from alerting import grid
from alerting.config import Config, Watch
from alerting.connectivity import Connectivity
from alerting.intake import Intake
from alerting.lateness import Lateness
from alerting.looks import bounded, deadline, whole, with_baseline
from alerting.store import baselines, subjects
from alerting.store.database import reading
from probes import Observation
from probes._machinery import descriptors
from probes._machinery.runner import HTTP_AT_ONCE, Runner

logger = logging.getLogger("vedette.scheduler")

_IDLE = 0.5  # seconds the loop sleeps at most, so that a new configuration or the end is heard
_SLICE = 0.05  # seconds: looks whose turns lie closer together begin together, at half the cost of one by one
_AT_ONCE = 100  # looks begun before those under way are seen to
_FIRST_LOOKS = 250.0  # a second, of what was never seen: a new file of thousands must not knock everywhere at once
_COLLECT = (20_000, 20, 20)  # what looks make dies by itself: searching it for cycles as often as usual costs a tenth
_STUCK = 60.0  # seconds without a round of the loop after which only a new process helps
_CLOCK_JUMP = 5.0  # seconds the wall clock may move against the monotonic one before we distrust what we see
_STALL = 2.0  # seconds a round may take before what fails in it is doubted, once
_PAUSE = 10.0  # seconds a round may take before we take it that we were stopped: probes then end as if they had failed


class Prober:
    """Probes what a configuration names until it is stopped.

    configuration  asked each round: the last good one
    on_stored      called after each stored batch: alerts may have something to say
    """

    def __init__(self, configuration: Callable[[], Config], on_stored: Callable[[], None]) -> None:
        self._configuration = configuration
        self._connectivity = Connectivity(configuration)
        self._intake = Intake(configuration, on_stored, self._connectivity.inspect)
        self._stopping = threading.Event()
        self._due: list[tuple[float, str]] = []  # monotonic moment, subject: a stepped wall clock moves nothing
        self._next_slice = 0.0
        self._places: dict[str, _Place] = {}
        self._running: dict[str, Watch] = {}
        self._last: dict[str, Observation] = {}
        self._doubted: set[str] = set()  # subjects that failed when we stood still
        self.baselines = baselines.NONE  # replaced whole by whoever sees that one was moved
        self._round_began = time.monotonic()
        self._scheduled: Config | None = None
        self._threads = [
            threading.Thread(target=self._probe, name="prober"),
            threading.Thread(target=self._intake.run, name="intake"),
        ]
        self.missed = 0
        self.lateness = Lateness()

    def start(self) -> None:
        """Begin."""
        with reading():
            states = subjects.states()
            self.baselines = baselines.fresh(self.baselines)
        self._last = {name: state.observation for name, state in states.items()}
        self._intake.remember(states)
        gc.set_threshold(*_COLLECT)
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> None:
        """End: probes under way are abandoned, what they had observed is stored, within `seconds`."""
        self._stopping.set()
        end = time.monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:  # a term may end before it began
                thread.join(max(0.0, end - time.monotonic()))
            self._intake.end()

    def lag(self, now: float) -> float:
        """How many seconds ago the oldest look was that is not stored yet, roughly."""
        return self._intake.lag(now)

    @property
    def alive(self) -> bool:
        """Whether both threads do their work."""
        stuck = time.monotonic() - self._round_began > _STUCK  # a disk that hangs, say, in code that cannot wait
        return not stuck and all(thread.is_alive() for thread in self._threads)

    def _probe(self) -> None:
        runner = Runner(http_limit=_http_at_once(), heard=self._connectivity.heard, stamp=_stamped)
        self._round_began = time.monotonic()
        clock = time.time() - self._round_began
        try:
            while not self._stopping.is_set():
                config = self._configuration()
                if config is not self._scheduled:
                    runner.set_policy(config.denied_networks, config.allowed_networks)
                    self._schedule(config)
                self._begin_due(runner)
                ended = runner.run_once(self._patience())
                self._distrust_stalled(ended)
                clock = self._distrust_after_jump(clock)  # before what ended because of it is handed on
                for subject, observation in ended:
                    self._finish(subject, observation, runner)
        finally:
            runner.close()

    def _schedule(self, config: Config) -> None:
        """Lay out the grid anew: what was never seen, too long ago or otherwise is due at once."""
        now, monotonic = time.time(), time.monotonic()
        before = {} if self._scheduled is None else self._scheduled.watch_of
        self._places = {watch.subject: _Place(watch) for watch in config.watches if watch.is_probed}
        self._due, first_looks = [], 0
        for subject, place in self._places.items():
            wait = grid.next_moment(place.phase, place.watch.every, now) - now
            if before.get(subject, place.watch) != place.watch or self._is_old(place.watch, now):
                wait = min(wait, first_looks / _FIRST_LOOKS)
                first_looks += 1
            self._due.append((monotonic + wait, subject))
        heapq.heapify(self._due)
        self._scheduled = config

    def _is_old(self, watch: Watch, now: float) -> bool:
        last = self._last.get(watch.subject)
        return last is None or now - last.at >= watch.every

    def _distrust_after_jump(self, clock: float) -> float:
        """After the clock jumped, the machine slept or we were stopped, the first look at everything raises nothing."""
        monotonic = time.monotonic()
        moved, paused = time.time() - monotonic, monotonic - self._round_began
        if abs(moved - clock) > _CLOCK_JUMP or paused > _PAUSE:
            words = "the clock moved by %.0f s, after a pause of %.0f s: the next round only observes"
            logger.warning(words, moved - clock, paused)
            self._intake.distrust(self._places)
            self._scheduled = None
        self._round_began = monotonic
        return moved

    def _distrust_stalled(self, ended: Sequence[tuple[str, Observation]]) -> None:
        """What failed while we stood still may have had its time taken by us; who fails so again is told."""
        if time.monotonic() - self._round_began < _STALL:
            self._doubted.difference_update(subject for subject, _ in ended)
            return
        failed = {subject for subject, seen in ended if seen.status != "ok"}
        self._intake.distrust(failed - self._doubted)
        self._doubted |= failed

    def _begin_due(self, runner: Runner) -> None:
        monotonic = time.monotonic()
        if monotonic < self._next_slice:
            return
        self._next_slice = monotonic + _SLICE
        for _ in range(_AT_ONCE):
            if not self._due or self._due[0][0] > monotonic:
                return
            self._take_turn(runner, monotonic)
        self._next_slice = monotonic  # there may be more

    def _take_turn(self, runner: Runner, monotonic: float) -> None:
        due, subject = self._due[0]
        place, now = self._places[subject], time.time()
        every = place.watch.every
        wait = grid.next_moment(place.phase, every, now) - now
        heapq.heapreplace(self._due, (monotonic + wait, subject))
        self.missed += grid.missed(every, due, monotonic)
        running = self._running.get(subject)
        if running is None:
            self.lateness.note(monotonic - due, monotonic)
            self._begin(place, runner, now)
        elif running is place.watch:
            self.missed += 1

    def _begin(self, place: "_Place", runner: Runner, now: float) -> None:
        subject = place.watch.subject
        self._running[subject] = place.watch
        config = with_baseline(place.watch, place.config, self.baselines.documents)
        runner.start(place.probe(config, now, self._last.get(subject)), subject, place.deadline)

    def _finish(self, subject: str, observation: Observation, runner: Runner) -> None:
        begun_as, place = self._running.pop(subject), self._places.get(subject)
        if place is None:
            return
        if begun_as is not place.watch and begun_as != place.watch:  # edited: this says nothing of it as it is now
            self._begin(place, runner, time.time())
            return
        self._last[subject] = observation
        if not self._intake.put(observation):
            self.missed += 1
            logger.error("lost an observation of %s: the database has taken none for too long", subject)

    def _patience(self) -> float:
        if not self._due:
            return _IDLE
        return min(_IDLE, max(0.0, max(self._due[0][0], self._next_slice) - time.monotonic()))


def _stamped(seen: Observation, subject: str, duration: float) -> Observation:
    """The observation of `subject`, made just now: the one copy that a look needs."""
    return Observation(seen.status, seen.values, seen.message, seen.facts, subject, time.time(), duration)


def _http_at_once() -> int:
    """As many exchanges as the process may have sockets for, with half of them left for all else."""
    most = descriptors.raised() // 2
    if most < HTTP_AT_ONCE:
        logger.warning("%d HTTP checks at once instead of %d: the limit of open files is low", most, HTTP_AT_ONCE)
    return min(most, HTTP_AT_ONCE)


class _Place:
    """A watch on the grid, and all of its looks that is the same each time."""

    __slots__ = ("config", "deadline", "phase", "probe", "watch")

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.phase = grid.phase(watch.subject, watch.every)
        self.probe = probes.find(watch.kind)
        self.config = bounded(watch)
        self.deadline = deadline(watch)


def observe_once(
    config: Config,
    watches: Sequence[Watch],
    last: Mapping[str, Observation],
    heard: Callable[[Any, Any, Any], None] | None = None,
) -> list[Observation]:
    """Probe these once, all at the same time, and return what was observed: for a run by cron. `heard`: as Runner's."""
    with reading():
        documents = baselines.fresh(baselines.NONE).documents
    denied, allowed = config.denied_networks, config.allowed_networks
    runner = Runner(denied_networks=denied, allowed_networks=allowed, heard=heard, stamp=_stamped)
    try:
        for watch in watches:
            probe = probes.find(watch.kind)(whole(watch, documents), time.time(), last.get(watch.subject))
            runner.start(probe, watch.subject, deadline(watch))
        observed: list[Observation] = []
        while len(observed) < len(watches):
            observed += [one for _, one in runner.run_once(_IDLE)]
        return observed
    finally:
        runner.close()
