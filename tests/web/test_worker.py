"""The gunicorn worker: it stops promptly whatever is open, finishes what is under way, and refuses a bad start."""

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerting.store import database
from tests.waiting import wait_until
from tests.web.serving import ROOT, Web, superuser_token

SLOW = """
import time
from tests.web.stream_app import application

@application.get("/slow")
def slow():
    time.sleep(2)
    return "done"
"""


BROKEN = """
def application(environ, start_response):
    if environ["PATH_INFO"] != "/health":
        raise ValueError("no")
    start_response("200 OK", [("Content-Length", "0")])
    return []
"""


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "vedette.toml").write_text('[organizations.acme]\nname = "Acme"\n')
    (tmp_path / "slow_app.py").write_text(SLOW)
    url = f"sqlite:///{tmp_path / 'vedette.db'}"
    database.open_database(url)
    database.migrate()
    yield url
    database.close_database()


def test_sigterm_with_50_open_streams_takes_less_than_3_seconds(tmp_path: Path, migrated: str) -> None:
    token = superuser_token()
    with Web(tmp_path, migrated) as web:
        streams = [web.listen(token).until_connected() for _ in range(50)]
        idle = [_idle(web.port) for _ in range(5)]
        assert web.stop() < 3
        for stream in streams:
            stream.until_ended(1)
        for connection in idle:
            connection.close()
    assert web.complaints() == []


def test_the_streams_end_at_once_although_a_request_is_still_under_way(tmp_path: Path, migrated: str) -> None:
    token = superuser_token()
    answers: list[bytes] = []
    with Web(tmp_path, migrated, "slow_app:application") as web:
        stream = web.listen(token).until_connected()
        asking = threading.Thread(target=lambda: answers.append(_get(web.port, "/slow")))
        asking.start()
        wait_until(lambda: _established(web.port) >= 2, 5, "the slow request is under way")
        time.sleep(0.3)  # the request's line is sent right after its connection
        web.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
        stream.until_ended(1.5)
        asking.join(10)
        assert answers == [b"done"]
        assert web.stop() < 5


def test_a_reload_ends_streams_and_serves_on(tmp_path: Path, migrated: str) -> None:
    token = superuser_token()
    with Web(tmp_path, migrated) as web:
        stream = web.listen(token).until_connected()
        before = web.workers()
        web.process.send_signal(signal.SIGHUP)  # type: ignore[union-attr]
        stream.until_ended(5)
        wait_until(lambda: web.workers() and not set(web.workers()) & set(before), 10, "new workers alone")
        web.listen(token).until_connected()


def test_busy_connections_let_others_in(tmp_path: Path, migrated: str) -> None:
    with Web(tmp_path, migrated) as web:
        done = threading.Event()
        busy = [threading.Thread(target=_ask_without_end, args=(web.port, done)) for _ in range(4)]
        for thread in busy:
            thread.start()
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            assert _get(web.port, "/health")
            slowest = max(slowest, time.monotonic() - began)
        done.set()
        for thread in busy:
            thread.join(10)
        assert slowest < 1.0


def test_a_faulty_environment_ends_the_start_with_one_line(tmp_path: Path) -> None:
    code, said = _start(tmp_path, PORT="many")
    assert code == 2
    assert said.strip() == "PORT: expected a whole number from 1 to 65535"


def test_a_process_that_is_not_patched_does_not_serve(tmp_path: Path) -> None:
    bare = tmp_path / "bare.conf.py"
    bare.write_text('bind = "127.0.0.1:0"\nworker_class = "web.worker.Worker"\ncontrol_socket_disable = True\n')
    code, said = _start(tmp_path, configuration=bare)
    assert code == 4
    assert "gevent has not replaced" in said


def test_peewee_imported_too_early_is_refused(tmp_path: Path) -> None:
    early = tmp_path / "early.conf.py"
    early.write_text(
        "import peewee\nfrom gevent import monkey\nmonkey.patch_all()\n"
        'bind = "127.0.0.1:0"\nworker_class = "web.worker.Worker"\ncontrol_socket_disable = True\n'
    )
    code, said = _start(tmp_path, configuration=early)
    assert code == 4
    assert "peewee was imported before" in said


def test_a_request_that_cannot_be_served_is_logged_without_its_query(tmp_path: Path, migrated: str) -> None:
    (tmp_path / "broken_app.py").write_text(BROKEN)
    with Web(tmp_path, migrated, "broken_app:application") as web:
        with pytest.raises(urllib.error.HTTPError):
            _get(web.port, "/x?token=verysecret")
        assert "/x" in web.log()
        assert "verysecret" not in web.log()


def _start(directory: Path, configuration: Path | None = None, **environment: str) -> tuple[int, str]:
    path = configuration or ROOT / "deploy" / "gunicorn.conf.py"
    command = [sys.executable, "-m", "gunicorn", "-c", str(path), "web.wsgi:application"]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LOG_FORMAT": "text", **environment}
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=directory, env=env)
    return done.returncode, done.stdout + done.stderr


def _get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
        body: bytes = reply.read()
    return body


def _idle(port: int) -> socket.socket:
    """A connection kept alive after its first request."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"GET /health HTTP/1.1\r\nHost: v\r\n\r\n")
    assert b"200" in connection.recv(4096)
    return connection


def _ask_without_end(port: int, done: threading.Event) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        while not done.is_set():
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: v\r\n\r\n" * 5)
            connection.recv(65536)


def _established(port: int) -> int:
    wanted = f"0100007F:{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1] == wanted and row[3] == "01" for row in rows)
