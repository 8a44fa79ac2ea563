"""Pictures of the page with a made-up team's servers: `python -m tests.web.screenshots DIRECTORY`."""

import sys
import tempfile
import time
from pathlib import Path

from alerting import heartbeats, pipeline
from alerting.config import Config
from alerting.configuration import reader
from alerting.settings import load
from alerting.store import accounts, database, settings_table, tokens
from probes import Observation
from probes._machinery.pings import Ping
from tests.web.browser import Browser
from tests.web.serving import Web

CONFIG = """
[service]
name = "Acme watch"
timezone = "Europe/Paris"
[organizations.acme]
name = "Acme"
[pools.shop]
url = "postgresql://monitor@127.0.0.1:9/shop"
[servers.prod-1]
netdata = { url = "http://127.0.0.1:9" }
[servers.prod-2]
netdata = { url = "http://127.0.0.1:9" }
[servers.backup]
netdata = { url = "http://127.0.0.1:9" }
[environments.shop-prod]
project = "shop"
server = "prod-1"
replica = { pool = "shop", application_name = "replica" }
[environments.shop-staging]
project = "shop"
server = "prod-2"
replica = { pool = "shop", application_name = "staging" }
[checks.website]
kind = "http"
every = "30s"
config = { url = "https://acme.example/health" }
[checks.shop]
kind = "http"
every = "30s"
config = { url = "https://shop.acme.example/" }
[checks.payments]
kind = "http"
every = "30s"
config = { url = "https://pay.acme.example/health" }
[checks.gateway]
kind = "http"
every = "30s"
config = { url = "https://api.acme.example/health" }
[checks.queue]
kind = "metrics"
config.url = "https://shop.acme.example/metrics"
config.values = { depth = "queue_depth" }
config.warning = { depth = { ">" = 100 } }
[checks.mail]
kind = "tcp"
config = { host = "mail.acme.example", port = 25 }
[heartbeats.nightly-backup]
key = "picture-backup-key"
cron = "0 3 * * *"
grace = "30m"
[heartbeats.invoices]
key = "picture-invoices-key"
period = "1h"
grace = "30m"
[heartbeats.monthly-report]
key = "picture-report-key"
cron = "@monthly"
[checks.intranet]
kind = "info"
every = "1m"
config = { url = "https://intra.acme.example/info" }
"""

GB = 1024**3

PICTURES = (
    ("monitoring", 1280, 900, False),
    ("monitoring-dark", 1280, 900, True),
    ("monitoring-phone", 390, 844, False),
    ("monitoring-phone-dark", 390, 844, True),
)
"""Name, width, height, and whether dark."""


def fill(directory: Path, now: float) -> None:
    """Observations of a morning in which a few things go wrong."""
    path = directory / "vedette.toml"
    path.write_text(CONFIG)
    config = reader.read(path, load({}))
    with database.transaction():
        settings_table.put(settings_table.SCHEDULER, {"at": now, "started_at": now - 90_000, "host": "watch", "pid": 7})
    pipeline.ingest(config, [_check("shop", "critical", "HTTP 502, expected 200", now - 9000)], now - 9000)
    pipeline.ingest(config, [_check("shop", "ok", "HTTP 200", now - 8000)], now - 8000)
    for at in (now - 700, now - 20):
        seen = [
            _check("website", "ok", "HTTP 200", at, 0.084),
            _check("shop", "ok", "HTTP 200", at, 0.212),
            _check("payments", "critical", "HTTP 500, expected 200", at + 10, 1.31),
            _check("gateway", "ok", "HTTP 200", at, 0.041),
            _check("queue", "warning", "depth is 140 (> 100)", at, 0.03),
            _check("mail", "ok", "connected in 0.012 s", at, 0.012),
            _server("prod-1", 97.2, 71.4, 63.0, at),
            _server("prod-2", 12.8, 44.1, 91.7, at + 1),
            _replica("shop-prod", "lagging", "warning", 73_400_320, 18.2, at),
            _replica("shop-staging", "online", "ok", 1024, 0.2, at),
        ]
        pipeline.ingest(config, seen, at + 11)
    pipeline.ingest(config, [_server("backup", 3.1, 22.0, 41.0, now - 1500)], now - 1500)
    _ping(config, "nightly-backup", Ping(now - 12_400, "start"))
    _ping(config, "nightly-backup", Ping(now - 11_890, "success", 0, "10.1.0.7", said="dumped 14 GB"))
    _ping(config, "invoices", Ping(now - 3900, "success", 0, "10.1.0.9"))
    heartbeats.adopt(config, now)
    pipeline.tick(config, now)


def _ping(config: Config, name: str, ping: Ping) -> None:
    heartbeats.receive(config, config.watch_of[f"heartbeat/{name}"], ping, ping.said, len(ping.said))


def _check(name: str, status: str, message: str, at: float, took: float = 0.1) -> Observation:
    return Observation(status, {"up": float(status == "ok")}, message, {}, f"check/{name}", at, took)  # type: ignore[arg-type]


def _server(name: str, cpu: float, memory: float, disk: float, at: float) -> Observation:
    values = {"cpu_percent": cpu, "memory_percent": memory, "disk_percent": disk}
    facts = {
        **values,
        "status": "critical" if cpu >= 95 or disk >= 90 else "healthy",
        "memory_used_bytes": memory / 100 * 32 * GB, "memory_total_bytes": 32 * GB,
        "disk_used_bytes": disk / 100 * 480 * GB, "disk_total_bytes": 480 * GB,
        "network_rx_rate": 1_843_200.0, "network_tx_rate": 421_000.0 if name != "backup" else None,
    }  # fmt: skip
    return Observation(
        "ok", values, f"CPU {cpu} %, memory {memory} %, disk {disk} %", facts, f"server/{name}", at, 0.06
    )


def _replica(name: str, status: str, judged: str, lag: float, seconds: float, at: float) -> Observation:
    message = "" if judged == "ok" else f"{lag / 2**20:.0f} MB and {seconds:.0f} s behind"
    facts = {"status": status, "lag_bytes": lag, "lag_seconds": seconds, "error_message": message or None}
    values = {"lag_bytes": lag, "lag_seconds": seconds}
    return Observation(judged, values, message, facts, f"environment/{name}", at, 0.02)  # type: ignore[arg-type]


def link(now: float) -> str:
    """The path of a one-time link that signs a superuser in."""
    person = accounts.put("alice@acme.example", now, is_superuser=True)
    return f"/sign-in/{tokens.issue('link', now, user=person.id)[0]}"


def take(target: Path) -> None:
    """Write monitoring.png and its variants there."""
    target.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="vedette-pictures-"))
    url = f"sqlite:///{directory / 'vedette.db'}"
    database.open_database(url)
    database.migrate()
    fill(directory, time.time())
    with Web(directory, url) as web:
        for name, width, height, dark in PICTURES:
            with Browser(width, height, dark) as browser:
                browser.open(f"http://127.0.0.1:{web.port}/sign-in")
                browser.whole(target / f"{name}-door.png")
                browser.open(f"http://127.0.0.1:{web.port}{link(time.time())}")
                browser.wait_for("#link[data-state=live]")
                browser.whole(target / f"{name}.png")
                browser.open(f"http://127.0.0.1:{web.port}/alerts/{browser.attribute('.alert', 'id').split('-')[1]}")
                browser.wait_for("#link[data-state=live]")
                browser.whole(target / f"{name}-alert.png")
    database.close_database()


if __name__ == "__main__":
    take(Path(sys.argv[1]))
