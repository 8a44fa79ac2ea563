"""A job's pings through real processes: missed and told, pinged and resolved, whatever of Vedette is down meanwhile."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process import Process, Start
from tests.servers.slack import SlackServer
from tests.spine.installation import Installation, installed
from tests.waiting import free_port, wait_until

PATIENCE = 30.0
KEY = "spine-backup-key"

CONFIG = """
[organizations.acme]
name = "Acme"

[heartbeats.backup]
key = "${BACKUP_PING_KEY}"
period = "4s"
grace = "2s"

[channels.ops]
kind = "slack"
webhook_url = "${SLACK_WEBHOOK_URL}"
"""


@pytest.fixture
def begin(start: Start, tmp_path: Path, environ: dict[str, str]) -> Iterator[Callable[[], Installation]]:
    """Starts an installation that waits for the job."""
    yield from installed(start, tmp_path, environ | {"BACKUP_PING_KEY": KEY}, CONFIG)


def ping(port: int, rest: str = "", log: str | None = None) -> str:
    url = f"http://127.0.0.1:{port}/ping/{KEY}{rest}"
    with urllib.request.urlopen(url, None if log is None else log.encode(), timeout=10) as answer:
        return str(answer.read().decode())


def wait_told(slack: SlackServer, *words: str) -> Any:
    def told() -> Any:
        return next((one for one in slack.messages if all(word in one.everything for word in words)), None)

    return wait_until(told, PATIENCE, f"Slack to be told {words}; it has {[one.text for one in slack.messages]}")


def test_a_missed_ping_reaches_slack_and_so_does_its_end(
    begin: Callable[[], Installation], slack_server: SlackServer
) -> None:
    running = begin()
    ping(running.port, "/start")
    assert ping(running.port, "/0", "dumped 14 GB") == "OK"
    wait_until(lambda: running.stream.of("check.updated", status="ok"), PATIENCE, "the job to be seen")
    message = wait_told(slack_server, "Critical: Heartbeat missed: backup")
    assert "last ping: success at" in message.everything and "dumped 14 GB" in message.everything
    [alert] = running.stream.of("alert_triggered")
    assert (alert["fingerprint"], alert["severity"]) == ("heartbeat_missed:backup:status", "critical")
    ping(running.port)
    wait_told(slack_server, "Resolved: Heartbeat missed: backup")
    wait_until(lambda: running.stream.of("alert_resolved"), PATIENCE, "its end on the stream")
    assert slack_server.refusals == []
    assert KEY not in running.process.stderr + running.process.stdout


def test_a_failure_is_told_at_once(begin: Callable[[], Installation], slack_server: SlackServer) -> None:
    running = begin()
    ping(running.port, "/3", "no space left on device")
    wait_told(slack_server, "Critical: Heartbeat missed: backup", "exit status 3", "no space left on device")


def observed(start: Start, environ: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """What `vedette check run heartbeat/backup` says, and its exit code."""
    asked = start("check", "run", "heartbeat/backup", "--no-notify", "--json", env=environ)
    code = asked.wait(20)
    return code, json.loads(asked.stdout)


def web_alone(start: Start, folder: Path, environ: dict[str, str]) -> tuple[Process, int]:
    (folder / "vedette.toml").write_text(CONFIG.replace('"4s"', '"1h"'))
    port = free_port()
    process = start("web", env={**environ, "PORT": str(port)})
    process.wait_ready(f"http://127.0.0.1:{port}/health")
    return process, port


def test_pings_are_taken_without_a_scheduler_and_the_command_judges_them(
    start: Start, tmp_path: Path, environ: dict[str, str]
) -> None:
    whole = environ | {"BACKUP_PING_KEY": KEY}
    _, port = web_alone(start, tmp_path, whole)
    ping(port, "/0", "well")
    code, seen = observed(start, whole)
    assert (code, seen["status"], seen["subject"]) == (0, "ok", "heartbeat/backup")
    ping(port, "/fail")
    code, seen = observed(start, whole)
    assert (code, seen["status"]) == (2, "critical")


def test_pings_are_quick_and_many_at_once_are_all_taken(start: Start, tmp_path: Path, environ: dict[str, str]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    _, port = web_alone(start, tmp_path, environ | {"BACKUP_PING_KEY": KEY})
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: ping(port, f"/{number % 2}", f"run {number}"), range(200)))
    assert answers == ["OK"] * 200
    assert time.monotonic() - began < 20
