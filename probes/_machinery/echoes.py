"""ICMP echoes by icmplib: without being root where the kernel allows it, else by the right to raw sockets."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

# This module is imported on first use itself.
from icmplib import AsyncSocket, ICMPRequest, ICMPv4Socket, ICMPv6Socket  # type: ignore[import-untyped]
from icmplib.exceptions import (  # type: ignore[import-untyped]
    ICMPError,
    ICMPSocketError,
    SocketPermissionError,
    TimeoutExceeded,
)

from probes._machinery.connecting import Trouble
from probes._machinery.names import NameTrouble, addresses
from probes._machinery.questions import Phases, PingReply, PingRequest

_INTERVAL = 0.2  # seconds between two at most; less where patience is short, for half of it is for the answers
_NOT_ALLOWED = (
    "this machine lets Vedette send no ping; allow it: sysctl -w net.ipv4.ping_group_range='0 2147483647',"
    " or give the process CAP_NET_RAW"
)


async def serve(request: PingRequest, allowed: Callable[[str], bool]) -> PingReply:
    """Send `count` echo requests and wait for what comes back, until `patience` is over."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(request.patience):
            address = (await addresses(request.host, 0, allowed))[0]
    except NameTrouble as trouble:
        return PingReply(error=str(trouble), error_class=trouble.error_class)
    except TimeoutError:
        words = f"the name was not resolved within {request.patience:g} s: {request.host}"
        return PingReply(error=words, error_class="resolver")
    resolved = time.monotonic() - began
    try:
        with _socket(address) as line:
            echoes = _Echoes(line, address, request.count)
            await echoes.exchange(request.patience - resolved)
    except Trouble as trouble:
        return PingReply(address, error=str(trouble), error_class=trouble.error_class)
    phases = Phases(dns_seconds=resolved, total_seconds=time.monotonic() - began)
    silent = None if echoes.heard else "timeout"
    return PingReply(address, echoes.sent, tuple(echoes.round_trips.values()), echoes.said, None, silent, phases)


class _Echoes:
    """Echo requests to one address, and what came back: sequence → seconds."""

    def __init__(self, line: Any, address: str, count: int) -> None:
        self._line, self._address, self._count = line, address, count
        self._own = int.from_bytes(os.urandom(2))
        self._sent_at: dict[int, float] = {}
        self._settled: set[int] = set()
        self.round_trips: dict[int, float] = {}
        self.said: str | None = None
        self.heard = False

    @property
    def sent(self) -> int:
        return len(self._sent_at)

    @property
    def _all_settled(self) -> bool:
        return len(self._settled) == self._count

    async def exchange(self, patience: float) -> None:
        """Send all, hear all that comes within `patience`."""
        interval = min(_INTERVAL, patience / 2 / self._count)
        hearing = asyncio.ensure_future(self._hear(patience))
        try:
            for sequence in range(self._count):
                self._send(sequence)
                await asyncio.wait([hearing], timeout=interval)
            if not self._all_settled:
                await hearing
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)  # the socket is closed only once nobody reads it

    def _send(self, sequence: int) -> None:
        echo = ICMPRequest(self._address, self._own, sequence)
        self._sent_at[sequence] = time.monotonic()
        try:
            self._line.send(echo)
        except ICMPSocketError as trouble:
            self.said = f"not sent: {trouble}"
            self._settled.add(sequence)
        self._own = echo.id  # without raw sockets the kernel chooses it

    async def _hear(self, patience: float) -> None:
        end = time.monotonic() + patience
        while not self._all_settled and (left := end - time.monotonic()) > 0:
            try:
                reply = await self._line.receive(None, left)
            except TimeoutExceeded:
                return
            except ICMPSocketError as trouble:
                self.said = f"not heard: {trouble}"
                return
            self._take(reply, time.monotonic())

    def _take(self, reply: Any, now: float) -> None:
        if reply.id != self._own or reply.sequence not in self._sent_at or reply.sequence in self._settled:
            return  # another program's, or a second answer
        self._settled.add(reply.sequence)
        self.heard = True
        try:
            reply.raise_for_status()
        except ICMPError as refusal:
            self.said = str(refusal)
        else:
            self.round_trips[reply.sequence] = now - self._sent_at[reply.sequence]


def _socket(address: str) -> Any:
    kind = ICMPv6Socket if ":" in address else ICMPv4Socket
    for privileged in (False, True):
        try:
            return AsyncSocket(kind(None, privileged))
        except SocketPermissionError:
            continue
        except ICMPSocketError as trouble:
            raise Trouble(f"Vedette could not open a socket: {trouble}", "own") from None
    raise Trouble(_NOT_ALLOWED, "own")
