"""A real PostgreSQL primary with a streaming standby, on free loopback ports in a directory of their own."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needing import need
from tests.servers.postgres_server import USER, PostgresServer
from tests.servers.tcp_proxy import TcpProxy
from tests.waiting import wait_until

__all__ = ["NAME", "SLOT", "USER", "PostgresPair", "PostgresServer"]

NAME = "replica"  # the standby's application_name
SLOT = "replica_slot"
VERSIONS = ("postgresql", "postgresql-16", "postgresql-17", "postgresql-18")  # Debian's own, and those of wheels
_PATIENCE = 60.0


class PostgresPair:
    """A primary and a standby that streams from it under the name `replica`, and what further standbys a test adds."""

    def __init__(self, programs: Path) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="vpg-"))  # short: a unix socket's path has at most 107 bytes
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.home, nobody.pw_uid, nobody.pw_gid)
        self._programs = programs
        self.primary = PostgresServer(self.home, "p", programs)
        self.standby = PostgresServer(self.home, "s", programs)
        self._further: list[PostgresServer] = []
        self._proxies: list[TcpProxy] = []

    @property
    def dsn(self) -> str:
        return self.primary.url()

    def start(self) -> "PostgresPair":
        self.primary.run("initdb", "-D", str(self.primary.data), "-U", USER, "-A", "trust", "-E", "UTF8",
                         "--locale=C", "--no-sync")  # fmt: skip
        self.primary.start()
        self._copy(self.standby, NAME, SLOT)
        self.standby.start()
        self.wait_streaming()
        return self

    def add_standby(self, folder: str, name: str | None, source: PostgresServer | None = None) -> PostgresServer:
        """One more standby, streaming from the primary or from `source`, under `name` or none, without a slot."""
        added, upstream = PostgresServer(self.home, folder, self._programs), source or self.primary
        self._copy(added, name, None)
        called = f" application_name={name}" if name else ""
        added.settings["primary_conninfo"] = f"host=127.0.0.1 port={upstream.port} user={USER}{called}"
        self._further.append(added)
        added.start()
        streams = "SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'"
        wait_until(lambda: added.sql(streams), _PATIENCE, f"the standby {folder} to stream")
        return added

    def proxied(self) -> TcpProxy:
        """Have the standby come through a proxy from its next connection on, which is made at once."""
        proxy = TcpProxy(self.primary.port)
        self._proxies.append(proxy)
        source = f"host=127.0.0.1 port={proxy.port} user={USER} application_name={NAME}"
        self.standby.set(primary_conninfo=source)
        wait_until(lambda: proxy.carries, _PATIENCE, "the standby to come through the proxy")
        self.wait_streaming()
        return proxy

    def _copy(self, to: PostgresServer, name: str | None, slot: str | None) -> None:
        source = f"host=127.0.0.1 port={self.primary.port} user={USER}" + (f" application_name={name}" if name else "")
        self.primary.run("pg_basebackup", "-d", source, "-D", str(to.data), "-R", "-X", "stream", "-c", "fast",
                         "--no-sync", *(("-C", "-S", slot) if slot else ()))  # fmt: skip

    def wait_streaming(self) -> None:
        """Until the standby streams and has replayed everything."""
        wait_until(self._is_in_step, _PATIENCE, "the standby to stream and to have replayed everything")

    def write(self, megabytes: int) -> None:
        """Make the primary write at least so much WAL."""
        self.primary.sql("CREATE TABLE IF NOT EXISTS filler (t text)")
        self.primary.sql(
            f"INSERT INTO filler SELECT repeat(md5(i::text), 32) FROM generate_series(1, {megabytes * 1000}) i"
        )

    def stop(self) -> None:
        for proxy in self._proxies:
            proxy.close()
        for server in (*self._further, self.standby, self.primary):
            server.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _is_in_step(self) -> bool:
        rows = self.primary.sql(
            "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) FROM pg_stat_replication"
            f" WHERE application_name = '{NAME}' AND state = 'streaming'"
        )
        return bool(rows) and rows[0][0] == 0


def _pair(version: str = "postgresql") -> Iterator[PostgresPair]:
    pair = PostgresPair(need(version)["initdb"].resolve().parent)
    try:
        yield pair.start()
    finally:
        pair.stop()


@pytest.fixture(scope="session")
def postgres_pair() -> Iterator[PostgresPair]:
    """A pair for all tests that leave it as they found it."""
    yield from _pair()


@pytest.fixture
def fresh_postgres_pair() -> Iterator[PostgresPair]:
    """A pair of its own for a test that breaks it; about a second."""
    yield from _pair()


@pytest.fixture(params=VERSIONS)
def every_postgres_pair(request: pytest.FixtureRequest) -> Iterator[PostgresPair]:
    """The same, on every version there is to test on."""
    yield from _pair(request.param)
