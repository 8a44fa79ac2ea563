"""Ports that hang in each way a port can: taken by the kernel and never served, or not even taken."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.waiting import wait_until


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Connections are taken, and nobody ever says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def full_port() -> Iterator[int]:
    """No further connection is taken, nor refused: the queue is full, as behind a firewall that drops."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listener.getsockname()[1]

        def is_full() -> bool:
            caller = stack.enter_context(socket.socket())
            caller.settimeout(0.2)
            try:
                caller.connect(("127.0.0.1", port))
            except TimeoutError:
                return True
            return False

        wait_until(is_full, 10, "the queue to be full")
        yield port
