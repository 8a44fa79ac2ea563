"""Every process of the Procfile starts, does its work, and ends within ten seconds of SIGTERM."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.house.tree import procfile
from tests.servers.process import Process, Start
from tests.waiting import free_port, wait_until

_GRANTED = 10.0  # seconds a platform grants between SIGTERM and SIGKILL
_WATCHING = """
[checks.target]
kind = "http"
every = "1s"
config = {{ url = "http://127.0.0.1:{port}/" }}
"""


class Target(ThreadingHTTPServer):
    """A web service that counts who asks."""

    asked = 0


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Target)
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    """A service, and a vedette.toml that watches it every second."""
    with Target(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        (tmp_path / "vedette.toml").write_text(_WATCHING.format(port=server.server_port))
        yield server
        server.shutdown()
        thread.join()


def test_the_procfile_names_the_processes_that_are_tested_here() -> None:
    assert procfile() == {
        "release": ["vedette", "migrate"],
        "web": ["vedette", "web"],
        "scheduler": ["vedette", "scheduler"],
        "worker": ["vedette", "worker"],
    }


def test_release_brings_the_tables_up_to_date_and_ends(start: Start) -> None:
    assert _started(start, "release").wait(30) == 0
    again = _started(start, "release")
    assert again.wait(30) == 0
    assert "nothing to apply" in again.stderr


def test_web_serves_until_sigterm(start: Start) -> None:
    port = free_port()
    web = _started(start, "web", PORT=str(port))
    web.wait_ready(f"http://127.0.0.1:{port}/health")
    assert web.stop(_GRANTED) < _GRANTED
    assert web.wait(0) == 0, web.stderr


def test_the_scheduler_probes_until_sigterm(start: Start, target: Target) -> None:
    scheduler = _started(start, "scheduler")
    wait_until(lambda: target.asked or not scheduler.runs, 30, "the scheduler to probe")
    assert scheduler.stop(_GRANTED) < _GRANTED
    assert scheduler.wait(0) == 0, scheduler.stderr
    assert target.asked


def test_a_worker_without_redis_says_so(start: Start) -> None:
    worker = _started(start, "worker")
    assert worker.wait(30) == 2
    assert worker.stderr.count("\n") == 1
    assert "REDIS_URL" in worker.stderr


def test_up_serves_and_probes_until_sigterm(start: Start, target: Target) -> None:
    port = free_port()
    both = start("up", env={"PORT": str(port)})
    both.wait_ready(f"http://127.0.0.1:{port}/health")
    wait_until(lambda: target.asked or not both.runs, 30, "the scheduler to probe")
    assert both.stop(_GRANTED) < _GRANTED
    assert both.wait(0) == 0, both.stderr


def _started(start: Start, process: str, **environ: str) -> Process:
    command, *words = procfile()[process]
    assert command == "vedette"
    return start(*words, env=environ)
