"""Runs every check on its grid: one thread drives all probes, a second hands what they observed to the pipeline."""

import heapq
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import probes
import schemas
from alerting import grid, pipeline
from alerting.config import Config, Watch
from alerting.store import baselines, subjects
from alerting.store.database import Unavailable, describe, reading, taking_turns
from probes import Observation
from probes._machinery.runner import Runner
from probes._machinery.times import seconds

logger = logging.getLogger("vedette.scheduler")

_IDLE = 0.5  # seconds the loop sleeps at most, so that a new configuration or the end is heard
_BATCH = 500
_GATHER = 0.05  # seconds others may join the first of a batch: a transaction each would cost five times as much
_KEPT = 100_000  # observations held in memory while the database cannot take them
_TWO_LOOKS = 30.0
_STUCK = 60.0  # seconds without a round of the loop after which only a new process helps
_CLOCK_JUMP = 5.0  # seconds the wall clock may move against the monotonic one before we distrust what we see
_PAUSE = 10.0  # seconds a round may take before we take it that we were stopped: probes then end as if they had failed


class Prober:
    """Probes what a configuration names until it is stopped.

    configuration  asked each round: the last good one
    on_stored      called after each stored batch: alerts may have something to say
    """

    def __init__(self, configuration: Callable[[], Config], on_stored: Callable[[], None]) -> None:
        self._configuration = configuration
        self._on_stored = on_stored
        self._stopping = threading.Event()
        self._observed: queue.Queue[Observation] = queue.Queue(_KEPT)
        self._due: list[tuple[float, str]] = []  # monotonic moment, subject: a stepped wall clock moves nothing
        self._running: set[str] = set()
        self._last: dict[str, Observation] = {}
        self.baselines = baselines.NONE  # replaced whole by whoever sees that one was moved
        self._distrusted: set[str] = set()
        self._round_began = time.monotonic()
        self._scheduled: Config | None = None
        self._threads = [
            threading.Thread(target=self._probe, name="prober"),
            threading.Thread(target=self._store, name="pipeline"),
        ]
        self.missed = 0

    def start(self) -> None:
        """Begin."""
        with reading():
            self._last = {name: state.observation for name, state in subjects.states().items()}
            self.baselines = baselines.fresh(self.baselines)
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> None:
        """End: probes under way are abandoned, what they had observed is stored, within `seconds`."""
        self._stopping.set()
        end = time.monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:  # a term may end before it began
                thread.join(max(0.0, end - time.monotonic()))

    @property
    def alive(self) -> bool:
        """Whether both threads do their work."""
        stuck = time.monotonic() - self._round_began > _STUCK  # a disk that hangs, say, in code that cannot wait
        return not stuck and all(thread.is_alive() for thread in self._threads)

    def _probe(self) -> None:
        config = self._configuration()
        runner = Runner(denied_networks=config.denied_networks)
        self._round_began = time.monotonic()
        clock = time.time() - self._round_began
        try:
            while not self._stopping.is_set():
                config = self._configuration()
                if config is not self._scheduled:
                    self._schedule(config)
                clock = self._distrust_after_jump(clock)
                self._begin_due(config, runner)
                for subject, seen in runner.run_once(self._patience()):
                    self._finish(replace(seen, subject=subject, at=time.time()))
        finally:
            runner.close()

    def _schedule(self, config: Config) -> None:
        """Lay out the grid anew: what was never seen, or too long ago, is due at once."""
        now, monotonic = time.time(), time.monotonic()
        self._due = []
        for watch in config.watches:
            last = self._last.get(watch.subject)
            fresh = last is not None and now - last.at < watch.every
            wait = grid.next_due(watch.subject, watch.every, now) - now if fresh else 0.0
            self._due.append((monotonic + wait, watch.subject))
        heapq.heapify(self._due)
        self._scheduled = config

    def _distrust_after_jump(self, clock: float) -> float:
        """After the clock jumped, the machine slept or we were stopped, the first look at everything raises nothing."""
        monotonic = time.monotonic()
        moved, paused = time.time() - monotonic, monotonic - self._round_began
        if abs(moved - clock) > _CLOCK_JUMP or paused > _PAUSE:
            words = "the clock moved by %.0f s, after a pause of %.0f s: the next round only observes"
            logger.warning(words, moved - clock, paused)
            self._distrusted = set(self._last)
            self._scheduled = None
        self._round_began = monotonic
        return moved

    def _begin_due(self, config: Config, runner: Runner) -> None:
        monotonic = time.monotonic()
        while self._due and self._due[0][0] <= monotonic:
            due, subject = heapq.heappop(self._due)
            watch = config.watch_of[subject]
            self._plan_next(watch, monotonic - due)
            if subject in self._running:
                self.missed += 1
                continue
            self._running.add(subject)
            whole = _whole(watch, self.baselines.documents)
            probe = probes.find(watch.kind)(whole, time.time(), self._last.get(subject))
            runner.start(probe, subject, _deadline(watch))

    def _plan_next(self, watch: Watch, late: float) -> None:
        now = time.time()
        self.missed += grid.missed(watch.every, now - late, now)
        wait = grid.next_due(watch.subject, watch.every, now) - now
        heapq.heappush(self._due, (time.monotonic() + wait, watch.subject))

    def _finish(self, observation: Observation) -> None:
        self._running.discard(observation.subject)
        self._last[observation.subject] = observation
        try:
            self._observed.put_nowait(observation)
        except queue.Full:
            self.missed += 1
            logger.error("lost an observation of %s: the database has taken none for too long", observation.subject)

    def _patience(self) -> float:
        if not self._due:
            return _IDLE
        return min(_IDLE, max(0.0, self._due[0][0] - time.monotonic()))

    def _store(self) -> None:
        """Hand observations on until the probing has ended and nothing is left."""
        while not (self._stopping.is_set() and not self._threads[0].is_alive() and self._observed.empty()):
            batch = self._take()
            groups = _one_a_subject(batch)
            while groups:
                try:
                    groups[:1] = self._store_group(groups[0])
                except Unavailable as error:
                    logger.error("the database takes nothing: %s; trying again", describe(error))
                    if self._stopping.wait(1.0):
                        return
            if batch:
                self._on_stored()

    def _take(self) -> list[Observation]:
        batch: list[Observation] = []
        try:
            batch.append(self._observed.get(timeout=_IDLE))
            self._stopping.wait(_GATHER)
            while len(batch) < _BATCH:
                batch.append(self._observed.get_nowait())
        except queue.Empty:
            pass
        return batch

    def _store_group(self, group: list[Observation]) -> list[list[Observation]]:
        """Store them; what is left to try. One that cannot be judged must not take the others with it."""
        try:
            self._ingest(group)
        except Unavailable:
            raise
        except Exception:
            if len(group) > 1:
                return [[one] for one in group]
            logger.exception("lost an observation of %s: it could not be judged", group[0].subject)
        return []

    def _ingest(self, group: Sequence[Observation]) -> None:
        with taking_turns():  # both or neither: trying again must not count an observation twice
            # Asked for here and not before the wait for our turn: meanwhile a watch may have been taken out.
            config, now = self._configuration(), time.time()
            pipeline.ingest(config, [one for one in group if one.subject not in self._distrusted], now)
            first_looks = [one for one in group if one.subject in self._distrusted]
            pipeline.ingest(config, first_looks, now, only_observe=True)
        self._distrusted -= {one.subject for one in first_looks}


