"""Everything that is asked over the network besides HTTP and SQL: a coroutine an exchange, in one asyncio loop."""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from probes._machinery.questions import (
    DnsReply,
    DnsRequest,
    PingReply,
    PingRequest,
    RedisReply,
    RedisRequest,
    TcpReply,
    TcpRequest,
    TlsReply,
    TlsRequest,
)
from probes._machinery.requests import Reply, SshCommand, SshReply
from probes._machinery.ssh_login import host_of

Allowed = Callable[[str], bool]
"""Whether an address (text) may be connected to: `guard.address_guard`."""

Serve = Callable[[Any, Allowed], Awaitable[Any]]
"""serve(request, allowed) → reply. What goes wrong is told in the reply; it may be cancelled at any await."""


@dataclass(frozen=True, slots=True)
class Transport:
    """Who serves a type of request: the module of that name has `serve`. `limit`: how many at once.

    lane: what of a request the limit is counted by, as the host it goes to; everything together where None
    """

    module: str
    limit: int
    reply: Callable[..., Any]  # made with error and error_class where the time was up
    lane: Callable[[Any], Hashable] | None = None


TRANSPORTS: Mapping[type, Transport] = {
    SshCommand: Transport("ssh", 4, SshReply, lane=host_of),
    TcpRequest: Transport("tcp", 512, TcpReply),
    TlsRequest: Transport("certificates", 256, TlsReply),
    DnsRequest: Transport("lookups", 256, DnsReply),
    RedisRequest: Transport("redis_commands", 256, RedisReply),
    PingRequest: Transport("echoes", 64, PingReply),
}


class Exchanges:
    """Exchanges under way. The loop and its thread begin with the first.

    wake: called from the loop's thread when one has ended, so that the owner comes to collect it.
    """

    def __init__(self, wake: Callable[[], None], allowed: Allowed) -> None:
        self._wake = wake
        self._allowed = allowed
        self._ended: deque[Exchange] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, request: Any, token: object) -> "Exchange":
        """Begin an exchange; the owner bounds how many there are."""
        loop = self._running_loop()
        exchange = Exchange(request, token, loop)
        loop.call_soon_threadsafe(self._begin, exchange)
        return exchange

    def finished(self) -> "list[Exchange]":
        """Those that have ended since the last call, cut off or not."""
        return [self._ended.popleft() for _ in range(len(self._ended))]

    def close(self) -> None:
        """Break off everything; the loop's thread ends by itself."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(_cancel_all, self._loop)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            # A daemon: a name server's silence must not hold up the end of the process.
            threading.Thread(target=_run, args=(self._loop,), name="vedette-exchanges", daemon=True).start()
        return self._loop

    def _begin(self, exchange: "Exchange") -> None:
        serve: Serve = import_module(f"probes._machinery.{TRANSPORTS[type(exchange.request)].module}").serve
        task = asyncio.ensure_future(serve(exchange.request, self._allowed))
        exchange.began(task)
        task.add_done_callback(lambda done: self._end(exchange, done))

    def _end(self, exchange: "Exchange", done: "asyncio.Future[Any]") -> None:
        if not done.cancelled():
            exchange.trouble = done.exception()
            exchange.reply = None if exchange.trouble else done.result()
        self._ended.append(exchange)
        self._wake()


class Exchange:
    """One exchange in the loop. `reply` is there once it has ended, `trouble` where its transport broke."""

    __slots__ = ("_loop", "_task", "cut", "reply", "request", "token", "trouble")

    def __init__(self, request: Any, token: object, loop: asyncio.AbstractEventLoop) -> None:
        self.request = request
        self.token = token
        self.reply: Reply = None
        self.trouble: BaseException | None = None
        self.cut = False
        self._loop = loop
        self._task: asyncio.Future[Any] | None = None

    def began(self, task: "asyncio.Future[Any]") -> None:
        self._task = task
        if self.cut:
            task.cancel()

    def cut_off(self) -> None:
        """Time is up: whatever it waits for, it ends there."""
        self.cut = True
        self._loop.call_soon_threadsafe(self._cancel)

    def late_reply(self) -> Any:
        """What a probe is told when there was no answer in time."""
        words = f"no answer within {self.request.timeout:g} s"
        return TRANSPORTS[type(self.request)].reply(error=words, error_class="timeout")

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel, let everything that was cancelled come to its end, and stop."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    waiting = asyncio.gather(*tasks, return_exceptions=True)
    waiting.add_done_callback(lambda _: loop.stop())
