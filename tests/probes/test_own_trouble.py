"""What this machine lacks is never told as a target's failure."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from probes._machinery.runner import run
from probes._machinery.sql_errors import classify
from tests.waiting import free_port

_ROOT = Path(__file__).parents[2]


def test_no_descriptor_left_is_no_targets_failure() -> None:
    port = free_port()
    dsn = f"postgresql://u:p@127.0.0.1:{port}/x"
    configs = {
        "http": {"url": f"http://127.0.0.1:{port}/"},
        "info": {"url": f"http://127.0.0.1:{port}/info"},
        "metrics": {"url": f"http://127.0.0.1:{port}/metrics", "values": {"up": "up"}},
        "netdata": {"url": f"http://127.0.0.1:{port}"},
        "tcp": {"host": "127.0.0.1", "port": port},
        "certificate": {"host": "127.0.0.1", "port": port},
        "redis": {"url": f"redis://127.0.0.1:{port}"},
        "dns": {"name": "a.example", "server": f"127.0.0.1:{port}"},
        "ping": {"host": "127.0.0.1"},
        "postgres": {"dsn": dsn},
        "replica": {"dsn": dsn, "application_name": "replica"},
    }
    scene = [sys.executable, "-m", "tests.probes.own_trouble_scene", json.dumps(configs)]
    done = subprocess.run(scene, capture_output=True, text=True, timeout=100, cwd=_ROOT)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert {kind: status for kind, (status, _, _) in seen.items()} == dict.fromkeys(configs, "unknown"), seen
    assert [kind for kind, (_, _, values) in seen.items() if values.get("status")] == [], seen


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("connection failed: could not create socket: Too many open files", "own"),
        ("connection to server at 10.0.0.1 failed: Cannot assign requested address", "own"),
        ("[Errno -3] Temporary failure in name resolution", "resolver"),
        ("failed to resolve host 'db': Temporary failure in name resolution", "resolver"),
        ("failed to resolve host 'db': Name or service not known", "dns"),
        ("connection to server at 10.0.0.1 failed: Network is unreachable", "unreachable"),
        ("connection to server at 10.0.0.1 failed: Connection refused", "refused"),
        ("FATAL: sorry, too many clients already", "too_many"),
    ],
)
def test_what_libpq_says_is_told_apart(said: str, expected: str) -> None:
    assert classify(None, said) == expected


def test_a_query_without_a_thread_is_our_own_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    seen = run("postgres", {"dsn": f"postgresql://u:p@127.0.0.1:{free_port()}/x"})
    assert (seen.status, seen.message.partition(":")[0]) == ("unknown", "Vedette could not start a thread")
