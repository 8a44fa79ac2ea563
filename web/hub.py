"""The sockets of all open streams of a process: one hub writes shared frames to them and feeds those that fell behind.

A stream is *live* (it has everything up to the hub's position), *waiting* to be fed from the log, or *stuck* (its
socket is full). What a slow client has yet to get is an id and the end of one frame, never a queue.
"""

import contextlib
import logging
import math
import os
import resource
import select
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import gevent
from gevent import monkey
from gevent.event import Event
from gevent.lock import Semaphore

from web import frames
from web.audience import Audience
from web.frames import Chunk, Frame

logger = logging.getLogger("vedette.stream")

PAGE = 200
"""Events read from the log at once for clients that are behind."""

_ROUND = 256  # writes before other greenlets get a turn
_SPARE_FILES = 256  # descriptors kept for requests, the database and the log
_GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR

_open: "weakref.WeakSet[Hub]" = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: of silence before a comment is sent; without reading before a client is cut off; between two looks."""

    keepalive: float = 15.0
    patience: float = 20.0
    look: float = 1.0


@dataclass(slots=True, eq=False)
class Stream:
    """One client. `at`: the id up to which it has been served, kept while it is not live.

    expires_at  when its token runs out; leave_at: when it must come again, to be asked anew who it is. Epoch seconds.
    """

    fd: int
    audience: Audience
    at: int
    expires_at: float | None = None
    leave_at: float = math.inf
    who: str = ""
    state: Literal["live", "waiting", "stuck", "gone"] = "waiting"
    rest: memoryview | None = None  # of a frame that was begun
    stuck_since: float = 0.0  # monotonic


@dataclass(slots=True)
class _Group:
    """The live streams that are shown the same, and when (monotonic) they were last sent anything."""

    spoken_at: float
    members: set[Stream] = field(default_factory=set)


def close_all() -> None:
    """End every stream of this process at once: it is about to stop."""
    for hub in list(_open):
        hub.close()


class Hub:
    """Holds the streams of a process from `start` to `close`. `read(after, limit)` gives frames of the log, in order.

    All of its work happens in one thread of its own, in greenlets; in a worker patched by gevent that "thread" is
    itself a greenlet. `join`, `close` and the counts may be called from anywhere.
    """

    def __init__(self, read: Callable[[int, int], Sequence[Frame]], limit: int, pace: Pace | None = None) -> None:
        self.position = 0
        self.closed = False
        self._read = read
        self._limit = limit
        self._pace = pace or Pace()
        self._starting = threading.Lock()
        self._ready = threading.Event()
        self._failed: Exception | None = None  # why it could not begin: no descriptor left, most likely
        self._arrived: Any = None
        self._arriving: deque[Stream] = deque()
        self._streams: dict[int, Stream] = {}
        self._groups: dict[Audience, _Group] = {}
        self._waiting: set[Stream] = set()
        self._stuck: set[Stream] = set()

    def start(self, position: int, tail: Callable[["Hub"], None]) -> None:
        """Begin, once: what is at or before `position` is history. `tail` feeds `deliver` and `show` until `closed`."""
        with self._starting:
            if not self._ready.is_set():
                self.position = position
                self._limit = min(self._limit, _room_for_files(self._limit))
                threading.Thread(target=self._main, args=(tail,), name="stream-hub", daemon=True).start()
                while not self._ready.wait(0.05):
                    if self._failed is not None:
                        fault, self._failed = self._failed, None
                        raise fault

    def has_room(self) -> bool:
        """Whether one more stream may join."""
        return not self.closed and self.count() < self._limit

    def count(self) -> int:
        """How many streams are open."""
        return len(self._streams) + len(self._arriving)

    def people(self) -> set[str]:
        """Who has a stream open."""
        return {stream.who for stream in list(self._streams.values())}

    def join(self, stream: Stream) -> None:
        """Take over a connected, non-blocking descriptor; it is closed when the stream ends, whoever ends it."""
        self._arriving.append(stream)
        self._arrived.send()

    def close(self) -> None:
        """End every stream, and take no more."""
        self.closed = True
        if self._arrived is not None:
            self._arrived.send()

    def deliver(self, news: Sequence[Frame]) -> None:
        """Send new events of the log, in order, to the live streams. Called by the tail alone."""
        with self._turn:
            before, last = self.position, news[-1].id or 0
            fresh = [frame for frame in news if (frame.id or 0) > before]
            if not fresh:
                return
            self.position = last  # from here on, who joins at `last` is not in the lists made below
            self._send_groups(fresh, before)
        if self._waiting:
            self._hungry.set()

    def show(self, moments: Sequence[Frame]) -> None:
        """Send events that are not stored to the live streams. Who is behind does without."""
        with self._turn:
            self._send_groups(moments, self.position)

    def _main(self, tail: Callable[["Hub"], None]) -> None:
        loop = gevent.get_hub().loop
        self._turn, self._hungry = Semaphore(1), Event()
        try:
            self._epoll = monkey.get_original("select", "epoll")()
        except OSError as error:  # no descriptor is left: this stream fails, and the next one tries again
            self._failed = error
            return
        self._arrived = loop.async_()
        self._arrived.start(self._take_in)
        helpers = [gevent.spawn(work) for work in (self._watch, self._feed, self._look)]
        _open.add(self)
        self._ready.set()
        try:
            tail(self)
        finally:
            gevent.killall(helpers)
            self._take_in()
            self._arrived.close()
            self._epoll.close()

    def _take_in(self) -> None:
        while self._arriving:
            stream = self._arriving.popleft()
            self._streams[stream.fd] = stream
            # Edge-triggered for both: a socket says once that it can be written again, and once that its client left.
            self._epoll.register(stream.fd, select.EPOLLRDHUP | select.EPOLLOUT | select.EPOLLET)
            self._catch_up(stream)
        if self.closed:
            for stream in list(self._streams.values()):
                self._drop(stream)

    def _catch_up(self, stream: Stream) -> None:
        """It has everything up to `at`: it is live, or there is more for it in the log (or soon will be)."""
        if stream.at == self.position:
            stream.state = "live"
            self._groups.setdefault(stream.audience, _Group(time.monotonic())).members.add(stream)
        else:
            stream.state = "waiting"
            self._waiting.add(stream)
            self._hungry.set()

    def _send_groups(self, news: Sequence[Frame], before: int) -> None:
        pieces: dict[tuple[int, ...], Chunk] = {}
        plan = []
        for audience, group in self._groups.items():
            seen = tuple(n for n, frame in enumerate(news) if audience.sees(frame.type, frame.organization))
            if seen:
                piece = pieces.get(seen) or pieces.setdefault(seen, frames.chunk([news[n] for n in seen]))
                plan.append((group, list(group.members), piece))
        for group, members, piece in plan:
            self._send(group, members, piece, before)

    def _send(self, group: _Group, members: Iterable[Stream], piece: Chunk, before: int) -> None:
        """Write one piece to live streams; those that cannot take all of it now fall behind."""
        group.spoken_at = time.monotonic()
        data, size = piece.data, len(piece.data)
        for count, stream in enumerate(members, 1):
            if stream.state == "live":
                written = self._write(stream, data)
                if written not in (size, None):
                    self._hold(stream, *piece.cut(written or 0, before))
            if count % _ROUND == 0:
                gevent.sleep(0)

    def _write(self, stream: Stream, data: bytes | memoryview) -> int | None:
        """How many bytes its socket took; None: the client is gone, and so is the stream."""
        try:
            return os.write(stream.fd, data)
        except BlockingIOError:
            return 0
        except OSError:
            self._drop(stream)
            return None

    def _hold(self, stream: Stream, at: int, rest: memoryview | None) -> None:
        """Its socket is full: remember where it is until it reads again."""
        self._leave_lists(stream)
        stream.state, stream.at, stream.rest = "stuck", at, rest
        stream.stuck_since = time.monotonic()
        self._stuck.add(stream)

    def _watch(self) -> None:
        """Hear from the kernel which clients left and which can be written to again."""
        hub = gevent.get_hub()
        readable = hub.loop.io(self._epoll.fileno(), 1)
        while True:
            hub.wait(readable)
            for descriptor, what in self._epoll.poll(0, 512):
                stream = self._streams.get(descriptor)
                if stream is not None and what & _GONE:
                    self._drop(stream)
                elif stream is not None and stream.state == "stuck":
                    self._go_on(stream)

    def _go_on(self, stream: Stream) -> None:
        if stream.rest is not None:
            written = self._write(stream, stream.rest)
            if written is None:
                return
            stream.rest = stream.rest[written:] or None
            stream.stuck_since = time.monotonic() if written else stream.stuck_since
        if stream.rest is None:
            self._stuck.discard(stream)
            self._catch_up(stream)

    def _feed(self) -> None:
        """Give those who wait the next page of the log; who waits at the same id shares the reading and the frames."""
        while True:
            self._hungry.wait()
            self._hungry.clear()
            by_id: dict[int, list[Stream]] = {}
            for stream in self._waiting:
                if stream.at <= self.position:  # beyond it: another worker was quicker; the tail will get there
                    by_id.setdefault(stream.at, []).append(stream)
            for at in sorted(by_id):
                self._feed_from(at, by_id[at])

    def _feed_from(self, at: int, streams: Sequence[Stream]) -> None:
        floor = self.position
        try:
            page = self._read(at, PAGE) if at < floor else ()
        except Exception:
            logger.exception("the event log could not be read; streams that are behind wait")
            gevent.sleep(1)
            self._hungry.set()
            return
        last = (page[-1].id or 0) if page else floor
        complete = last if len(page) == PAGE else max(floor, last)
        pieces: dict[tuple[Audience, int], Chunk] = {}
        for count, stream in enumerate(streams, 1):
            if stream.state == "waiting" and stream.at == at:
                # What lies beyond the position is left to the tail, or it would arrive twice.
                self._serve(stream, page, min(complete, self.position), pieces)
            if count % _ROUND == 0:
                gevent.sleep(0)

    def _serve(
        self, stream: Stream, page: Sequence[Frame], upto: int, pieces: dict[tuple[Audience, int], Chunk]
    ) -> None:
        audience = stream.audience
        if (audience, upto) not in pieces:
            seen = [one for one in page if (one.id or 0) <= upto and audience.sees(one.type, one.organization)]
            pieces[audience, upto] = frames.chunk(seen)
        piece = pieces[audience, upto]
        written = self._write(stream, piece.data) if piece.data else 0
        if written is None:
            return
        if written < len(piece.data):
            self._hold(stream, *piece.cut(written, stream.at))
            return
        stream.at = upto
        self._waiting.discard(stream)
        self._catch_up(stream)

    def _look(self) -> None:
        """Cut off who does not read, end what has expired, and speak where it has been quiet for long."""
        while True:
            gevent.sleep(self._pace.look)
            now = time.monotonic()
            for stream in [one for one in self._stuck if now - one.stuck_since > self._pace.patience]:
                self._drop(stream)
            with self._turn:
                self._end_expired(time.time())
                for group in list(self._groups.values()):
                    if now - group.spoken_at >= self._pace.keepalive - self._pace.look:
                        self._send(group, list(group.members), Chunk(frames.KEEPALIVE), self.position)

    def _end_expired(self, now: float) -> None:
        for stream in list(self._streams.values()):
            expired = stream.expires_at is not None and stream.expires_at <= now
            if expired and stream.rest is None:  # else it would land in the middle of a frame
                self._write(stream, frames.expired())
            if expired or stream.leave_at <= now:
                self._drop(stream)

    def _drop(self, stream: Stream) -> None:
        if stream.state == "gone":
            return
        self._leave_lists(stream)
        stream.state = "gone"
        self._streams.pop(stream.fd, None)
        with contextlib.suppress(OSError):
            self._epoll.unregister(stream.fd)
        os.close(stream.fd)

    def _leave_lists(self, stream: Stream) -> None:
        self._waiting.discard(stream)
        self._stuck.discard(stream)
        group = self._groups.get(stream.audience)
        if group is not None:
            group.members.discard(stream)
            if not group.members:
                del self._groups[stream.audience]


def _room_for_files(wanted: int) -> int:
    """How many streams this process has descriptors for, after asking for as many as it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or soft < hard:
        need = wanted + _SPARE_FILES
        soft = max(soft, need if hard == resource.RLIM_INFINITY else min(hard, need))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, soft - _SPARE_FILES)
