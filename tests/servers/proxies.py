"""Real proxies that want a password: one for HTTP, one for SOCKS."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.needing import need
from tests.waiting import free_port, listens, wait_until

USER, PASSWORD = "walter", "pr0xy-s3cr3t"

_TINYPROXY = """
Port {port}
Listen 127.0.0.1
BasicAuth {user} {password}
LogLevel Critical
"""


@pytest.fixture(scope="session")
def http_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a proxy for HTTP, and for anything by CONNECT."""
    port, home = free_port(), tmp_path_factory.mktemp("tinyproxy")
    written = home / "tinyproxy.conf"
    written.write_text(_TINYPROXY.format(port=port, user=USER, password=PASSWORD))
    with _running([str(need("tinyproxy")["tinyproxy"]), "-d", "-c", str(written)], port, home):
        yield port


@pytest.fixture(scope="session")
def socks_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a proxy that speaks SOCKS 5."""
    port, home = free_port(), tmp_path_factory.mktemp("microsocks")
    command = [str(need("microsocks")["microsocks"]), "-i", "127.0.0.1", "-p", str(port), "-u", USER, "-P", PASSWORD]
    with _running(command, port, home):
        yield port


@contextmanager
def _running(command: Sequence[str], port: int, home: Path) -> Iterator[None]:
    with (home / "log").open("wb") as log:
        proxy = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: listens(port) or proxy.poll() is not None, 10, f"{command[0]} to listen")
        assert proxy.poll() is None, (home / "log").read_text()
        yield
    finally:
        proxy.terminate()
        proxy.wait(10)
