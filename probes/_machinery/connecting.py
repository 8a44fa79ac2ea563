"""From addresses to a connected socket: the first that answers, and a sentence where none does."""

import asyncio
import errno
import os
import socket
from collections.abc import Sequence

from probes._machinery.questions import Phases

_HEAD_START = 0.25  # seconds an address has before the next is tried beside it, as RFC 8305 has it
OURS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EPERM, errno.EACCES)
"""Errors that are this machine's own trouble: no descriptor, memory, port or permission left."""
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)


class Trouble(Exception):
    """Why a conversation came to nothing; its text is one sentence for a person, without a full stop.

    error_class  dns, denied, refused, unreachable, timeout, tls, certificate, broken, no_connection;
                 "resolver" and "own" are troubles of this machine and not of the target
    code         OpenSSL's number for a certificate that does not hold, else 0
    """

    def __init__(self, text: str, error_class: str, code: int = 0) -> None:
        super().__init__(text)
        self.error_class = error_class
        self.code = code
        self.phases = Phases()

    def after(self, phases: Phases) -> "Trouble":
        """The same, with what came before it."""
        self.phases = phases
        return self


async def connected(addresses: Sequence[str], port: int) -> socket.socket:
    """A socket connected to the first of at least one address that answers. Raises Trouble."""
    if len(addresses) == 1:
        return await _connect(addresses[0], port)
    waiting = list(addresses)
    running: dict[asyncio.Task[socket.socket], str] = {}
    troubles: dict[str, Trouble] = {}
    try:
        while waiting or running:
            if waiting:
                address = waiting.pop(0)
                running[asyncio.ensure_future(_connect(address, port))] = address
            patience = _HEAD_START if waiting else None
            done, _ = await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                trouble = task.exception()
                if trouble is None:
                    running.pop(task)
                    return task.result()
                if not isinstance(trouble, Trouble):
                    raise trouble
                troubles[running.pop(task)] = trouble
        raise _telling([troubles[address] for address in addresses])
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(_let_go)


def _telling(troubles: Sequence[Trouble]) -> Trouble:
    """The one that says most: a refusal rather than that this machine has no way to one of the addresses."""
    return next((one for one in troubles if one.error_class not in ("own", "unreachable")), troubles[0])


def spelled(address: str, port: int) -> str:
    """Address and port as one writes them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


async def _connect(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as trouble:
        raise Trouble(f"Vedette could not open a socket: {os.strerror(trouble.errno or 0).lower()}", "own") from None
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(made, (address, port))
    except OSError as trouble:
        made.close()
        raise _no_connection(trouble, spelled(address, port)) from None
    except BaseException:
        made.close()
        raise
    return made


def _no_connection(trouble: OSError, place: str) -> Trouble:
    number = trouble.errno or 0
    if number == errno.ECONNREFUSED:
        return Trouble(f"connection refused by {place}", "refused")
    reason = os.strerror(number).lower() if number else str(trouble)
    if number in OURS:
        return Trouble(f"Vedette could not connect to {place}: {reason}", "own")
    sort = "unreachable" if number in _UNREACHABLE else "timeout" if number == errno.ETIMEDOUT else "no_connection"
    return Trouble(f"no connection to {place}: {reason}", sort)


def _let_go(task: "asyncio.Task[socket.socket]") -> None:
    """It was cut off, or came second: nobody will read its socket."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
