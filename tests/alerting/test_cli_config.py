"""`vedette config check`, `show` and `encrypt`, as a person calls them."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from alerting import settings
from alerting.cli.config import config
from alerting.secrets import decrypt

Call = Callable[..., Result]

GOOD = """\
[checks.website]
kind = "http"
config = { url = "https://u:hunter2@a.example/" }

[[rules]]
name = "Busy"
alert_type = "cpu_high"
severity = "warning"
metric_name = "cpu_percent"
threshold = 70
"""


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.chdir(tmp_path)

    def run(*words: str, typed: str | None = None, **environ: str) -> Result:
        settings.current.cache_clear()
        try:
            return CliRunner().invoke(config, words, input=typed, env={"VEDETTE_CONFIG": None, **environ})
        finally:
            settings.current.cache_clear()

    return run


def test_a_good_file_is_one_line(call: Call) -> None:
    Path("good.toml").write_text(GOOD)
    result = call("check", "good.toml")
    assert result.exit_code == 0
    assert result.stdout == (
        "good.toml: 1 organization, 0 servers, 0 replicas, 1 check, 0 heartbeats,"
        " 0 pools, 0 channels, 1 rule, 0 routes\n"
    )


def test_every_fault_is_a_line_on_stderr(call: Call) -> None:
    Path("bad.toml").write_text("[serviec]\n[checks.a]\nkind = 'http'\n")
    result = call("check", "bad.toml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "bad.toml:1: serviec: unknown key; did you mean service?",
        "bad.toml:2: checks.a: config is missing",
    ]


def test_faults_as_json(call: Call) -> None:
    Path("bad.toml").write_text("[serviec]\n")
    result = call("check", "bad.toml", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {
        "file": "bad.toml",
        "ok": False,
        "faults": [
            {"path": "bad.toml", "line": 1, "where": "serviec", "message": "unknown key; did you mean service?"}
        ],
    }


def test_without_a_file_the_usual_one_is_checked(call: Call) -> None:
    assert call("check").stdout.startswith("vedette.example.toml: 1 organization, 1 server")
    Path("vedette.toml").write_text(GOOD)
    assert call("check").stdout.startswith("vedette.toml: ")
    assert call("check", VEDETTE_CONFIG="gone.toml").stderr == "gone.toml: cannot be read: No such file or directory\n"


def test_a_faulty_environment_is_one_line(call: Call) -> None:
    result = call("check", PORT="many")
    assert result.exit_code == 2
    assert result.stderr == "PORT: expected a whole number from 1 to 65535\n"


def test_what_is_shown_is_in_force_and_free_of_secrets(call: Call) -> None:
    Path("good.toml").write_text(GOOD)
    result = call("show", "good.toml", SLACK_WEBHOOK_URL="https://hooks.slack.com/services/hunter2")
    assert result.exit_code == 0
    assert "hunter2" not in result.output
    shown = tomllib.loads(result.stdout)
    assert shown["channels"] == {"slack": {"kind": "slack", "webhook_url": "${SLACK_WEBHOOK_URL}"}}
    assert shown["organizations"] == {"default": {"name": "default"}}
    assert [rule["managed_by"] for rule in shown["rules"]][:2] == ["config", "default"]
    as_json = json.loads(call("show", "good.toml", "--json").stdout)
    assert as_json["checks"] == shown["checks"]


def test_a_value_is_encrypted_from_standard_input(call: Call) -> None:
    result = call("encrypt", typed="hunter2\n", MASTER_KEY="key")
    assert result.exit_code == 0
    assert decrypt("key", result.stdout.strip()) == "hunter2"


def test_nothing_is_encrypted_without_a_key_or_a_value(call: Call) -> None:
    assert call("encrypt", typed="hunter2").exit_code == 2
    assert "MASTER_KEY" in call("encrypt", typed="hunter2").stderr
    assert call("encrypt", typed="", MASTER_KEY="key").exit_code == 2
