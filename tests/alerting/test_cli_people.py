"""The commands about people, tokens, locks, alerts and events, as a person types them."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from alerting import settings
from alerting.cli import vedette
from alerting.lifecycle import Alert
from alerting.store import accounts, alerts, database, events, locks, tokens
from alerting.store.database import reading, transaction
from alerting.store.events import NewEvent
from tests.waiting import wait_until

NOW = 1_800_000_000.0
CONFIG = '[checks.website]\nkind = "http"\nconfig = { url = "http://127.0.0.1:9/" }\n'

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Type a command; the database is a new file."""
    (tmp_path / "vedette.toml").write_text(CONFIG)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'vedette.db'}")
    monkeypatch.setenv("VEDETTE_CONFIG", str(tmp_path / "vedette.toml"))
    monkeypatch.setenv("BASE_URL", "https://watch.example.com")
    settings.current.cache_clear()

    def typed(*arguments: str, stdin: str = "") -> Result:
        result = CliRunner().invoke(vedette, list(arguments), input=stdin)
        database.open_database(settings.current().database_url)
        return result

    typed("user", "list")
    yield typed
    database.close_database()
    settings.current.cache_clear()


def raise_alert(title: str = "HTTP down: website") -> int:
    made = Alert(
        f"f{title}",
        "default",
        "http_down",
        "check/website",
        "status",
        "r",
        "critical",
        title,
        "HTTP 500",
        NOW,
        NOW,
        NOW,
    )
    with transaction():
        return alerts.save(made).id


@contextlib.contextmanager
def ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """A process that ends with the test."""
    try:
        yield
    finally:
        process.kill()
        process.wait()


