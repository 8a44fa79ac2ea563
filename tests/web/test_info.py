"""/info: exactly the shape it promises, and nothing secret wherever a secret may be configured."""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

import schemas
from alerting.settings import Settings, load
from alerting.store import accounts, database, locks
from alerting.store.database import reading
from tests.databases import database_url, store
from tests.web.team import CONFIG, NOW, FixedWatcher, Team, small_team, team
from web.app import create_app

__all__ = ["database_url", "small_team", "store", "team"]


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema of an object within a schema."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def test_the_schema_is_exhaustive() -> None:
    found = list(objects(schemas.load("info")))
    assert len(found) > 10
    assert all(one["additionalProperties"] is False and set(one["required"]) <= set(one["properties"]) for one in found)


def test_the_answer_is_as_promised(team: Team) -> None:
    answer = team.page().get("/info")
    assert answer.mimetype == "application/json"
    assert schemas.faults("info", answer.json) == []
    assert answer.json["connectors"] == ["mail", "main", "ops"]
    assert answer.json["connectors_loaded"] == 3
    assert answer.json["pools"] == ["default", "shop"]
    assert Path(answer.json["frontend"]).name == "static"
    own = answer.json["vedette"]
    assert (own["servers"], own["environments"], own["checks"], own["rules"]) == (2, 1, 2, 3)
    assert team.app.extensions["vedette"].settings.database_url.startswith(own["database"])


def test_a_channel_that_cannot_be_loaded_is_missing(small_team: Team) -> None:
    odd = replace(CONFIG.channels[0], name="pager", kind="pager")
    small_team.watcher.config = replace(CONFIG, channels=(*CONFIG.channels, odd))
    assert small_team.page().get("/info").json["connectors"] == ["mail", "main", "ops"]


def test_screens_are_those_that_held_locks(team: Team) -> None:
    for app, screen in (("shop", "orders"), ("crm", "customers"), ("crm", "contacts")):
        with reading():
            lock, _ = locks.acquire("acme", app, screen, "ID=1", "alice", NOW)
            locks.release(lock.id, "alice", NOW)
    told = team.page().get("/info").json
    assert told["menus"] == {"apps": ["crm", "shop"]}
    assert told["screens"] == {"apps": ["crm", "shop"], "total": 3}


SECRET_URLS = {
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/PLANTED",
    "SLACK_API_URL": "https://PLANTED.example",
    "SMTP_URL": "smtp://PLANTED:PLANTED@mail.example:587",
    "MAIL_FROM": "planted@PLANTED.example",
    "POSTMARK_API_URL": "https://PLANTED.example",
    "NETDATA_PARENT_URL": "https://u:PLANTED@netdata.example",
    "NETDATA_PARENT_PUBLIC_URL": "https://PLANTED.example",
    "REDIS_URL": "redis://:PLANTED@redis.example",
    "BASE_URL": "https://PLANTED.example",
    "METRICS_NAMESPACE": "PLANTED",
}
SECRETS = ("SECRET_KEY", "MASTER_KEY", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "POSTMARK_SERVER_TOKEN",
           "NETDATA_PARENT_API_KEY", "METRICS_TOKEN")  # fmt: skip
FILE = """
[service]
name = "PLANTED service"
heartbeat_url = "https://hc-ping.com/PLANTED"
[organizations.PLANTED-org]
name = "PLANTED"
[pools.shop]
url = "postgresql://PLANTED:PLANTED@PLANTED/db?password=PLANTED"
[netdata.main]
url = "https://PLANTED:PLANTED@netdata.example"
public_url = "https://PLANTED.example"
api_key = "PLANTED"
[servers.prod-1]
netdata = { parent = "main", machine_guid = "5f0c0000-0000-4000-8000-000000000000" }
[environments.shop-prod]
project = "PLANTED"
replica = { dsn = "postgresql://PLANTED:PLANTED@PLANTED/db", application_name = "PLANTED" }
[checks.website]
kind = "http"
config = { url = "https://PLANTED.example/?key=PLANTED", headers = { "X-Key" = "PLANTED" }, body = "PLANTED" }
[channels.ops]
kind = "slack"
webhook_url = "https://hooks.slack.com/services/PLANTED"
[channels.mail]
kind = "email"
to = ["PLANTED@acme.example"]
[hooks.alarms]
source = "alertmanager"
key = "PLANTED-PLANTED"
"""


def everywhere(tmp_path: Path) -> Settings:
    """Settings and a file with a secret in every place that takes a text."""
    (tmp_path / "vedette.toml").write_text(FILE)
    planted = {**SECRET_URLS, **dict.fromkeys(SECRETS, "PLANTED" * 6)}
    url = f"sqlite:///{tmp_path / 'vedette.db'}"
    return load({**planted, "VEDETTE_CONFIG": str(tmp_path / "vedette.toml"), "DATABASE_URL": url})


def test_no_planted_secret_comes_out(tmp_path: Path) -> None:
    settings = everywhere(tmp_path)
    given = {field.name for field in fields(settings) if "PLANTED" in str(getattr(settings, field.name))}
    assert given >= {name.lower() for name in (*SECRETS, *SECRET_URLS)}
    database.open_database(settings.database_url)
    database.migrate()
    with reading():
        accounts.put("planted@planted.example", NOW, password="PLANTED")
    database.close_database()
    page = create_app(settings).test_client()
    try:
        for path in ("/info", "/ready", "/health", "/nothing"):
            text = page.get(path).text
            assert "planted" not in text.lower(), path
        told = page.get("/info").json
        assert schemas.faults("info", told) == []
        assert told["connectors"] == ["alarms", "default", "mail", "main", "ops"]
        assert told["crypto"] == {"configured": True}
    finally:
        database.close_database()


def test_a_faulty_file_at_the_start_is_served_around(tmp_path: Path) -> None:
    settings = everywhere(tmp_path)
    (tmp_path / "vedette.toml").write_text("[checks.website]\nkind = 7\n")
    app = create_app(settings)
    try:
        database.migrate()
        told = app.test_client().get("/info").json
        assert told["vedette"]["configuration"] == {"digest": "", "refused": True}
        assert app.test_client().get("/ready").json["checks"]["configuration"]["status"] == "warn"
        (tmp_path / "vedette.toml").write_text(FILE)
        assert app.extensions["vedette"].watcher.refresh() == "reloaded"
        assert app.test_client().get("/info").json["vedette"]["checks"] == 1
    finally:
        database.close_database()


def test_a_new_configuration_is_taken_without_a_restart(small_team: Team) -> None:
    small_team.watcher = FixedWatcher(CONFIG)
    looked: list[int] = []
    state = small_team.app.extensions["vedette"]
    state.watcher.refresh = lambda: looked.append(1) or "same"
    state._looked_at -= 3
    for _ in range(5):
        small_team.page().get("/info")
    assert looked == [1]


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_it_needs_no_sign_in(small_team: Team, method: str) -> None:
    assert small_team.page().open("/info", method=method).status_code == 200
