"""The scheduler process: takes the lead, probes, judges, delivers, sweeps; ends cleanly when told to."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from alerting import dispatch, heartbeats, holds, own, pipeline, reports
from alerting.announcer import Announcer
from alerting.config import Config
from alerting.configuration.reader import ConfigWatcher
from alerting.dispatcher import Dispatcher
from alerting.leader import Lead, lead
from alerting.overlay import Overlay
from alerting.prober import Prober
from alerting.settings import Settings
from alerting.store import (
    alerts,
    baselines,
    decisions,
    events,
    flaps,
    history,
    locks,
    maintenance,
    notes,
    outbox,
    settings_table,
    silences,
    tokens,
)
from alerting.store.database import DatabaseError, describe, reading, transaction
from alerting.store.events import NewEvent
from alerting.store.settings_table import SCHEDULER

logger = logging.getLogger("vedette.scheduler")

TICK = 5.0
"""Seconds between two ticks."""

_OWNER = "scheduler:"  # how the claims of schedulers begin: whoever leads takes over what another left behind
_STANDBY = 2.0  # seconds between two tries at the lead
_GAP = 10.0  # seconds between two rounds of judging after which nobody is blamed for having been silent
_LAG = 5.0  # seconds looks may be on their way into the database before nobody is called silent
_LOST_AFTER = 30.0  # seconds without a tick after which we no longer trust ourselves
_STOP = 7.0  # seconds that ending may take in good order, of the ten a platform grants
_LEAVE = 8.5  # seconds after which we are gone in any case
_JUMP = 5.0  # seconds the wall clock may move against the monotonic one before everything waiting is looked at anew
_BREATH = 0.01  # seconds the database is left to others between two histories
_EVENTS_KEPT = 7 * 86400.0
_ALERTS_KEPT = 400 * 86400.0
_DECISIONS_KEPT = 30 * 86400.0
_FLAPS_KEPT = 86400.0


def run(settings: Settings, watcher: ConfigWatcher) -> int:
    """Schedule until SIGTERM or SIGINT. The exit code: 0, or 1 when we had to stop ourselves."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stop(stopping))
    ours = lead()
    while not stopping.is_set():
        if not _take(ours):
            stopping.wait(_STANDBY)
            continue
        logger.info("this scheduler acts")
        try:
            Acting(settings, watcher, ours).until(stopping)
        except DatabaseError as error:
            logger.error("the database failed: %s", describe(error))
            stopping.wait(_STANDBY)
        except StandsStill as fault:
            logger.critical("this scheduler stops itself: %s", fault)
            _leave_within(1.0, code=1)
            return 1
    return 0


def _stop(stopping: threading.Event) -> None:
    stopping.set()
    _leave_within(_LEAVE, code=0)


