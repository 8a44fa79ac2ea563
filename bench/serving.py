"""Vedette's web process as it is deployed, for as long as a measurement lasts, and clients of its stream."""

import os
import re
import resource
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import requests
from harness import ROOT, tree_cpu, wait_for
from target import free_port

from alerting.store import accounts, database, events, tokens
from alerting.store.database import reading, transaction
from alerting.store.events import NewEvent

_NEW_AT_ONCE = 32  # streams being opened at a time: a burst would grow what idle streams do not need


class Web:
    """One gunicorn worker under deploy/gunicorn.conf.py."""

    def __init__(self, home: Path, app: str) -> None:
        self.port = free_port()
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environment = {
            **kept,
            "DATABASE_URL": _url(home),
            "SECRET_KEY": "k" * 48,
            "PORT": str(self.port),
            "LOG_LEVEL": "ERROR",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "bench")]),
        }
        command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "deploy" / "gunicorn.conf.py"), app]
        self._process = subprocess.Popen(command, env=environment, cwd=home, start_new_session=True)
        wait_for(self._answers, "the web process answers /health")
        self.worker = psutil.Process(self._process.pid).children()[0]

    def cpu(self) -> float:
        """CPU seconds of the worker so far."""
        return tree_cpu(self.worker.pid)

    def memory(self) -> tuple[float, float]:
        """RSS and PSS of the worker in KB: user space alone."""
        text = Path(f"/proc/{self.worker.pid}/smaps_rollup").read_text()
        found = {name: float(size) for name, size in re.findall(r"^(Rss|Pss): +(\d+) kB", text, re.M)}
        return found["Rss"], found["Pss"]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise SystemExit(f"the web process ended with {self._process.returncode}")
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/health", timeout=2).status_code == 200
        except requests.ConnectionError:
            return False


@contextmanager
def installation() -> Iterator[tuple[Path, str]]:
    """A directory with a database that has its tables, and a token that sees everything."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        database.open_database(_url(home))
        database.migrate()
        with transaction():
            person = accounts.put("root@example.com", time.time(), is_superuser=True)
            scopes = sorted(accounts.PERMISSIONS)
            token = tokens.issue("api", time.time(), user=person.id, scopes=scopes)[0]
        yield home, token
        database.close_database()


@contextmanager
def web(home: Path, app: str = "web.wsgi:application") -> Iterator[Web]:
    """A running web process."""
    one = Web(home, app)
    try:
        yield one
    finally:
        one.stop()


def publish(number: int) -> None:
    """An event that everyone with a stream is shown."""
    with reading(), transaction():
        data = {"number": number, "sent_at": time.time(), "message": "the disk of prod-1 is 91 % full " * 4}
        events.append([NewEvent("alert_triggered", data)], time.time())


def listen(connection: Connection, port: int, token: str) -> None:
    """Clients that read, in a process of their own. Told a number, it opens so many; told 0, it says what arrived.

    Answers: how many are open; or how many events have arrived since the last answer, and their delays in seconds.
    """
    clients = _Clients(port, token)
    while True:
        clients.read(0.01)
        if connection.poll():
            wanted = connection.recv()
            connection.send(clients.open(wanted) if wanted else clients.report())


class _Clients:
    def __init__(self, port: int, token: str) -> None:
        self._port = port
        lines = ["GET /api/v1/events/stream HTTP/1.1", "Host: bench", f"Authorization: Bearer {token}", "", ""]
        self._ask = "\r\n".join(lines).encode()
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._connected = 0
        self._delays: list[float] = []

    def open(self, count: int) -> int:
        """Open so many more, a few at a time, and wait until each was greeted."""
        wanted = self._connected + count
        while self._connected < wanted:
            while len(self._sockets) < wanted and len(self._sockets) - self._connected < _NEW_AT_ONCE:
                one = socket.create_connection(("127.0.0.1", self._port))
                one.sendall(self._ask)
                self._sockets[one.fileno()] = one
                self._epoll.register(one, select.EPOLLIN)
            self.read(1.0)
        return self._connected

    def read(self, patience: float) -> None:
        for descriptor, _ in self._epoll.poll(patience, 1024):
            got = self._sockets[descriptor].recv(65_536)
            if not got:
                raise SystemExit("a stream ended")
            self._connected += b"event: connected" in got
            now = time.time()
            self._delays += [now - float(sent) for sent in re.findall(rb'"sent_at": ?([0-9.]+)', got)]

    def report(self) -> tuple[int, list[float]]:
        delays, self._delays = self._delays, []
        return len(delays), delays


def _url(home: Path) -> str:
    return f"sqlite:///{home / 'vedette.db'}"
