"""The one reader of the log a process has: it waits for news, reads it once, and gives it to the hub."""

import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import gevent

from alerting import notices
from alerting.config import Config
from alerting.store import events, subjects, wakeup
from alerting.store.database import describe, reading
from alerting.store.events import NewEvent
from alerting.store.subjects import State
from web import frames
from web.frames import Frame
from web.hub import Hub

logger = logging.getLogger("vedette.stream")

_FLOOR = 0.5  # seconds: a lost wake-up costs no more
_TURN = 0.001  # seconds the hub's other greenlets get, where waiting is not cooperative and gave them none
_PAGE = 200
_MOMENTS_EVERY = 0.5  # seconds between two looks for observations that changed nothing
_OVERLAP = 3.0  # seconds an observation may take from its making to its commit and still be shown


def read(after: int, limit: int) -> list[Frame]:
    """Frames of the log beyond an id. The connection is back in its pool before anyone is written to."""
    with reading():
        rows = events.after(after, limit)
    return [frames.logged(row) for row in rows]


def bounds() -> tuple[int, int]:
    """The oldest and the newest id of the log; (0, 0) when it is empty."""
    with reading():
        return events.bounds()


def follow(hub: Hub, redis_url: str | None, config: Callable[[], Config]) -> None:
    """Give the hub all news until it is closed."""
    listener = wakeup.listener(redis_url)
    moments = Moments(config, time.time())
    try:
        while not hub.closed:
            listener.wait(_FLOOR)
            gevent.sleep(_TURN)
            try:
                _round(hub, moments)
            except Exception as error:  # the log comes back, or /ready says that it does not; streams stay open
                logger.warning("the event log could not be read: %s", describe(error))
                time.sleep(1)
    finally:
        listener.close()


def _round(hub: Hub, moments: "Moments") -> None:
    # Observations first: an observation whose event is in the log is then known to be there.
    seen = moments.look(time.time()) if hub.count() else []
    with_events: list[Frame] = []
    while page := read(hub.position, _PAGE):
        hub.deliver(page)
        with_events += page
        if len(page) < _PAGE:
            break
    shown = moments.show(seen, with_events)
    if shown:
        hub.show(shown)


class Moments:
    """Observations worth showing though nothing changed, which the log therefore does not hold."""

    def __init__(self, config: Callable[[], Config], now: float) -> None:
        self._config = config
        self._looked_at = now
        self._shown: dict[str, float] = {}
        self._stored: dict[tuple[str, str], Any] = {}

    def look(self, now: float) -> list[State]:
        """What was observed since the last look, without what was shown already."""
        if now - self._looked_at < _MOMENTS_EVERY:
            return []
        with reading():
            states = subjects.seen_since(self._looked_at - _OVERLAP)
        self._looked_at = now
        fresh = [one for one in states if self._shown.get(one.observation.subject) != one.observation.at]
        self._shown = {one.observation.subject: one.observation.at for one in states}
        return fresh

    def show(self, seen: Sequence[State], delivered: Sequence[Frame]) -> list[Frame]:
        """Frames for what was seen and is not among what the log has just told."""
        for frame in delivered:
            self._note(frame)
        made = []
        for state in seen:
            made += [(event, state) for event in self._news(state)]
        return [frames.shown(event, state.observation.at) for event, state in made if not self._told(event, state)]

    def _note(self, frame: Frame) -> None:
        if frame.type in _SUBJECT_OF:
            data = json.loads(frame.data.partition(b"data: ")[2])["data"]
            self._stored[frame.type, str(data.get(_SUBJECT_OF[frame.type]))] = data

    def _news(self, state: State) -> list[NewEvent]:
        watch = self._config().watch_of.get(state.observation.subject)
        return notices.live(watch, state.observation) if watch is not None else []

    def _told(self, event: NewEvent, state: State) -> bool:
        """Whether the log tells it: the status changed with this observation, or the event is word for word there."""
        stored = self._stored.pop((event.type, str(event.data.get(_SUBJECT_OF.get(event.type, "")))), None)
        return state.since == state.observation.at or stored == dict(event.data)


_SUBJECT_OF = {
    "server.health_updated": "server_id",
    "replica.health_updated": "environment_id",
    "check.updated": "check_id",
}