def _leave_within(seconds: float, code: int) -> None:
    """End this process by then whatever hangs in it, a frozen database or a provider that drips: leases run out."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()


def _take(ours: Lead) -> bool:
    try:
        return ours.take()
    except Exception as error:
        logger.error("the lead cannot be taken: %s", describe(error))
        return False


def _refusal(config: Config, rejected: Exception | None) -> str | None:
    """What everybody is told of a refused file: its faults, unless they would name one organization to another."""
    if rejected is None:
        return None
    alone = len(config.organizations) <= 1
    return f"The configuration was refused, the last good one stays: {rejected if alone else 'see the log'}"[:1000]


class StandsStill(Exception):
    """Our own clockwork has stopped: only a new process helps."""


class Acting:
    """One term of a leading scheduler."""

    def __init__(self, settings: Settings, watcher: ConfigWatcher, ours: Lead) -> None:
        self._watcher = watcher
        self._overlay = Overlay()
        self._lead = ours
        self._started_at = time.time()
        self._ticked = time.monotonic()
        self._looking_since = self._judged_at = self._started_at
        self._applied: tuple[Config, Exception | None] | None = None
        self._over = threading.Event()
        self._packed: int | None = None  # the hour up to which the histories are packed
        owner = f"{_OWNER}{socket.gethostname()}:{os.getpid()}"
        self._dispatcher = Dispatcher(self._config, settings.base_url, owner)
        self._prober = Prober(self._config, self._dispatcher.hint)
        self._announcer = Announcer(settings.redis_url) if settings.redis_url else None
        self._jobs = self._make_jobs()

    def until(self, stopping: threading.Event) -> None:
        """Act until told to stop or the lead is lost. Raises StandsStill."""
        try:
            self._begin()
            asked, clock = time.monotonic(), time.time() - time.monotonic()
            while not stopping.wait(1.0):
                if not self._lead.held():
                    logger.error("the lead is lost: another may act")
                    return
                clock = self._mind_the_clock(clock)
                # Where we were stopped ourselves, the others have not had their turn yet.
                paused, asked = time.monotonic() - asked > _JUMP, time.monotonic()
                if not paused and (fault := self._fault()):
                    raise StandsStill(fault)
        finally:
            self._end()

    def _begin(self) -> None:
        self._reload()  # a standby read its file when it started, maybe long ago
        with transaction():
            outbox.take_over(_OWNER, time.time())
        self._tick()
        self._dispatcher.start()
        if self._announcer is not None:
            self._announcer.start()
        self._prober.start()
        self._jobs.start()

    def _end(self) -> None:
        self._over.set()
        end = time.monotonic() + _STOP
        if self._jobs.running:
            self._jobs.shutdown(wait=False)
        if self._announcer is not None:
            self._announcer.stop()
        self._prober.stop(2.0)
        self._dispatcher.stop(max(0.0, end - time.monotonic()))
        self._lead.release()

    def _config(self) -> Config:
        return self._overlay.over(self._watcher.config)

    def _mind_the_clock(self, clock: float) -> float:
        """After the wall clock was set, let everything that waits for a moment of it be looked at now."""
        moved = time.time() - time.monotonic()
        if abs(moved - clock) > _JUMP:
            for job in self._jobs.get_jobs():
                job.modify(next_run_time=datetime.now(UTC))
            if moved < clock:
                with transaction():
                    outbox.forget_moments(time.time())
        return moved

    def _fault(self) -> str | None:
        """Why we should not go on acting. Time is monotonic: a clock set back must not look like standing still."""
        if time.monotonic() - self._ticked > _LOST_AFTER:
            return f"there was no tick for {_LOST_AFTER:.0f} s"
        return None if self._prober.alive and self._dispatcher.alive else "one of its threads has ended"

    def _make_jobs(self) -> BackgroundScheduler:
        defaults: dict[str, Any] = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        jobs = BackgroundScheduler(
            timezone="UTC", job_defaults=defaults, executors={"default": ThreadPoolExecutor(4)}, daemon=True
        )
        for job, seconds in self._table():
            jobs.add_job(_guarded(job), "interval", seconds=seconds)
        return jobs

    def _table(self) -> list[tuple[Callable[[], None], float]]:
        """What is done, and every how many seconds."""
        return [
            (self._tick, TICK),
            (self._judge_waits, 1.0),
            (self._keep_time, 1.0),
            (self._judge_heartbeats, 1.0),
            (self._reload, 2.0),
            (self._settle, 60.0),
            (self._sweep_locks, 30.0),
            (self._prune, 3600.0),
            (self._keep_history, 60.0),
            (self._ping, 60.0),
        ]

    def _tick(self) -> None:
        now = time.time()
        last = {
            "at": now,
            "started_at": self._started_at,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "missed": self._prober.missed,
            "lateness_p99_seconds": self._prober.lateness.quantiles(0.99)[0],
        }
        self._ticked = time.monotonic()
        with transaction():
            settings_table.put(SCHEDULER, last)
        own.observe(self._config(), "scheduler", None, now)
        own.observe(self._config(), "web", heartbeats.deafness(self._config(), now, self._started_at), now)

    def _judge_waits(self) -> None:
        config, now = self._config(), time.time()
        # We slept, the clock jumped, the database was away, or what was seen meanwhile is still on its way into it.
        if not 0 <= now - self._judged_at <= _GAP or self._prober.lag(now) > _LAG:
            self._looking_since = self._judged_at = now
            return
        if pipeline.tick(config, now) + pipeline.mark_stale(config, now, self._looking_since):
            self._dispatcher.hint()
        self._judged_at = now

    def _keep_time(self) -> None:
        config, now = self._config(), time.time()
        if pipeline.keep_time(config, now):
            self._dispatcher.hint()
        holds.note(config, now)

    def _judge_heartbeats(self) -> None:
        if heartbeats.judge_due(self._config(), time.time()):
            self._dispatcher.hint()

    def _reload(self) -> None:
        """Carry a changed configuration, or a refused one, all the way; what fails is tried again at the next turn."""
        self._watcher.refresh()
        self._overlay.refresh()
        self._refresh_baselines()
        config, rejected = self._config(), self._watcher.rejected
        before = self._applied
        if before is not None and before[0] is config and before[1] is rejected:
            return
        now = time.time()
        if before is None or before[0] is not config:
            pipeline.reconcile(config, now)
            heartbeats.adopt(config, now)
            dispatch.refresh(config)
        own.observe(config, "configuration", _refusal(config, rejected), now)
        if rejected is not None:
            self._announce("config.rejected", {"faults": str(rejected)[:2000]}, now)
        elif before is not None and (before[1] is not None or before[0].digest != config.digest):
            self._announce("config.reloaded", {"source": config.source}, now)
        self._applied = (config, rejected)
        self._dispatcher.hint()

    def _refresh_baselines(self) -> None:
        """Another process may have accepted one."""
        with reading():
            self._prober.baselines = baselines.fresh(self._prober.baselines)

    def _settle(self) -> None:
        """Nothing should be left over; whatever accident left it, it is put right within a minute."""
        pipeline.reconcile(self._config(), time.time())
        reports.expire(self._config(), time.time())
        self._dispatcher.hint()

    def _announce(self, kind: str, data: dict[str, Any], now: float) -> None:
        logger.log(logging.INFO if kind == "config.reloaded" else logging.ERROR, "%s: %s", kind, data)
        with transaction():
            events.append([NewEvent(kind, data)], now)

    def _sweep_locks(self) -> None:
        locks.sweep(time.time())

    def _prune(self) -> None:
        now = time.time()
        with transaction():
            events.prune(now - _EVENTS_KEPT)
        with transaction():
            outbox.prune(now - _ALERTS_KEPT)
            alerts.prune(now - _ALERTS_KEPT)
            notes.prune()
            silences.prune(now - _ALERTS_KEPT)
            maintenance.prune(now - _ALERTS_KEPT)
        with transaction():
            decisions.prune(now - _DECISIONS_KEPT)
            flaps.prune(now - _FLAPS_KEPT)
        tokens.prune(now)
        heartbeats.prune(now)
        reports.forget(now)

    def _keep_history(self) -> None:
        """Once an hour pack what is over and drop what is old, one history after the other: nobody waits for long."""
        now = time.time()
        hour = history.finished_hour(now)
        if hour == self._packed:
            return
        for number in history.all_series():
            if self._over.wait(_BREATH):
                return
            history.pack_hours(number, now)
            history.prune(number, now)
        self._packed = hour

    def _ping(self) -> None:
        """Tell the outside dead-man's switch that Vedette itself is well."""
        url = self._config().service.heartbeat_url
        if url is None or self._fault() is not None:
            return
        import requests

        try:
            requests.get(url, timeout=5, allow_redirects=False)
        except requests.RequestException as error:
            logger.warning("the heartbeat was not taken: %s", type(error).__name__)


def _guarded(job: Callable[[], None]) -> Callable[[], None]:
    """The job, for which the database's trouble is a line in the log and another try at the next turn."""

    def run_job() -> None:
        try:
            job()
        except DatabaseError as error:
            logger.error("%s: the database failed: %s", job.__name__.strip("_"), describe(error))
        except Exception:
            logger.exception("%s failed", job.__name__.strip("_"))

    return run_job
