"""A real Redis (or Valkey) on a free loopback port: fixtures `redis_server` and `redis_url`."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.needing import need
from tests.waiting import free_port, listens, wait_until


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its URL, for the whole run; it keeps nothing on disk."""
    with running_redis(tmp_path_factory.mktemp("redis")) as port:
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def running_redis(folder: Path, **settings: str) -> Iterator[int]:
    """The port of one of its own, until the block ends; `settings` as in redis.conf, with _ for -."""
    program, port = need("redis")["redis-server"], free_port()
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(_command(program, port, folder, settings), stdout=log, stderr=log)
    try:
        wait_until(lambda: listens(port) or server.poll() is not None, 10, "Redis to listen")
        assert server.poll() is None, (folder / "log").read_text()
        yield port
    finally:
        server.kill()  # it may be busy, loading or refuse to end without having saved
        server.wait(10)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of an empty Redis."""
    import redis

    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


def _command(program: Path, port: int, folder: Path, settings: Mapping[str, str]) -> list[str]:
    usual = {"bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": str(folder)}
    places = {"port": "0"} if "tls_cert_file" in settings else {"port": str(port)}
    places |= {"tls-port": str(port)} if "tls_cert_file" in settings else {}
    whole = usual | places | {name.replace("_", "-"): value for name, value in settings.items()}
    return [str(program), *(word for name, value in whole.items() for word in (f"--{name}", value))]
