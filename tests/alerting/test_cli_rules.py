"""`vedette rules` as a person types it."""

import json
import time
from pathlib import Path

import pytest

from alerting.config import Watch
from alerting.store import history, rules
from alerting.store.database import transaction
from probes import Observation
from tests.alerting.test_cli_people import Run, output, run

__all__ = ["run"]

FILE = """
[servers.prod-1]
local = true
[[rules]]
name = "Warm CPU"
alert_type = "cpu_high"
severity = "warning"
metric_name = "cpu_percent"
threshold = 60
duration_seconds = 0
"""
HOT = FILE[FILE.index("name = ") :].replace("60", "90")


@pytest.fixture
def watched(run: Run, tmp_path: Path) -> Run:
    """The same with a server, a rule, and five looks at its CPU a minute apart."""
    path = tmp_path / "vedette.toml"
    path.write_text(path.read_text() + FILE)
    run("rules", "list")  # makes the tables
    watch, now = Watch("server/prod-1", "local", "default", 60.0, {}), time.time()
    with transaction():
        history.open_series([watch])
        for number, percent in enumerate((10.0, 70.0, 95.0, 20.0, 20.0)):
            one = Observation("ok", {"cpu_percent": percent}, "", {}, watch.subject, now - 300 + 60 * number)
            history.append([history.row(watch, one, json.dumps(dict(one.values)))])
    return run


def test_rules_are_listed_with_what_manages_them(watched: Run) -> None:
    with transaction():
        item = {"name": "Ours", "alert_type": "custom", "severity": "info", "metric_name": "m", "threshold": 1}
        made = rules.add("default", item, "alice", time.time())
    found = {one["id"]: one for one in output(watched("rules", "list", "--json"))}
    assert found["config:Warm CPU:warning"]["threshold"] == 60
    assert (found[made.id]["managed_by"], found["default:High CPU:warning"]["managed_by"]) == ("api", "default")
    assert "cpu_percent > 80 for 10 minutes" in watched("rules", "list").stdout


def test_a_rule_is_put_to_what_was_seen(watched: Run) -> None:
    found = output(watched("rules", "backtest", "Warm CPU", "--since", "1h", "--json"))
    assert (found["fires"], found["messages"], found["firing_seconds"]) == (1, 2, pytest.approx(120, abs=0.01))
    told = watched("rules", "backtest", "config:Warm CPU:warning")
    assert told.exit_code == 0
    assert "server/prod-1" in told.stdout and "2 minutes" in told.stdout
    assert "would have fired 1 time, for 2 minutes, 2 messages to each receiver" in told.stdout
    assert "would not have fired" in watched("rules", "backtest", "default:High CPU:warning").stdout


@pytest.mark.parametrize("as_json", [False, True])
def test_a_rule_that_is_not_made_yet(watched: Run, tmp_path: Path, as_json: bool) -> None:
    path = tmp_path / ("rule.json" if as_json else "rule.toml")
    item = {
        "name": "Hot",
        "alert_type": "cpu_high",
        "severity": "warning",
        "metric_name": "cpu_percent",
    }
    path.write_text(json.dumps({**item, "threshold": 90, "duration_seconds": "0s"}) if as_json else HOT)
    found = output(watched("rules", "backtest", "--file", str(path), "--json"))
    assert (found["fires"], found["subjects"][0]["fires"][0]["value"]) == (1, 95)


def test_what_is_not_kept_and_what_only_hours_are_kept_of_is_said(watched: Run) -> None:
    told = watched("rules", "backtest", "default:High Memory:warning", "--since", "30d")
    assert "nothing is kept of memory_percent of server/prod-1" in told.stderr
    assert "only hours are kept" in told.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a rule, or give one by --file"),
        (["Warm CPU", "--file", "x"], "name a rule, or give one by --file"),
        (["Gone"], "there is no rule 'Gone'"),
        (["Replica Lag"], "say which: default:Replica Lag:warning, default:Replica Lag:critical"),
        (["Warm CPU", "--since", "yesterday"], "--since: expected a duration"),
        (["Warm CPU", "--since", "0d"], "--since: expected a duration"),
        (["Warm CPU", "--since", "400d"], "of at most 397d"),
        (["--file", "gone.toml"], "gone.toml: cannot be read"),
    ],
)
def test_what_cannot_be_tried(watched: Run, words: list[str], message: str) -> None:
    told = watched("rules", "backtest", *words)
    assert (told.exit_code, told.stdout) == (2, "")
    assert message in told.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HOT.replace("threshold = 90", "threshold = 90\nof = 3\nfailures = 4"), "of: expected at least as many"),
        (HOT.replace("threshold", "treshold"), "treshold"),
        (HOT + "notify_channels = ['gone']", "notify_channels.0: not found"),
        (HOT + "organization = 'other'", "organization: expected one of default"),
        ("[[rules]]\n[[rules]]\n", "expected one rule, found 2"),
        ("a = ", "neither TOML nor JSON"),
        ("{", "neither TOML nor JSON"),
    ],
)
def test_a_file_that_holds_no_rule(watched: Run, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "rule.toml").write_text(text)
    told = watched("rules", "backtest", "--file", str(tmp_path / "rule.toml"))
    assert told.exit_code == 2
    assert message in told.stderr
