"""From a host's name to the addresses that may be connected to."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

from probes._machinery.guard import REFUSED


class NameTrouble(Exception):
    """A name that leads nowhere, or where no probe may go; its text is one sentence for a person.

    error_class: "dns" or "denied"
    """

    def __init__(self, text: str, error_class: str) -> None:
        super().__init__(text)
        self.error_class = error_class


async def addresses(host: str, port: int, allowed: Callable[[str], bool]) -> list[str]:
    """The addresses of `host` that may be connected to, in the system's order. Raises NameTrouble."""
    try:
        found = await _in_a_thread(socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as trouble:
        raise NameTrouble(f"the name {host} cannot be resolved: {_words(trouble)}", "dns") from None
    every = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    may = [address for address in every if allowed(address)]
    if not may:
        raise NameTrouble(REFUSED, "denied")
    return may


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
