"""The way of a socket from the request that opened it to the hub; a pipe in its place where there is no socket."""

import os
import socket
from collections.abc import Iterable, Iterator
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from flask import Response

from web import frames
from web.hub import Hub, Stream

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}

_UNREAD = 65_536  # bytes the kernel keeps for a client that does not read: the log keeps the rest
_VANISHED = 20_000  # milliseconds without an acknowledgement after which the kernel takes a client for gone
_HOP_BY_HOP = ("connection", "content-length", "transfer-encoding", "keep-alive")


class Handover(Response):
    """A response that gives its connection away: headers and first frames are written, then it is the hub's.

    Costs 0.1 KB a client where a greenlet with a generator costs 15. A server without a plain socket (TLS, another
    kind of worker) gets a generator, which reads from a pipe that the hub writes to as if it were the client.
    """

    def __init__(self, hub: Hub, stream: Stream, opening: bytes) -> None:
        """`stream` as it will be, still without its descriptor."""
        super().__init__(headers=HEADERS)
        self._hub = hub
        self._stream = stream
        self._opening = opening

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Hand over, or answer with the generator."""
        connection = environ.get("gunicorn.socket")
        try:
            if connection is not None and _is_plain(connection):
                return self._hand_over(os.dup(connection.fileno()), environ)
            self.response = self._piped()
        except OSError:  # no descriptor left: as good as no room
            self.response = [frames.retry(frames.RETRY_FULL)]
        return super().__call__(environ, start_response)

    def _hand_over(self, descriptor: int, environ: "WSGIEnvironment") -> Iterable[bytes]:
        _prepare(descriptor)
        first = self._head(environ) + self._opening
        try:
            whole = os.write(descriptor, first) == len(first)
        except OSError:
            whole = False
        if whole:
            self._stream.fd = descriptor
            self._hub.join(self._stream)
        else:
            os.close(descriptor)
        self.close()
        return _already_handled()

    def _head(self, environ: "WSGIEnvironment") -> bytes:
        """Status line and headers. The end of the connection ends the body, so nothing need be framed in chunks."""
        ours = [("Date", formatdate(usegmt=True)), ("Connection", "close")]
        kept = [pair for pair in self.get_wsgi_headers(environ) if pair[0].lower() not in _HOP_BY_HOP]
        lines = [f"{name}: {value}" for name, value in [*kept, *ours]]
        return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode("latin-1")

    def _piped(self) -> Iterator[bytes]:
        # Nothing is taken before the server asks for the first bytes: it may never do so.
        ours, theirs = socket.socketpair()
        theirs.sendall(self._opening)
        theirs.setblocking(False)
        self._stream.fd = theirs.detach()
        self._hub.join(self._stream)
        with ours:
            while data := ours.recv(_UNREAD):
                yield data


def _is_plain(connection: Any) -> bool:
    """Whether this is a greenlet's TCP socket, which gunicorn lets go of; over TLS only it can encrypt."""
    from gevent.socket import socket as GeventSocket

    return type(connection) is GeventSocket


def _prepare(descriptor: int) -> None:
    """A slow client must not hold megabytes of the kernel's memory, nor one that vanished its place."""
    with socket.socket(fileno=os.dup(descriptor)) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD)
        if plain.family in (socket.AF_INET, socket.AF_INET6):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _VANISHED)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _already_handled() -> Iterable[bytes]:
    """gunicorn's sign that a request is answered and none of its business any more; `web.worker` understands it."""
    from gunicorn.workers.base_async import ALREADY_HANDLED

    sign: Iterable[bytes] = ALREADY_HANDLED
    return sign
