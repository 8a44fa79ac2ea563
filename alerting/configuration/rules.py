"""Rules and routes as values: those of a configuration file, and the default rules that come with Vedette."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import probes
import schemas
from alerting.config import Config, Route, Rule
from alerting.configuration.faults import Findings
from alerting.configuration.impossible import check_rule
from alerting.configuration.lines import Where, spell
from alerting.configuration.parts import Declared, texts_of
from alerting.configuration.references import CHANNEL_KINDS
from alerting.configuration.values import seconds, seconds_of
from schemas import Fault

COOLDOWNS: Mapping[str, float] = {"cpu_high": 3600.0, "disk_high": 1800.0, "server_down": 300.0}
"""Seconds before a receiver is told again of the same trouble, by alert type; an hour for the rest."""

_COOLDOWN = 3600.0
_DURATION = 300.0
_FLAP_DELAY = 60.0
_GROUP_WAIT = 10.0


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
        yield _route(item, parts.organization_of(item))


def _route(item: Mapping[str, Any], organization: str | None) -> Route:
    match = dict(item.get("match", {}))
    return Route(
        labels=match.pop("labels", {}),
        match=match,
        channels=tuple(item["channels"]),
        organization=organization,
        goes_on=item.get("continue", False),
        digest=item.get("digest", False),
        group_by=tuple(item["group_by"]) if "group_by" in item else None,
        group_wait=seconds(item.get("group_wait", _GROUP_WAIT)),
        escalate_after=seconds_of(item, "escalate_after"),
        escalate_to=tuple(item.get("escalate_to", ())),
    )


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
        of=item.get("of", 0),
        clear_threshold=float(item["clear_threshold"]) if "clear_threshold" in item else None,
        keep_firing_seconds=seconds(item.get("keep_firing_seconds", 0.0)),
        remind_seconds=seconds_of(item, "remind_seconds"),
        flap_delay_seconds=seconds(item.get("flap_delay_seconds", _FLAP_DELAY)),
        labels=item.get("labels", {}),
        escalate_after_seconds=seconds_of(item, "escalate_after_seconds"),
        escalate_to=tuple(item.get("escalate_to", ())),
    )


def faults(item: Mapping[str, Any], config: Config, organization: str) -> list[Fault]:
    """What is wrong with a rule given to the API, as it would be told of one in the file: by pointers into it."""
    found = schemas.faults("api/rule", item)
    findings = Findings("")
    check_rule((), item, findings)
    for key in ("notify_channels", "escalate_to"):
        for index, name in enumerate(texts_of(item, key)):
            if not is_addressee(config, organization, name):
                findings.add((key, index), f"not found: {spell(('channels', name))} is not declared")
    for rule in config.rules:
        named = (rule.name, rule.severity) == (item.get("name"), item.get("severity"))
        if named and rule.managed_by != "default" and rule.organization == organization:
            findings.add(("name",), "another rule has the same name and severity")
    return [*found, *(Fault(_pointer(where), message) for where, message in findings.faults)]


def is_addressee(config: Config, organization: str, name: str) -> bool:
    """Whether a rule of the organization may name it: one of its channels, or a kind of channel."""
    channel = config.channel_of.get(name)
    return channel.organization == organization if channel is not None else name in CHANNEL_KINDS


def _pointer(where: Where) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in where)


def _kinds(alert_type: str) -> tuple[str, ...]:
    """A web service that fails is `http_down`; whatever else is checked and fails is `check_failed`."""
    if alert_type == "http_down":
        return ("http",)
    return tuple(kind for kind in probes.kinds() if kind != "http") if alert_type == "check_failed" else ()
