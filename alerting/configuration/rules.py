"""Rules and routes as values: those of a configuration file, and the default rules that come with Vedette."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import probes
from alerting.config import Route, Rule
from alerting.configuration.parts import Declared
from alerting.configuration.values import seconds

COOLDOWNS: Mapping[str, float] = {"cpu_high": 3600.0, "disk_high": 1800.0, "server_down": 300.0}
"""Seconds before a receiver is told again of the same trouble, by alert type; an hour for the rest."""

_COOLDOWN = 3600.0
_DURATION = 300.0


@cache
def default_rules() -> tuple[Rule, ...]:
    """The rules everybody starts with: `default_rules.toml`, beside this module."""
    document = tomllib.loads(files(__package__).joinpath("default_rules.toml").read_text("utf-8"))
    return tuple(rule_of(item, "default") for item in document["rules"])


def rules(parts: Declared) -> Iterator[Rule]:
    """The file's own rules, in its order. The document must be free of faults."""
    for _, item in parts.items("rules"):
        yield rule_of(item, "config", parts.organization_of(item))


def routes(parts: Declared) -> Iterator[Route]:
    """The file's routes, in its order. The document must be free of faults."""
    for _, item in parts.items("routes"):
        yield Route(item.get("match", {}), tuple(item["channels"]), parts.organization_of(item))


def rule_of(
    item: Mapping[str, Any], managed_by: Literal["default", "config", "api"], organization: str | None = None
) -> Rule:
    """A rule from its keys as `schemas/config.json` describes them, with what it leaves out filled in."""
    alert_type = item["alert_type"]
    return Rule(
        name=item["name"],
        alert_type=alert_type,
        severity=item["severity"],
        metric_name=item["metric_name"],
        operator=item.get("operator", ">"),
        threshold=float(item["threshold"]),
        duration_seconds=seconds(item.get("duration_seconds", _DURATION)),
        cooldown_seconds=seconds(item.get("cooldown_seconds", COOLDOWNS.get(alert_type, _COOLDOWN))),
        notify_channels=tuple(item.get("notify_channels", ())),
        failures=item.get("failures", 1),
        subjects=tuple(item.get("subjects", ())),
        kinds=tuple(item.get("kinds", _kinds(alert_type))),
        organization=organization,
        description=item.get("description", ""),
        is_active=item.get("is_active", True),
        managed_by=managed_by,
    )


def _kinds(alert_type: str) -> tuple[str, ...]:
    """A web service that fails is `http_down`; whatever else is checked and fails is `check_failed`."""
    if alert_type == "http_down":
        return ("http",)
    return tuple(kind for kind in probes.kinds() if kind != "http") if alert_type == "check_failed" else ()
