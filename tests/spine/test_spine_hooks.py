"""Other programs' alerts the whole way: a real Alertmanager and a real Netdata agent post, and Slack is told."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.needing import need
from tests.servers.alertmanager import Alertmanager
from tests.servers.netdata import NetdataAgent, netdata_root
from tests.servers.process import Start
from tests.servers.slack import SlackServer
from tests.spine.installation import Installation, installed
from tests.waiting import free_port, wait_until

PATIENCE = 60.0
DEPLOY = Path(__file__).parents[2] / "deploy"
KEYS = {"ALERTMANAGER_KEY": "spine-alertmanager-key", "NETDATA_KEY": "spine-netdata-key"}

CONFIG = """
[organizations.acme]
name = "Acme"

[servers.web-1]
local = true
every = "1h"

[hooks.main]
source = "alertmanager"
key = "${ALERTMANAGER_KEY}"

[hooks.agents]
source = "netdata"
key = "${NETDATA_KEY}"

[channels.ops]
kind = "slack"
webhook_url = "${SLACK_WEBHOOK_URL}"

[[routes]]
channels = ["ops"]
"""

# True in the first seconds of an agent's life, and then no more.
ALARM = """alarm: young_agent
on: netdata.uptime
lookup: max -1s unaligned of uptime
every: 1s
units: seconds
warn: $this < 20
info: the agent has "just" been started
to: sysadmin
"""


@pytest.fixture
def begin(start: Start, tmp_path: Path, environ: dict[str, str]) -> Iterator[Callable[[], Installation]]:
    """Starts an installation with hooks for both."""
    yield from installed(start, tmp_path, environ | KEYS, CONFIG)


def wait_told(slack: SlackServer, *words: str) -> Any:
    def told() -> Any:
        return next((one for one in slack.messages if all(word in one.everything for word in words)), None)

    return wait_until(told, PATIENCE, f"Slack to be told {words}; it has {[one.text for one in slack.messages]}")


def wait_event(running: Installation, kind: str, **wanted: Any) -> dict[str, Any]:
    found: list[dict[str, Any]] = wait_until(lambda: running.stream.of(kind, **wanted), PATIENCE, f"{kind}: {wanted}")
    return found[-1]


def test_an_alertmanagers_alert_is_told_and_so_is_its_end(
    begin: Callable[[], Installation], alertmanager: Callable[[str], Alertmanager], slack_server: SlackServer
) -> None:
    running = begin()
    address = f"http://127.0.0.1:{running.port}/hooks/alertmanager/{KEYS['ALERTMANAGER_KEY']}"
    shipped = (DEPLOY / "prometheus/alertmanager.yml").read_text()
    manager = alertmanager(
        shipped.replace("https://vedette.acme.example/hooks/alertmanager/YOUR-KEY", address)
        .replace("group_wait: 1s", "group_wait: 100ms")
        .replace("group_interval: 10s", "group_interval: 500ms")
        .replace("send_resolved: true", "send_resolved: true\n        max_alerts: 2")
    )
    labels = {"alertname": "HighLatency", "instance": "web-1:9100", "severity": "critical", "team": "shop"}
    manager.push(labels, annotations={"summary": "p99 of 2.3 s"}, generatorURL="http://prometheus.acme.example/graph")
    told = wait_told(slack_server, "Critical: HighLatency on web-1:9100")
    assert "p99 of 2.3 s" in told.everything
    raised = wait_event(running, "alert_triggered", title="HighLatency on web-1:9100")
    assert raised["alert_type"] == "custom" and raised["fingerprint"].startswith("custom:hook/main/HighLatency-")
    assert (raised["severity"], raised["server_id"]) == ("critical", "web-1")

    others = [{"labels": {**labels, "severity": "warning", "instance": f"web-{number}"}} for number in (2, 3, 4)]
    manager.push_raw(others)  # more in one group than it sends at once
    wait_told(slack_server, "Alertmanager left out alerts of the group")

    for one in (labels, *(other["labels"] for other in others)):
        manager.push(one, ends_at=time.time() - 1)
    wait_told(slack_server, "Resolved: HighLatency on web-1:9100")
    wait_event(running, "alert_resolved", fingerprint=raised["fingerprint"])
    refusals = [line for line in manager.log.read_text().splitlines() if "unexpected status code" in line]
    assert refusals == [] and slack_server.refusals == []
    assert KEYS["ALERTMANAGER_KEY"] not in running.process.stderr + running.process.stdout


def test_what_is_not_told_again_is_over_under_cron_too(start: Start, tmp_path: Path, environ: dict[str, str]) -> None:
    port, environ = free_port(), environ | KEYS
    (tmp_path / "vedette.toml").write_text(CONFIG.replace("[hooks.agents]", 'expire = "1s"\n[hooks.agents]', 1))
    web = start("web", env={**environ, "PORT": str(port)})
    web.wait_ready(f"http://127.0.0.1:{port}/health")
    address = f"http://127.0.0.1:{port}/hooks/alertmanager/{KEYS['ALERTMANAGER_KEY']}"
    sent = {"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "Lone"}}]}
    request = urllib.request.Request(address, json.dumps(sent).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as made:
        assert (made.status, json.load(made)["alerts"][0]["outcome"]) == (202, "raised")

    def is_over() -> bool:
        run = start("check", "run", "--all", "--no-notify", env=environ)
        run.wait(30)
        listed = start("alerts", "list", "--status", "resolved", "--json", env=environ)
        assert listed.wait(30) == 0, listed.stderr
        return "Lone" in listed.stdout

    wait_until(is_over, PATIENCE, "the alert to be over")


def notifier(running: Installation) -> str:
    """The file for Netdata's agents as we ship it, with the address of this hook."""
    address = f"http://127.0.0.1:{running.port}/hooks/netdata/{KEYS['NETDATA_KEY']}"
    shipped = (DEPLOY / "netdata/health_alarm_notify.conf").read_text()
    return shipped.replace("https://vedette.acme.example/hooks/netdata/YOUR-KEY", address)


