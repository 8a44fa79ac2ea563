"""The default rules: the contract's list, in the file's own syntax."""

import tomllib
from importlib.resources import files

import pytest

import probes
import schemas
from alerting.configuration.reader import read_bytes
from alerting.configuration.rules import default_rules, rule_of
from alerting.settings import load

EXPECTED = {
    ("High CPU", "cpu_high", "warning", "cpu_percent", ">", 80, 600, 3600, ("email",)),
    ("CPU Critical", "cpu_high", "critical", "cpu_percent", ">", 95, 300, 3600, ("email", "slack")),
    ("High Memory", "memory_high", "warning", "memory_percent", ">", 80, 300, 3600, ("email",)),
    ("Memory Critical", "memory_high", "critical", "memory_percent", ">", 95, 300, 3600, ("email", "slack")),
    ("High Disk", "disk_high", "warning", "disk_percent", ">", 80, 300, 1800, ("email",)),
    ("Disk Critical", "disk_high", "critical", "disk_percent", ">", 90, 300, 1800, ("email", "slack")),
    ("Disk Space Critical", "disk_high", "critical", "disk_percent", ">", 95, 60, 1800, ("email", "slack")),
    ("Replica Lag", "replica_lag", "warning", "status", ">=", 1, 0, 3600, ("email",)),
    ("Replica Lag", "replica_lag", "critical", "status", ">=", 2, 0, 3600, ("email", "slack")),
    ("Server Down", "server_down", "critical", "status", ">=", 2, 0, 300, ("email", "slack")),
    ("HTTP Down", "http_down", "critical", "status", ">=", 2, 0, 3600, ("email", "slack")),
    ("Check Failed", "check_failed", "critical", "status", ">=", 2, 0, 3600, ("email", "slack")),
}


def test_the_default_rules_are_the_promised_ones() -> None:
    found = {
        (
            rule.name,
            rule.alert_type,
            rule.severity,
            rule.metric_name,
            rule.operator,
            rule.threshold,
            rule.duration_seconds,
            rule.cooldown_seconds,
            rule.notify_channels,
        )
        for rule in default_rules()
    }
    assert found >= EXPECTED
    types = schemas.load("config")["$defs"]["alert_type"]["enum"]
    assert {rule.alert_type for rule in default_rules()} == set(types)
    assert all(rule.managed_by == "default" and rule.is_active and not rule.organization for rule in default_rules())


def test_they_hold_as_a_file_of_ones_own() -> None:
    content = files("alerting.configuration").joinpath("default_rules.toml").read_bytes()
    assert set(tomllib.loads(content.decode())) == {"rules"}
    assert len(read_bytes(content, "x", load({})).rules) == 2 * len(default_rules())


def test_names_and_severities_tell_them_apart() -> None:
    assert len({(rule.name, rule.severity) for rule in default_rules()}) == len(default_rules())


@pytest.mark.parametrize(("alert_type", "cooldown"), [("server_down", 300), ("disk_high", 1800), ("custom", 3600)])
def test_a_rule_that_leaves_things_out(alert_type: str, cooldown: float) -> None:
    item = {"name": "R", "alert_type": alert_type, "severity": "warning", "metric_name": "m", "threshold": 1}
    rule = rule_of(item, "config")
    assert (rule.operator, rule.duration_seconds, rule.cooldown_seconds, rule.is_active) == (">", 300, cooldown, True)
    assert rule.subjects == rule.kinds == ()


def test_a_failing_web_service_and_a_failing_check_are_two_things() -> None:
    kinds = {rule.name: rule.kinds for rule in default_rules()}
    assert kinds["HTTP Down"] == ("http",)
    assert set(kinds["Check Failed"]) == set(probes.kinds()) - {"http"}
