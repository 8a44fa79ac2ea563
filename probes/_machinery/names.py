"""From a host's name to the addresses that may be connected to."""

import asyncio
import socket
import threading
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from probes._machinery.guard import REFUSED

_RESOLVER = (socket.EAI_AGAIN, socket.EAI_SYSTEM, socket.EAI_MEMORY)


class NameTrouble(Exception):
    """A name that leads nowhere, or where no probe may go; its text is one sentence for a person.

    error_class: "dns", "denied", or "resolver" where our own name servers gave no answer
    """

    def __init__(self, text: str, error_class: str) -> None:
        super().__init__(text)
        self.error_class = error_class


async def addresses(host: str, port: int, allowed: Callable[[str], bool]) -> list[str]:
    """The addresses of `host` that may be connected to, in the system's order. Raises NameTrouble."""
    every = [host] if _is_address(host) else await _in_a_thread(_found, host, port)
    return _permitted(every, allowed)


def addresses_now(host: str, port: int, allowed: Callable[[str], bool]) -> list[str]:
    """The same for a thread that may be kept waiting. Raises NameTrouble."""
    return _permitted([host] if _is_address(host) else _found(host, port), allowed)


def _permitted(every: list[str], allowed: Callable[[str], bool]) -> list[str]:
    may = [address for address in every if allowed(address)]
    if not may:
        raise NameTrouble(REFUSED, "denied")
    return may


def _found(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as trouble:
        ours = isinstance(trouble, socket.gaierror) and trouble.errno in _RESOLVER
        said = f"the name {host} cannot be resolved: {_words(trouble)}"
        raise NameTrouble(said, "resolver" if ours else "dns") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host  # a zone is the system's to read


def _words(trouble: Exception) -> str:
    return trouble.strerror if isinstance(trouble, OSError) and trouble.strerror else "not a host name"


async def _in_a_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Like asyncio.to_thread, in a daemon: the resolver cannot be interrupted, and must not hold up the end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def work() -> None:
        outcome: tuple[Any, Any]
        try:
            outcome = function(*arguments), None
        except Exception as trouble:
            outcome = None, trouble
        _tell(loop, future, outcome)

    threading.Thread(target=work, name="vedette-names", daemon=True).start()
    return await future


def _tell(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]", outcome: tuple[Any, Any]) -> None:
    def settle() -> None:
        result, trouble = outcome
        if future.done():
            return  # cancelled meanwhile
        if trouble is None:
            future.set_result(result)
        else:
            future.set_exception(trouble)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        return  # the loop has ended before the resolver
