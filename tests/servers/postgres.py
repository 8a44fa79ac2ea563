"""A real PostgreSQL primary with a streaming standby, on free loopback ports in a directory of their own."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.needing import need
from tests.servers.freezing import wait_frozen
from tests.servers.tcp_proxy import TcpProxy
from tests.waiting import free_port, wait_until

USER = "odoo"
NAME = "replica"  # the standby's application_name
SLOT = "replica_slot"
VERSIONS = ("postgresql", "postgresql-16", "postgresql-17", "postgresql-18")  # Debian's own, and those of wheels
_PATIENCE = 60.0


class PostgresServer:
    """One server: its data directory, its port, its processes."""

    def __init__(self, home: Path, name: str, bin_directory: Path) -> None:
        self.home, self.name, self.port = home, name, free_port()
        self.data = home / name
        self.settings: dict[str, object] = {}  # besides those every test wants; for the next start
        self._bin = bin_directory
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres", user: str = USER) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def run(self, program: str, *arguments: str) -> None:
        """One of PostgreSQL's programs, to its end. The server refuses to be root's."""
        command = [*_as_nobody(), str(self._bin / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.home)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")

    @contextlib.contextmanager
    def running(self, program: str, *arguments: str) -> Iterator[None]:
        """One of PostgreSQL's programs while the block lasts."""
        command = [*_as_nobody(), str(self._bin / program), *arguments]
        process = subprocess.Popen(command, cwd=self.home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.kill()
            process.wait(10)

    def set(self, **settings: object) -> None:
        """Change settings that a reload takes in."""
        for name, value in settings.items():
            self.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.sql("SELECT pg_reload_conf()")

    def start(self, wait: bool = True) -> None:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.home,
            "fsync": "off",
            "max_connections": 250,
            "max_wal_senders": 20,
            "wal_receiver_status_interval": "1s",  # so that a test need not wait ten for the next report
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.home / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_as_nobody(), str(self._bin / "postgres"), "-D", str(self.data), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home, start_new_session=True,
            )  # fmt: skip
        if wait:
            wait_until(self.answers, _PATIENCE, f"PostgreSQL {self.name} to answer")

    def answers(self) -> bool:
        try:
            self.sql("SELECT 1")
        except psycopg.OperationalError:
            if self._process is not None and self._process.poll() is not None:
                log = (self.home / f"{self.name}.log").read_text()
                raise RuntimeError(f"PostgreSQL {self.name} ended at once:\n{log[-2000:]}") from None
            return False
        return True

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement on a connection of its own; the rows, if it has any."""
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, name: str) -> str:
        """Create an empty database; its URL."""
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.sql(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def freeze(self) -> None:
        """Stop every process of the server, as a hung machine would: its sockets stay open."""
        wait_frozen(*self._signal(signal.SIGSTOP))

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def freeze_postmaster(self) -> None:
        """Connections are taken by the kernel and never served."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        wait_frozen(self._process.pid)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._reap()

    def stop(self) -> None:
        if self._process is None:
            return
        self.thaw()
        self._process.send_signal(signal.SIGQUIT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def _signal(self, number: int) -> list[int]:
        """To every process of the server; the pids it went to."""
        if self._process is None or self._process.poll() is not None:
            return []
        parent, reached = psutil.Process(self._process.pid), []
        for process in [parent, *parent.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
                reached.append(process.pid)
        return reached

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait(10)
            self._process = None


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


def _as_nobody() -> list[str]:
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


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
