"""A rule made by the API is in force in the scheduler within seconds, and what it said is over when it is deleted."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process import Start
from tests.servers.slack import SlackServer
from tests.spine.installation import WEBSITE, Installation, installed
from tests.waiting import wait_until

PATIENCE = 20.0
RULE = {
    "name": "All is well",
    "alert_type": "custom",
    "severity": "critical",
    "metric_name": "status",
    "operator": "<",
    "threshold": 1,
    "duration_seconds": 0,
    "subjects": ["check/website"],
    "notify_channels": ["ops"],
}


@pytest.fixture
def begin(start: Start, tmp_path: Path, environ: dict[str, str]) -> Iterator[Callable[[], Installation]]:
    """Starts an installation that watches the website."""
    yield from installed(start, tmp_path, environ, WEBSITE)


@pytest.fixture
def token(start: Start, environ: dict[str, str]) -> Callable[[], str]:
    """Makes a token that may make rules."""

    def make() -> str:
        made = start("token", "create", "--organization", "acme", "--scope", "org.monitoring.alerts.view",
                     "--scope", "org.monitoring.alerts.configure", "--json", env=environ)  # fmt: skip
        assert made.wait(20) == 0, made.stderr
        return str(json.loads(made.stdout)["token"])

    return make


def call(running: Installation, token: str, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    url = f"http://127.0.0.1:{running.port}/api/v1/monitoring/alerts/rules{path}"
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def test_a_rule_is_taken_without_a_restart_and_ends_with_its_alert(
    begin: Callable[[], Installation], token: Callable[[], str], slack_server: SlackServer
) -> None:
    running, secret = begin(), token()
    wait_until(lambda: running.stream.of("check.updated", status="ok"), PATIENCE, "the website to be seen")
    made = call(running, secret, "POST", "", RULE)
    [alert] = wait_until(lambda: running.stream.of("alert_triggered"), PATIENCE, "the rule to be asked")
    wait_until(lambda: slack_server.messages, PATIENCE, "its message")
    call(running, secret, "DELETE", f"/{made['id']}")
    wait_until(lambda: running.stream.of("alert_resolved", alert_id=alert["alert_id"]), PATIENCE, "its end")
    wait_until(lambda: len(slack_server.messages) == 2, PATIENCE, "the message of its end")
