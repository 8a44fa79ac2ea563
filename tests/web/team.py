"""Alice, who owns acme; Bob, who may only look there; Charlie, of globex, who must see nothing; Root, who sees all."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alerting.config import Channel, Config, NetdataParent, Organization, Pool, Rule, Watch
from alerting.settings import Settings
from alerting.store import accounts, database, tokens
from web.app import create_app

NOW = 1_800_000_000.0
PASSWORD = "correct horse battery staple"

CONFIG = Config(
    source="vedette.toml",
    digest="0123456789abcdef0123456789abcdef",
    organizations=(Organization("acme", "Acme"), Organization("globex", "Globex")),
    pools=(Pool("shop", "acme", "postgresql://u:PLANTED-pool@db/shop"),),
    netdata=(NetdataParent("main", "http://u:PLANTED-parent@netdata:19999", api_key="PLANTED-key"),),
    watches=(
        Watch(
            "server/prod-1", "netdata", "acme", 60.0, {"url": "http://x", "api_key": "PLANTED-server"}, server="prod-1"
        ),
        Watch("server/other", "local", "globex", 60.0, {}, server="other"),
        Watch("environment/shop", "replica", "acme", 120.0, {"dsn": "PLANTED-dsn"}, project="shop", environment="shop"),
        Watch(
            "check/website", "http", "acme", 30.0, {"url": "http://a", "headers": {"Authorization": "PLANTED-header"}}
        ),
        Watch("check/theirs", "http", "globex", 30.0, {"url": "http://b"}),
    ),
    rules=(
        Rule("High CPU", "cpu_high", "warning", "cpu_percent", ">", 80, managed_by="default"),
        Rule("Slow", "http_down", "critical", "status", ">=", 2, organization="acme"),
        Rule("Theirs", "http_down", "critical", "status", ">=", 2, organization="globex"),
    ),
    channels=(
        Channel("ops", "slack", "acme", {"webhook_url": "https://hooks.slack.com/services/PLANTED-hook"}),
        Channel("mail", "email", "acme", {"to": ["PLANTED-address@acme.example"]}),
    ),
    document={"pools": {"shop": {"url": "PLANTED-document"}}},
)


class FixedWatcher:
    """A configuration that changes only when a test says so."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.rejected: Exception | None = None

    def refresh(self) -> str:
        return "same"


class Team:
    """The application and its people, on a clock of its own."""

    def __init__(self, app: Flask, watcher: FixedWatcher) -> None:
        self.app, self.watcher, self.now = app, watcher, NOW
        app.extensions["vedette"].clock = lambda: self.now
        self.people = {
            "alice": self._person("alice", acme="owner"),
            "bob": self._person("bob", acme="viewer"),
            "charlie": self._person("charlie", globex="owner"),
            "root": accounts.put("root@example.com", NOW, is_superuser=True),
        }

    def token(self, name: str, *scopes: str) -> str:
        """An API token of that person with these scopes, or all."""
        scopes = scopes or tuple(accounts.PERMISSIONS)
        return tokens.issue("api", self.now, user=self.people[name].id, scopes=list(scopes))[0]

    def client(self, name: str | None = None, *scopes: str) -> "Api":
        """An API client of that person; of nobody without one."""
        return Api(self.app.test_client(), None if name is None else self.token(name, *scopes))

    def page(self) -> FlaskClient:
        """A browser, more or less: it keeps cookies."""
        return self.app.test_client()

    def _person(self, name: str, **roles: str) -> accounts.Person:
        person = accounts.put(f"{name}@example.com", NOW)
        for organization, role in roles.items():
            accounts.join(person, organization, role)
        found = accounts.get(person.id)
        assert found is not None
        return found


class Api:
    """Requests to /api/v1 with somebody's token."""

    def __init__(self, client: FlaskClient, token: str | None) -> None:
        self._client = client
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, json: Any = None, headers: Mapping[str, str] = {}, **named: Any) -> Any:
        return self._client.open(
            f"/api/v1{path}", method=method, json=json, headers={**self.headers, **headers}, **named
        )

    def get(self, path: str, **named: Any) -> Any:
        return self("GET", path, **named)

    def post(self, path: str, json: Any = None, **named: Any) -> Any:
        return self("POST", path, json=json, **named)

    def delete(self, path: str, json: Any = None, **named: Any) -> Any:
        return self("DELETE", path, json=json, **named)


@pytest.fixture
def team(store: str) -> Iterator[Team]:
    """The team on each of the two databases."""
    yield from _team(store)


@pytest.fixture
def small_team(tmp_path: Path) -> Iterator[Team]:
    """The same on SQLite alone, for what the database has no part in."""
    url = f"sqlite:///{tmp_path / 'vedette.db'}"
    database.open_database(url)
    database.migrate()
    try:
        yield from _team(url)
    finally:
        database.close_database()


def _team(url: str) -> Iterator[Team]:
    database.close_database()  # the application opens it anew
    watcher = FixedWatcher(CONFIG)
    settings = Settings(database_url=url, secret_key="s" * 40, base_url="http://localhost")
    app = create_app(settings, watcher)
    with database.reading():
        team = Team(app, watcher)
    yield team
    database.close_database()
