"""The environment: defaults, every kind of nonsense, secrets from files, and nothing secret shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import settings
from alerting.settings import SettingsError, load

SECRETS = (
    "SECRET_KEY",
    "MASTER_KEY",
    "SLACK_BOT_TOKEN",
    "SLACK_SIGNING_SECRET",
    "POSTMARK_SERVER_TOKEN",
    "NETDATA_PARENT_API_KEY",
    "METRICS_TOKEN",
)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_empty_environment_gives_the_defaults() -> None:
    found = load({})
    assert found.database_url == "sqlite:///vedette.db"
    assert (found.port, found.web_concurrency, found.stream_limit) == (8000, 1, 10_000)
    assert found.base_url == "http://localhost:8000"
    assert (found.enable_metrics, found.metrics_namespace, found.log_level) == (True, "vedette", "INFO")
    assert found.config_path is found.redis_url is found.master_key is None


def test_empty_variables_count_as_unset() -> None:
    assert load({"PORT": "", "REDIS_URL": "", "MASTER_KEY": ""}) == load({})


def test_logs_are_json_unless_a_person_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert load({}).log_format == "text"
    assert load({"LOG_FORMAT": "JSON"}).log_format == "json"
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    assert load({}).log_format == "json"


def test_vedette_toml_is_taken_where_it_exists(tmp_path: Path) -> None:
    (tmp_path / "vedette.toml").write_text("")
    assert load({}).config_path.name == "vedette.toml"
    assert load({"VEDETTE_CONFIG": "other.toml"}).config_path.name == "other.toml"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///vedette.db",
        "sqlite:////var/lib/vedette.db",
        "postgres://u:p@h/db",
        "postgresql://h:5432/db?sslmode=require",
        "postgresql:///db?host=/run/postgresql",
    ],
)
def test_database_urls(url: str) -> None:
    assert load({"DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("DATABASE_URL", "sqlite://vedette.db", "sqlite:///relative/path"),
        ("DATABASE_URL", "sqlite:///", "sqlite:///relative/path"),
        ("DATABASE_URL", "mysql://h/db", "postgresql://"),
        ("DATABASE_URL", "postgresql://h:port/db", "postgresql://"),
        ("DATABASE_URL", "postgresql://", "postgresql://"),
        ("REDIS_URL", "http://h", "redis://"),
        ("SMTP_URL", "mail.example", "smtp://"),
        ("MAIL_FROM", "nobody", "one email address"),
        ("MAIL_FROM", "a@b.example, c@d.example", "one email address"),
        ("SLACK_WEBHOOK_URL", "hooks.slack.example/x", "https://"),
        ("NETDATA_PARENT_URL", "ftp://h", "https://"),
        ("METRICS_TOKEN", "two\nlines", "one line"),
        ("ENABLE_METRICS", "maybe", "true or false"),
        ("METRICS_NAMESPACE", "9-lives", "letters"),
        ("LOG_LEVEL", "LOUD", "DEBUG, INFO"),
        ("LOG_FORMAT", "xml", "json, text"),
        ("BASE_URL", "watch.example.com", "https://watch.example.com"),
        ("BASE_URL", "https://user@watch.example.com", "without user"),
        ("PORT", "0", "from 1 to 65535"),
        ("PORT", "65536", "from 1 to 65535"),
        ("PORT", "eighty", "whole number"),
        ("WEB_CONCURRENCY", "-1", "from 1"),
        ("STREAM_LIMIT", "1e9", "whole number"),
        ("SECRET_KEY", "\udcff", "UTF-8"),
    ],
)
def test_nonsense_is_told_with_the_variable_and_what_was_expected(variable: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError) as told:
        load({variable: value})
    assert told.value.variable == variable
    assert str(told.value).startswith(f"{variable}: expected ")
    assert expected in told.value.expected


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_lie_in_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    found = load({f"{name}_FILE": str(tmp_path / "secret")})
    assert getattr(found, name.lower()) == "hunter2"
    assert found.lookup(name) == "hunter2"


def test_a_secret_is_given_once(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    with pytest.raises(SettingsError, match="either SECRET_KEY or SECRET_KEY_FILE, not both"):
        load({"SECRET_KEY": "x", "SECRET_KEY_FILE": str(tmp_path / "secret")})


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"x" * 70_000])
def test_an_unreadable_secret_file_names_its_variable(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(SettingsError, match="SECRET_KEY_FILE: expected the path of a readable text file"):
        load({"SECRET_KEY_FILE": str(tmp_path / "secret")})


def test_no_secret_is_ever_shown() -> None:
    urls = {
        "DATABASE_URL": "postgresql://u:hunter2@h/db",
        "REDIS_URL": "redis://:hunter2@h/0",
        "SMTP_URL": "smtp://u:hunter2@h",
        "SLACK_WEBHOOK_URL": "https://hooks.example/hunter2",
    }
    found = load({**dict.fromkeys(SECRETS, "hunter2"), **urls})
    assert found.secret_key == "hunter2"
    assert "hunter2" not in repr(found) + str(found)


@given(st.sampled_from(sorted(settings._CHECKS)), st.text(min_size=1))
def test_any_value_is_taken_or_told_apart_from_itself(variable: str, value: str) -> None:
    try:
        load({variable: value})
    except SettingsError as error:
        assert error.variable == variable
        assert value not in str(error) or len(value) < 20


def test_lookup_offers_the_address_and_the_port() -> None:
    found = load({"PORT": "9000", "HOME_TOWN": "Vevey", "EMPTY": ""})
    assert found.lookup("BASE_URL") == "http://localhost:9000"
    assert found.lookup("PORT") == "9000"
    assert found.lookup("HOME_TOWN") == "Vevey"
    assert found.lookup("EMPTY") == ""
    assert found.lookup("NOWHERE") is None


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.current.cache_clear()
    monkeypatch.setenv("PORT", "8123")
    assert settings.current().port == 8123
    monkeypatch.setenv("PORT", "8124")
    assert settings.current().port == 8123
    settings.current.cache_clear()


@pytest.mark.parametrize("query", ["starttls=required", "starttls=", "tls=1"])
def test_a_mail_server_is_never_talked_to_in_the_clear_by_a_slip_of_the_pen(query: str) -> None:
    with pytest.raises(SettingsError, match=r"SMTP_URL: expected .*starttls"):
        load({"SMTP_URL": f"smtp://host:587?{query}"})
