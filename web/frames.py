"""What travels on a stream: every event encoded once, as bytes that all who may see it share."""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerting.notices import rfc3339
from alerting.store.events import LoggedEvent, NewEvent

KEEPALIVE = b": keepalive\n\n"

RETRY_FULL = 30_000
"""Milliseconds after which a browser comes back to a server that had no room. Any status but 200 would stop it."""

_RETRY = 1000


@dataclass(frozen=True, slots=True)
class Frame:
    """One event, ready to send. `id` None: shown once, held nowhere."""

    id: int | None
    type: str
    organization: str | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Frames that leave in one write. `ends[i]` is the offset after the frame whose id is `ids[i]`."""

    data: bytes
    ids: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()

    def cut(self, written: int, before: int) -> tuple[int, memoryview | None]:
        """A write that stopped after `written` bytes: the id it reaches with what is left of that id's frame.

        The rest is a view of bytes that others share. `before` is the id the receiver had.
        """
        whole = bisect_right(self.ends, written)
        start = self.ends[whole - 1] if whole else 0
        reached = self.ids[whole - 1] if whole else before
        if written == start:
            return reached, None
        if whole == len(self.ends):  # without ids: a comment, or an event of the moment
            return reached, memoryview(self.data)[written:]
        return self.ids[whole], memoryview(self.data)[written : self.ends[whole]]


def chunk(frames: Sequence[Frame]) -> Chunk:
    """These frames as one piece."""
    ends, size = [], 0
    for frame in frames:
        size += len(frame.data)
        ends.append(size)
    numbered = [(frame.id, end) for frame, end in zip(frames, ends, strict=True) if frame.id is not None]
    return Chunk(b"".join(frame.data for frame in frames), tuple(n for n, _ in numbered), tuple(e for _, e in numbered))


def logged(event: LoggedEvent) -> Frame:
    """An event of the log as a frame."""
    data = _envelope(event.type, event.data, event.at)
    return Frame(event.id, event.type, event.organization, f"id: {event.id}\n{_block(event.type, data)}".encode())


def shown(event: NewEvent, at: float) -> Frame:
    """An event that is not stored as a frame without an id."""
    data = json.dumps(event.data, allow_nan=False, separators=(",", ":"))
    return Frame(None, event.type, event.organization, _block(event.type, _envelope(event.type, data, at)).encode())


def connected(stream_id: str, last: int) -> bytes:
    """The first frame: the stream goes on after the id `last`."""
    data = {"status": "connected", "last_event_id": last, "stream_id": stream_id}
    return f"retry: {_RETRY}\n{_plain('connected', data)}".encode()


def reset(oldest: int, newest: int) -> bytes:
    """What the client asked for is not held: it must load afresh, and hears only news from here on."""
    return _plain("reset", {"status": "reset", "oldest_event_id": oldest, "last_event_id": newest}).encode()


def expired() -> bytes:
    """The token ran out; the stream ends."""
    return _plain("expired", {"status": "expired"}).encode()


def retry(milliseconds: int) -> bytes:
    """All that is said to a client there is no room for."""
    return f"retry: {milliseconds}\n\n".encode()


def _plain(name: str, data: Mapping[str, Any]) -> str:
    return _block(name, json.dumps(data, separators=(",", ":")))


def _block(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"


def _envelope(name: str, data: str, at: float) -> str:
    return f'{{"type":{json.dumps(name)},"data":{data},"timestamp":"{rfc3339(at)}"}}'
