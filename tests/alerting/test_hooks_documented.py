"""The mappings that docs/hooks.md shows are taken as they stand, and read what those programs send."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from alerting import sources
from alerting.config import Config
from alerting.configuration.reader import read_bytes
from alerting.settings import load
from tests.alerting.test_source_alertmanager import FIRING, RESOLVED, payload

PAGE = Path(__file__).parents[2] / "docs/hooks.md"
KEYS = {f"{name}_HOOK_KEY": f"{name.lower()}-hook-key" for name in ("GRAFANA", "KUMA", "SENTRY")}
KUMA: dict[str, Any] = {
    "heartbeat": {"monitorID": 1, "status": 0, "time": "2027-01-15 08:00:00.123", "msg": "timeout of 48000ms exceeded"},
    "monitor": {"id": 1, "name": "website", "url": "https://acme.example/"},
    "msg": "[website] [Down] timeout of 48000ms exceeded",
}
SENTRY: dict[str, Any] = {
    "action": "created",
    "data": {
        "issue": {
            "id": "1170820242",
            "title": "ZeroDivisionError: division by zero",
            "culprit": "shop.views in total",
            "level": "error",
            "status": "unresolved",
            "firstSeen": "2027-01-15T07:00:00.000000Z",
            "web_url": "https://acme.sentry.example/issues/1170820242/",
            "project": {"id": "1", "slug": "shop"},
            "metadata": {"value": "division by zero"},
        }
    },
}


def documented() -> Config:
    blocks = re.findall(r"^(?:    .*\n|\n)+", PAGE.read_text("utf-8"), re.MULTILINE)
    tables = [text for block in blocks if 'source = "json"\n' in (text := textwrap.dedent(block))]
    assert len(tables) == len(KEYS)
    whole = '[organizations.acme]\nname = "Acme"\n' + "\n".join(tables)
    return read_bytes(whole.encode(), "hooks.md", load(KEYS))


def report(hook: str, document: Any) -> sources.Report:
    return sources.find("json").reports(document, documented().hook_of[hook])[0]


def test_grafana_by_a_mapping_and_by_alertmanagers_language() -> None:
    found, over = report("grafana", payload(FIRING)), report("grafana", payload(RESOLVED))
    assert (found.title, found.message, found.level) == ("HighLatency", "p99 of 2.3 s", 3)
    assert (over.id, over.level) == (found.id, 0)
    assert found.names == ("web-1:9100",) and found.labels["team"] == "shop"


def test_uptime_kuma() -> None:
    found = report("kuma", KUMA)
    assert (found.title, found.message, found.level) == ("website", "timeout of 48000ms exceeded", 3)
    assert found.at == pytest.approx(1_800_000_000.123) and found.url == "https://acme.example/"
    up = {**KUMA, "heartbeat": {**KUMA["heartbeat"], "status": 1}}
    assert (report("kuma", up).id, report("kuma", up).level) == (found.id, 0)
    with pytest.raises(sources.Unusable):
        report("kuma", {"heartbeat": None, "monitor": None, "msg": "Testing"})


def test_sentry() -> None:
    found = report("sentry", SENTRY)
    assert (found.title, found.message) == ("ZeroDivisionError: division by zero", "division by zero")
    assert (found.level, found.started_at) == (2, 1_800_000_000 - 3600)
    assert found.labels == {"project": "shop"}
    issue = {**SENTRY["data"]["issue"], "status": "resolved"}
    over = report("sentry", {"action": "resolved", "data": {"issue": issue}})
    assert (over.id, over.level) == (found.id, 0)
