"""One conversation by TCP, with or without TLS: each phase timed, and what goes wrong told in a sentence."""

import asyncio
import errno
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from probes._machinery.connecting import Trouble, connected, spelled
from probes._machinery.names import NameTrouble, addresses
from probes._machinery.questions import Phases
from probes._machinery.trust import distrust, handshake_failed

_CHUNK = 16_384
_PARTING = 1.0  # seconds TLS may take to say goodbye

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Conversation:
    """From a host's name to the end of the connection. Its methods raise Trouble; `phases` tells what took how long."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._began = time.monotonic()
        self._marks: dict[str, float] = {}
        self._stage = "the name was not resolved"
        self._socket: socket.socket | None = None
        self._tls: ssl.SSLObject | None = None
        self._streams: Streams | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()

    @property
    def phases(self) -> Phases:
        """When each part was done."""
        return Phases(**self._marks, total_seconds=self._elapsed())

    async def connect(self, allowed: Callable[[str], bool]) -> socket.socket:
        """Resolve the name, connect to the first of its addresses that answers; the socket, which stays ours."""
        try:
            found = await addresses(self.host, self.port, allowed)
        except NameTrouble as trouble:
            raise Trouble(str(trouble), trouble.error_class) from None
        self.mark("dns_seconds")
        self._stage = f"no connection to {spelled(found[0], self.port)}"
        self._socket = await connected(found, self.port)
        self.mark("connect_seconds")
        self._stage = "no answer"
        return self._socket

    async def secure(self, context: ssl.SSLContext, server_name: str | None) -> ssl.SSLObject:
        """Speak TLS from here on; the session, whose certificate can be asked for."""
        self._stage = "the TLS handshake was not done"
        with _handshaking():
            name = server_name or self._name
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
            await self._drive(self._tls.do_handshake)
        self.mark("tls_seconds")
        self._stage = "no answer"
        return self._tls

    async def streams(self, context: ssl.SSLContext | None) -> Streams:
        """Hand the connection over to asyncio's streams, with TLS where a context is given."""
        self._stage = "the TLS handshake was not done" if context else "no answer"
        secured: dict[str, Any] = {}
        if context:
            secured = {"ssl": context, "server_hostname": self._name, "ssl_shutdown_timeout": _PARTING}
        given, self._socket = self._sock, None  # from here on asyncio closes it: nobody else may, under its feet
        with _handshaking():
            self._streams = await asyncio.open_connection(sock=given, **secured)
        if context:
            self.mark("tls_seconds")
            self._stage = "no answer"
        return self._streams

    async def write(self, data: bytes) -> None:
        """Send all of it."""
        tls = self._tls
        try:
            if tls is None:
                await _loop().sock_sendall(self._sock, data)
            else:
                await self._drive(lambda: tls.write(data))
        except OSError as trouble:
            raise Trouble(f"the connection broke while sending: {_reason(trouble)}", "broken") from None

    async def read(self, most: int = _CHUNK) -> bytes:
        """What comes next, of at most that size; empty where the other side has closed the connection."""
        try:
            got = await self._next(most)
        except OSError as trouble:
            raise Trouble(f"the connection broke while waiting for an answer: {_reason(trouble)}", "broken") from None
        if got and "first_byte_seconds" not in self._marks:
            self.mark("first_byte_seconds")
            self._stage = "the whole answer had not come"
        return got

    def mark(self, name: str) -> None:
        """Note that this part, a field of Phases, is done now."""
        self._marks[name] = self._elapsed()

    def close(self) -> None:
        """The end, at once."""
        if self._streams is not None:
            self._streams[1].transport.abort()
        elif self._socket is not None:
            self._socket.close()

    def too_late(self, patience: float) -> "Trouble":
        """What there was no time left for."""
        error_class = "timeout" if "dns_seconds" in self._marks else "resolver"
        whose = f": {self.host}" if error_class == "resolver" else ""
        return Trouble(f"{self._stage} within {patience:g} s{whose}", error_class)

    async def _next(self, most: int) -> bytes:
        tls = self._tls
        if tls is None:
            return await _loop().sock_recv(self._sock, most)
        try:
            return bytes(await self._drive(lambda: tls.read(most)))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    async def _drive(self, act: Callable[[], Any]) -> Any:
        """Carry TLS records to and fro until `act` needs no more of them."""
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                await self._flush()
                got = await _loop().sock_recv(self._sock, _CHUNK)
                self._incoming.write(got) if got else self._incoming.write_eof()
            except ssl.SSLError:
                with suppress(OSError):
                    await self._flush()  # the alert: the other side is told why
                raise
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await _loop().sock_sendall(self._sock, self._outgoing.read())

    @property
    def _name(self) -> str:
        """The host as certificates write it."""
        return self.host.removesuffix(".")

    @property
    def _sock(self) -> socket.socket:
        assert self._socket is not None, "connect first"
        return self._socket

    def _elapsed(self) -> float:
        return time.monotonic() - self._began


@contextmanager
def _handshaking() -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as trouble:
        raise Trouble(distrust(trouble), "certificate", trouble.verify_code) from None
    except (ssl.SSLError, ValueError) as trouble:
        raise Trouble(handshake_failed(trouble), "tls") from None
    except OSError as trouble:
        raise Trouble(f"the TLS handshake broke off: {_reason(trouble)}", "broken") from None


@asynccontextmanager
async def conversation(host: str, port: int, patience: float) -> AsyncIterator[Conversation]:
    """A conversation, closed at the end of the block. The end of patience is Trouble too; it tells of its phases."""
    talk = Conversation(host, port)
    try:
        async with asyncio.timeout(patience):
            yield talk
    except TimeoutError:
        raise talk.too_late(patience).after(talk.phases) from None
    except Trouble as trouble:
        raise trouble.after(talk.phases) from None
    finally:
        talk.close()


def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def _reason(trouble: OSError) -> str:
    if isinstance(trouble, ssl.SSLError) and not trouble.strerror:
        return str(trouble)
    if trouble.errno == errno.ECONNRESET:
        return "the other side reset it"
    return os.strerror(trouble.errno).lower() if trouble.errno else str(trouble)
