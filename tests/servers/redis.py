"""A real Redis (or Valkey) on a free loopback port: fixtures `redis_server` and `redis_url`."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needing import need
from tests.waiting import free_port, listens, wait_until


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its URL, for the whole run; it keeps nothing on disk."""
    program = need("redis")["redis-server"]
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(_command(program, port, folder), stdout=log, stderr=log)
    try:
        wait_until(lambda: listens(port) or server.poll() is not None, 10, "Redis to listen")
        assert server.poll() is None, (folder / "log").read_text()
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of an empty Redis."""
    import redis

    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


def _command(program: Path, port: int, folder: Path) -> list[str]:
    settings = {"port": str(port), "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": str(folder)}
    return [str(program), *(word for name, value in settings.items() for word in (f"--{name}", value))]