def _whole(watch: Watch, documents: Mapping[str, Any]) -> Mapping[str, Any]:
    """The probe's configuration, bounded, with the baseline that is kept for it."""
    kept = documents.get(watch.subject) if "baseline" not in watch.config else None
    return _bounded(watch) if kept is None else {**_bounded(watch), "baseline": kept}


def _bounded(watch: Watch) -> Mapping[str, Any]:
    """The probe's configuration with a timeout that ends before its next turn."""
    if "timeout" not in schemas.load(f"probes/{watch.kind}").get("properties", {}):
        return watch.config
    return {**watch.config, "timeout": min(seconds(watch.config.get("timeout", 10.0)), watch.every * 0.9)}


def _deadline(watch: Watch) -> float:
    """Seconds after which a look is given up. A doubtful first look at a replica looks twice, whatever its interval."""
    return max(watch.every, _TWO_LOOKS)


def _one_a_subject(batch: Sequence[Observation]) -> list[list[Observation]]:
    """The batch in rounds with each subject at most once, in order: the pipeline judges one look at a time."""
    rounds: list[dict[str, Observation]] = []
    for one in batch:
        place = next((group for group in rounds if one.subject not in group), None)
        if place is None:
            rounds.append({one.subject: one})
        else:
            place[one.subject] = one
    return [list(group.values()) for group in rounds]


def observe_once(config: Config, watches: Sequence[Watch], last: Mapping[str, Observation]) -> list[Observation]:
    """Probe these once, all at the same time, and return what was observed: for a run by cron."""
    with reading():
        documents = baselines.fresh(baselines.NONE).documents
    runner = Runner(denied_networks=config.denied_networks)
    try:
        for watch in watches:
            probe = probes.find(watch.kind)(_whole(watch, documents), time.time(), last.get(watch.subject))
            runner.start(probe, watch.subject, _deadline(watch))
        observed: list[Observation] = []
        while len(observed) < len(watches):
            observed += [replace(one, subject=name, at=time.time()) for name, one in runner.run_once(_IDLE)]
        return observed
    finally:
        runner.close()
