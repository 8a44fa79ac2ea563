"""A whole installation for the spine's tests: real targets, providers, `vedette` processes and an open stream."""

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil

from tests.servers.process import Process, Start
from tests.waiting import free_port, wait_until

WEBSITE = """
[organizations.acme]
name = "Acme"

[service]
name = "Acme watch"

[checks.website]
kind = "http"
every = "1s"
config = { url = "${WEBSITE_URL}", status = 200, json = { "status" = "ok" } }

[channels.ops]
kind = "slack"
webhook_url = "${SLACK_WEBHOOK_URL}"

[channels.mail]
kind = "email"
to = ["ops@acme.example"]
"""

REPLICA_AND_SERVER = """
[pools.shop]
url = "${SHOP_URL}"

[servers.prod-1]
netdata = { url = "${NETDATA_URL}" }
every = "4s"  # an agent needs some seconds to begin: no one may be told it was not observed

[environments.shop-prod]
project = "shop"
replica = { pool = "shop", application_name = "replica", every = "1s" }
"""


class Website:
    """A web service that can be broken and mended. It answers on the same port all its life."""

    def __init__(self) -> None:
        self.answer: tuple[int, dict[str, str]] = (200, {"status": "ok"})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/health"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def break_down(self) -> None:
        self.answer = (500, {"status": "broken"})

    def mend(self) -> None:
        self.answer = (200, {"status": "ok"})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        website = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, document = website.answer
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


@dataclass
class Stream:
    """An open event stream that comes back by itself after a cut, as a browser's does."""

    port: int
    token: str
    events: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    connections: int = 0
    _closed: bool = False
    _last: int = 0

    def open(self) -> "Stream":
        threading.Thread(target=self._read, daemon=True).start()
        wait_until(lambda: self.connections, 30, "the stream to open")
        return self

    def close(self) -> None:
        self._closed = True

    def of(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        """The data of the events of that kind that have these values."""
        return [
            data
            for _, name, data in list(self.events)
            if name == kind and all(data.get(key) == value for key, value in wanted.items())
        ]

    def _read(self) -> None:
        while not self._closed:
            with suppress(OSError, http.client.HTTPException):
                self._follow()
            time.sleep(0.1)

    def _follow(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {self.token}", "Last-Event-ID": str(self._last)}
        connection.request("GET", "/api/v1/events/stream", headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            return
        lines: dict[str, str] = {}
        for raw in answer:
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name:
                lines[name] = value
            elif lines:
                self._take(lines)
                lines = {}
            if self._closed:
                return

    def _take(self, lines: dict[str, str]) -> None:
        if lines.get("event") == "connected":
            self.connections += 1
        if "id" in lines:
            self._last = int(lines["id"])
            self.events.append((self._last, lines["event"], json.loads(lines["data"])["data"]))


@dataclass
class Installation:
    """Vedette under `vedette up`, watching the three targets."""

    process: Process
    port: int
    stream: Stream

    def children(self) -> dict[str, psutil.Process]:
        """Its processes by name: "web" (gunicorn's master), "worker" (a web worker), "scheduler"."""
        found: dict[str, psutil.Process] = {}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                words = " ".join(child.cmdline())
                if "scheduler" in words:
                    found["scheduler"] = child
                elif "gunicorn" in words:
                    found["worker" if "web" in found else "web"] = child
        return found

    def kill(self, name: str) -> None:
        """SIGKILL one of them; `up` starts it anew."""
        os.kill(wait_until(lambda: self.children().get(name), 20, f"{name} to run").pid, signal.SIGKILL)


def installed(start: Start, folder: Path, environ: dict[str, str], config: str) -> Iterator[Callable[[], Installation]]:
    """Starts `vedette up` in `folder` with a stream open; closes the streams afterwards."""
    streams: list[Stream] = []

    def begin() -> Installation:
        (folder / "vedette.toml").write_text(config)
        port = free_port()
        process = start("up", env={**environ, "PORT": str(port), "LOG_FORMAT": "text"})
        process.wait_ready(f"http://127.0.0.1:{port}/health")
        made = start("token", "create", "--organization", "acme", "--scope", "org.monitoring.view",
                     "--scope", "org.monitoring.alerts.view", "--json", env=environ)  # fmt: skip
        assert made.wait(20) == 0, made.stderr
        stream = Stream(port, json.loads(made.stdout)["token"]).open()
        streams.append(stream)
        return Installation(process, port, stream)

    yield begin
    for stream in streams:
        stream.close()
