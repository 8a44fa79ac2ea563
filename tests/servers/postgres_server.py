"""One real PostgreSQL server: its data directory, its port, its processes."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.servers.freezing import wait_frozen
from tests.waiting import free_port, wait_until

USER = "odoo"
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


def _as_nobody() -> list[str]:
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