@pytest.fixture
def agent() -> Iterator[NetdataAgent]:
    """An agent that is not started yet, with an alarm that comes and goes."""
    root = netdata_root()
    made = NetdataAgent(root, "web-1", alarms=ALARM)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(root, ignore_errors=True)


def test_a_netdata_agents_alarm_is_told_and_so_is_its_end(
    begin: Callable[[], Installation], agent: NetdataAgent, slack_server: SlackServer
) -> None:
    running = begin()
    (agent.home / "etc/health_alarm_notify.conf").write_text(notifier(running))
    agent.start()
    told = wait_told(slack_server, "Warning: young_agent on web-1")
    assert "the agent has just been started" in " ".join(told.everything.split())
    raised = wait_event(running, "alert_triggered", title="young_agent on web-1")
    assert raised["server_id"] == "web-1"
    wait_told(slack_server, "Resolved: young_agent on web-1")
    wait_event(running, "alert_resolved", fingerprint=raised["fingerprint"])


def test_netdatas_script_says_whether_it_was_taken(
    begin: Callable[[], Installation], tmp_path: Path, slack_server: SlackServer
) -> None:
    running = begin()
    folder = tmp_path / "netdata"
    folder.mkdir()
    (folder / "health_alarm_notify.conf").write_text(notifier(running))
    script = need("netdata-script")["alarm-notify.sh"]
    environ = {"PATH": os.environ["PATH"], "NETDATA_USER_CONFIG_DIR": str(folder), "NETDATA_CACHE_DIR": str(folder)}
    done = subprocess.run([script, "test"], env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [word for word in ("WARNING", "CRITICAL", "CLEAR") if f"told Vedette of {word}" in done.stderr] == [
        "WARNING", "CRITICAL", "CLEAR",
    ]  # fmt: skip
    wait_event(running, "alert_resolved")
    assert len(running.stream.of("alert_triggered", severity="critical")) == 1

    odd = notifier(running).replace(KEYS["NETDATA_KEY"], "some-other-key")
    (folder / "health_alarm_notify.conf").write_text(odd)
    refused = subprocess.run([script, "test"], env=environ, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1
    assert "Vedette did not take WARNING" in refused.stderr and "HTTP 404" in refused.stderr
