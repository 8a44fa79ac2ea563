"""The real gunicorn with the packaged configuration, a reader of its streams, and events for them to show."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from alerting.store import accounts, events, tokens
from alerting.store.database import transaction
from alerting.store.events import NewEvent
from tests.waiting import free_port, wait_until

ROOT = Path(__file__).parents[2]


class Web:
    """One gunicorn master with its workers, on a database that has its tables."""

    def __init__(
        self, directory: Path, database_url: str, app: str = "web.wsgi:application", **environment: str
    ) -> None:
        self.port = free_port()
        self.log_path = directory / f"web-{self.port}.log"
        self._app = app
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self._environment = {
            **kept,
            "DATABASE_URL": database_url,
            "PORT": str(self.port),
            "BASE_URL": f"http://127.0.0.1:{self.port}",
            "SECRET_KEY": "k" * 48,
            "PYTHONPATH": str(ROOT),
            "VEDETTE_CONFIG": str(directory / "vedette.toml"),
            **environment,
        }
        self._directory = directory
        self.process: subprocess.Popen[bytes] | None = None
        self._listeners: list[Listener] = []

    def start(self) -> "Web":
        configuration = ROOT / "deploy" / "gunicorn.conf.py"
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", str(configuration), self._app],
                env=self._environment, stdout=log, stderr=log, cwd=self._directory, start_new_session=True,
            )  # fmt: skip
        try:
            wait_until(self.answers, 20, "the web process answers /health")
        except BaseException:
            self.kill()
            raise
        return self

    def answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"gunicorn ended with {self.process.returncode}:\n{self.log()}")
        try:
            return bool(urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2).status == 200)
        except OSError:
            return False

    def listen(
        self, token: str = "", query: str = "", headers: Mapping[str, str] | None = None, buffer: int = 0
    ) -> "Listener":
        """A client of the stream, closed with this."""
        self._listeners.append(Listener(self.port, token, query, headers, buffer))
        return self._listeners[-1]

    def workers(self) -> list[int]:
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def stop(self) -> float:
        """SIGTERM; the seconds until all of it was gone."""
        assert self.process is not None
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL to master and workers at once."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def log(self) -> str:
        return self.log_path.read_text()

    def complaints(self) -> list[str]:
        """Lines of the log that tell of a fault."""
        return [line for line in self.log().splitlines() if re.search(r"ERROR|CRITICAL|Traceback|Warning", line)]

    def __enter__(self) -> "Web":
        return self.start()

    def hang_up(self) -> None:
        """Close the clients."""
        for listener in self._listeners:
            listener.close()

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        if self.process is not None and self.process.poll() is None:
            self.stop()


class Listener:
    """A client of the stream, without any library between: its frames as (id, event, data)."""

    def __init__(
        self, port: int, token: str = "", query: str = "", headers: Mapping[str, str] | None = None, buffer: int = 0
    ) -> None:
        self.frames: list[tuple[int | None, str, Any]] = []
        self.comments = 0
        self.head = b""
        self.ended = False
        self._rest = b""
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sent = {"Host": "vedette", **({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        lines = [f"GET /api/v1/events/stream?{query} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        try:
            self.socket.connect(("127.0.0.1", port))
            self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        except OSError:  # the server was killed before or between
            self.socket.close()
            raise

    def read(self, timeout: float = 0.0) -> None:
        """Take in what is there, waiting for the first of it at most so long."""
        while not self.ended and select.select([self.socket], [], [], timeout)[0]:
            timeout = 0
            try:
                got = self.socket.recv(1 << 20)
            except ConnectionResetError:
                got = b""
            self.ended = not got
            self._rest += got
            self._parse()

    def until(self, condition: Callable[["Listener"], Any], what: str, timeout: float = 10) -> Any:
        """Read until the condition holds."""
        end = time.monotonic() + timeout
        while not (value := condition(self)):
            if self.ended or time.monotonic() > end:
                raise AssertionError(f"not seen: {what}; head {self.head!r}, last frames {self.frames[-5:]}")
            self.read(0.1)
        return value

    def until_connected(self) -> "Listener":
        self.until(lambda one: "connected" in one.names(), "connected")
        return self

    def until_ended(self, timeout: float = 10) -> None:
        end = time.monotonic() + timeout
        while not self.ended:
            assert time.monotonic() < end, "the stream did not end"
            self.read(0.1)

    def ids(self) -> list[int]:
        return [number for number, _, _ in self.frames if number is not None]

    def names(self) -> list[str]:
        return [name for _, name, _ in self.frames]

    def of(self, name: str) -> list[Any]:
        return [data for _, event, data in self.frames if event == name]

    def close(self) -> None:
        self.socket.close()

    def _parse(self) -> None:
        if not self.head:
            head, found, rest = self._rest.partition(b"\r\n\r\n")
            if not found:
                return
            self.head, self._rest = head, rest
        while b"\n\n" in self._rest:
            block, self._rest = self._rest.split(b"\n\n", 1)
            self._take(block.decode())

    def _take(self, block: str) -> None:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":") and ": " in line)
        self.comments += any(line.startswith(":") for line in block.split("\n"))
        if "data" in fields or "retry" in fields:
            number = int(fields["id"]) if "id" in fields else None
            data = json.loads(fields["data"]) if "data" in fields else fields.get("retry")
            self.frames.append((number, fields.get("event", ""), data))


class Listening(threading.Thread):
    """A client that reads all the time, and comes back with the last id whenever it is cut off."""

    def __init__(self, ports: list[int], token: str, query: str = "", last: int = 0, lifetime: float = 0.0) -> None:
        super().__init__(daemon=True)
        self.ids: list[int] = []
        self.connections = 0
        self._ports, self._token, self._query, self._last, self._lifetime = ports, token, query, last, lifetime
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.is_set():
            try:
                self._listen()
            except (OSError, ValueError, AssertionError):
                self._done.wait(0.05)

    def finish(self) -> None:
        self._done.set()
        self.join(10)

    def _listen(self) -> None:
        port = self._ports[self.connections % len(self._ports)]
        one = Listener(port, self._token, self._query, {"Last-Event-ID": str(self._last)})
        self.connections += 1
        end = time.monotonic() + self._lifetime if self._lifetime else float("inf")
        try:
            while not self._done.is_set() and not one.ended and time.monotonic() < end:
                one.read(0.1)
                new, one.frames = one.ids(), []
                self.ids += new
                self._last = self.ids[-1] if self.ids else self._last
        finally:
            one.close()


def publish(count: int = 1, organization: str | None = "acme", name: str = "alert_triggered", **data: Any) -> list[int]:
    """Append events to the log of the store that is open here; their ids."""
    with transaction():
        return events.append([NewEvent(name, {"n": n, **data}, organization) for n in range(count)], time.time())


def superuser_token(lifetime: float | None = None) -> str:
    """An API token that sees everything."""
    person = accounts.put("root@example.com", time.time(), is_superuser=True)
    return tokens.issue("api", time.time(), user=person.id, scopes=sorted(accounts.PERMISSIONS), lifetime=lifetime)[0]


def organization_token(organization: str, *scopes: str) -> str:
    """An API token of one organization."""
    granted = scopes or ("org.monitoring.view", "org.monitoring.alerts.view")
    return tokens.issue("api", time.time(), organization=organization, scopes=list(granted))[0]
