"""Ports, names, certificates, queries, Redis and pings through real processes: seen, broken and told."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.postgres import PostgresPair
from tests.servers.process import Start
from tests.servers.redis import running_redis
from tests.servers.slack import SlackServer
from tests.servers.tls import authority, showing
from tests.spine.installation import Installation, installed
from tests.waiting import wait_until

KINDS = ("tcp", "dns", "certificate", "postgres", "redis", "ping")

CONFIG = """
[organizations.acme]
name = "Acme"

[pools.shop]
url = "{dsn}"

[channels.ops]
kind = "slack"
webhook_url = "${{SLACK_WEBHOOK_URL}}"

[checks.tcp]
kind = "tcp"
every = "1s"
config = {{ host = "127.0.0.1", port = {redis}, send = "PING\\r\\n", expect = "+PONG" }}

[checks.dns]
kind = "dns"
every = "1s"
config = {{ name = "www.example.test", server = "{dns}", expect = ["192.0.2.10"] }}

[checks.certificate]
kind = "certificate"
every = "1s"
config = {{ host = "127.0.0.1", port = {tls}, ca = '''{ca}''' }}

[checks.postgres]
kind = "postgres"
every = "1s"
config = {{ pool = "shop", query = "SELECT count(*) FROM pg_database", expect = {{ ">" = 1 }} }}

[checks.redis]
kind = "redis"
every = "1s"
config = {{ url = "redis://127.0.0.1:{redis}/0", info = {{ role = "master" }} }}

[checks.ping]
kind = "ping"
every = "1s"
config = {{ host = "127.0.0.1", count = 1 }}
"""


@dataclass
class Targets:
    """What is watched, and the file that says so."""

    config: str
    redis: ExitStack = field(default_factory=ExitStack)


@pytest.fixture
def targets(tmp_path: Path, postgres_pair: PostgresPair, dns_server: str) -> Iterator[Targets]:
    root = authority()
    with ExitStack() as others, ExitStack() as redis:
        tls = others.enter_context(showing(root.leaf(tmp_path / "pem")))
        port = redis.enter_context(running_redis(tmp_path))
        whole = CONFIG.format(dsn=postgres_pair.dsn, redis=port, dns=dns_server, tls=tls, ca=root.pem)
        yield Targets(whole, redis)


@pytest.fixture
def begin(
    start: Start, tmp_path: Path, environ: dict[str, str], targets: Targets
) -> Iterator[Callable[[], Installation]]:
    """Starts an installation that watches them."""
    yield from installed(start, tmp_path, environ, targets.config)


def test_a_run_by_cron_sees_them_all(start: Start, tmp_path: Path, environ: dict[str, str], targets: Targets) -> None:
    (tmp_path / "vedette.toml").write_text(targets.config)
    run = start("check", "run", "--all", "--no-notify", "--json", env=environ)
    run.wait(60)
    seen = {line["subject"]: line for line in map(json.loads, run.stdout.splitlines())}
    assert set(seen) == {f"check/{kind}" for kind in KINDS}, run.stderr
    for kind in KINDS:
        line = seen[f"check/{kind}"]
        assert line["status"] == "ok" or (kind == "ping" and "ping_group_range" in line["message"]), line
    assert seen["check/postgres"]["values"]["result"] > 1
    assert seen["check/certificate"]["values"]["certificate_days"] > 80


def test_the_scheduler_sees_them_all_and_tells_what_breaks(
    begin: Callable[[], Installation], targets: Targets, slack_server: SlackServer
) -> None:
    running = begin()
    for kind in set(KINDS) - {"ping"}:
        wait_until(
            lambda one=kind: running.stream.of("check.updated", check_id=one, status="ok"), 30, f"{kind} to be seen"
        )
    targets.redis.close()
    for kind in ("redis", "tcp"):
        told = wait_until(
            lambda one=kind: running.stream.of("alert_triggered", fingerprint=f"check_failed:{one}:status"), 30, kind
        )
        assert told[0]["severity"] == "critical"
    wait_until(lambda: any("connection refused by" in one.everything for one in slack_server.messages), 30, "Slack")