def output(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_user_is_added_with_a_password(run: Run) -> None:
    added = run("user", "add", "Alice@example.com", "--organization", "acme", "--role", "owner", "--password-stdin",
                stdin="correct horse\n")  # fmt: skip
    assert (added.exit_code, added.stdout) == (0, "")
    with reading():
        alice = accounts.by_email("alice@example.com")
        assert alice is not None
        assert alice.roles == {"acme": "owner"}
        assert accounts.verifies(accounts.password_hash(alice), "correct horse")


def test_a_user_without_a_password_gets_a_link(run: Run) -> None:
    added = output(run("user", "add", "bob@example.com", "--organization", "acme", "--json"))
    assert added["organizations"] == {"acme": "member"}
    address, _, link = added["sign_in_link"].rpartition("/")
    assert address == "https://watch.example.com/sign-in"
    with reading():
        spent = tokens.spend("link", link, 0)
        assert spent is not None
        assert spent.user == added["id"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "add", "no address"),
        ("user", "add", "a@example.com", "--role", "owner"),
        ("user", "add", "a@example.com", "--organization", "acme", "--role", "king"),
        ("user", "add", "a@example.com", "--password-stdin"),
        ("user", "add"),
        ("token", "create", "--scope", "locks.write"),
        ("token", "create", "--organization", "acme"),
        ("token", "create", "--organization", "acme", "--user", "a@example.com", "--scope", "locks.write"),
        ("token", "create", "--organization", "acme", "--scope", "fly"),
        ("token", "create", "--organization", "acme", "--scope", "locks.write", "--ttl", "soon"),
        ("lock", "release", "--app", "crm"),
        ("alerts", "show", "x"),
        ("alerts", "list", "--status", "fine"),
        ("events", "tail", "--after", "-1"),
    ],
)
def test_nonsense_is_exit_2_and_changes_nothing(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
    with reading():
        assert accounts.everybody() == []
        assert tokens.api_tokens() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "disable", "nobody@example.com"),
        ("token", "revoke", "x"),
        ("token", "create", "--user", "nobody@example.com", "--scope", "locks.write"),
        ("lock", "release", "--app", "a", "--screen", "s", "--key", "K=1"),
        ("alerts", "show", "4"),
        ("alerts", "ack", "4"),
        ("alerts", "resolve", "4"),
    ],
)
def test_what_is_not_there_is_exit_1(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("vedette: ")
    assert result.stderr.count("\n") == 1


def test_a_user_is_disabled_and_let_in_again(run: Run) -> None:
    run("user", "add", "alice@example.com", "--superuser")
    assert run("user", "disable", "alice@example.com").exit_code == 0
    (alice,) = output(run("user", "list", "--json"))
    assert (alice["is_superuser"], alice["is_active"]) == (True, False)
    run("user", "add", "alice@example.com")
    assert "alice@example.com  yes           yes" in run("user", "list").stdout


def test_a_token_is_printed_once_and_works_until_revoked(run: Run) -> None:
    run("user", "add", "alice@example.com")
    made = output(
        run("token", "create", "--user", "alice@example.com", "--scope", "monitoring:view", "--ttl", "90d", "--json")
    )
    plain = run("token", "create", "--organization", "acme", "--scope", "locks.write", "--name", "crm").stdout.strip()
    with reading():
        found = tokens.find("api", made["token"], 0)
        assert found is not None
        assert found.scopes == ["org.monitoring.view"]
        assert found.expires_at == pytest.approx(found.created_at + 90 * 86400)
        assert tokens.find("api", plain, 0) is not None
    listed = run("token", "list", "--json")
    assert [one["name"] for one in output(listed)] == ["", "crm"]
    assert output(listed)[0]["user"] == "alice@example.com"
    assert plain not in listed.stdout + run("token", "list").stdout
    assert run("token", "revoke", made["id"]).exit_code == 0
    with reading():
        assert tokens.find("api", made["token"], 0) is None


def test_a_lock_is_shown_and_released(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    with reading():
        for organization in ("acme", "globex"):
            locks.acquire(organization, "crm", "customers", "CUSTOMER_ID=14", "dora", time.time())
    assert [lock["holder"] for lock in output(run("lock", "list", "--json"))] == ["dora", "dora"]
    release = ("lock", "release", "--app", "crm", "--screen", "customers", "--key", "CUSTOMER_ID=14")
    unclear = run(*release)
    assert (unclear.exit_code, "acme, globex" in unclear.stderr) == (2, True)
    assert run(*release, "--organization", "acme").exit_code == 0
    assert run(*release).exit_code == 0
    assert "no locks are held" in run("lock", "list").stderr
    with reading():
        assert [event.type for event in events.after(0)][2:] == ["lock.released", "lock.released"]


def test_alerts_are_listed_acknowledged_and_resolved(run: Run) -> None:
    alert_id = str(raise_alert())
    assert "HTTP down: website" in run("alerts", "list").stdout
    assert output(run("alerts", "ack", alert_id, "--by", "dora", "--json"))["acknowledged_by"] == "dora"
    assert [one["status"] for one in output(run("alerts", "list", "--json"))] == ["acknowledged"]
    assert output(run("alerts", "resolve", alert_id, "--json"))["status"] == "resolved"
    assert output(run("alerts", "list", "--json")) == []
    assert [one["status"] for one in output(run("alerts", "list", "--all", "--json"))] == ["resolved"]
    assert run("alerts", "ack", alert_id).exit_code == 1
    assert output(run("alerts", "show", alert_id, "--json"))["severity"] == "critical"


def test_a_table_cannot_be_used_to_move_the_cursor(run: Run) -> None:
    raise_alert("red \x1b[31m alert\a\r\n")
    assert not {"\x1b", "\a", "\r"} & set(run("alerts", "list").stdout)


def test_the_log_is_read_from_an_id_on(run: Run) -> None:
    with transaction():
        made = events.append(
            [NewEvent(f"replica.x{n}", {"n": n}, "acme") for n in range(12)] + [NewEvent("other", {})], NOW
        )
    seen = run("events", "tail", "--no-follow", "--after", str(made[8]), "--type", "replica.*", "--json").stdout
    assert [json.loads(line)["id"] for line in seen.splitlines()] == made[9:12]
    assert len(run("events", "tail", "--no-follow").stdout.splitlines()) == 10


def test_the_log_is_followed_as_it_grows(run: Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "alerting.cli", "events", "tail", "--after", "0", "--json"]
    seen = tmp_path / "seen"
    with seen.open("w") as output, ended(subprocess.Popen(command, stdout=output)):
        for n in range(3):
            with transaction():
                events.append([NewEvent("x", {"n": n}, "acme")], NOW)
            wait_until(lambda: seen.read_text().count("\n") > n, 20, f"event {n}")  # noqa: B023
    assert [json.loads(line)["data"]["n"] for line in seen.read_text().splitlines()] == [0, 1, 2]
