"""What names what in a configuration file: every name must lead to something, within one organization."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from ipaddress import ip_network
from typing import Any

import probes
import schemas
from alerting.configuration import maintenance
from alerting.configuration.faults import Findings
from alerting.configuration.heartbeats import check_keys
from alerting.configuration.hooks import check_hooks
from alerting.configuration.impossible import check_route, check_rule
from alerting.configuration.lines import Where, spell
from alerting.configuration.parts import Declared, parents_of, text_of, texts_of
from alerting.configuration.targets import takes_pool

CHANNEL_KINDS = ("email", "slack")
OWNED = (
    "pools",
    "servers",
    "environments",
    "checks",
    "heartbeats",
    "channels",
    "rules",
    "routes",
    "maintenance",
    "hooks",
)

_CALLED = {"routes": "route", "maintenance": "window"}


def refer(parts: Declared, findings: Findings) -> None:
    """Follow every name in the document; those that lead nowhere, or elsewhere, go to `findings`."""
    for section in OWNED:
        for where, item in parts.items(section):
            _owner(parts, where, item, findings)
    _servers(parts, findings)
    _environments(parts, findings)
    _checks(parts, findings)
    _heartbeats(parts, findings)
    _channels(parts, findings)
    check_hooks(parts, findings)
    _rules(parts, findings)
    _routes(parts, findings)
    _windows(parts, findings)
    _parents(parts, findings)
    _networks(parts, findings)


def _owner(parts: Declared, where: Where, item: Mapping[str, Any], findings: Findings) -> None:
    named = text_of(item, "organization")
    if named is None and "organization" not in item and len(parts.organizations) > 1:
        findings.add(where, f"organization is missing; several are declared: {', '.join(parts.organizations)}")
    elif named is not None and named not in parts.organizations:
        findings.add((*where, "organization"), f"no such organization; declared: {', '.join(parts.organizations)}")


def _target(
    parts: Declared, where: Where, section: str, name: str, item: Mapping[str, Any], findings: Findings
) -> None:
    """Hold the `name` written at `where`, in `item`, to what `section` declares."""
    found = parts.get(section, name)
    if found is None:
        _missing(where, (section, name), findings)
    elif not _same_owner(parts, item, found):
        findings.add(where, f"{spell((section, name))} belongs to another organization")


def _missing(where: Where, target: tuple[str, str], findings: Findings) -> None:
    # A name may be a placeholder gone astray, and then a secret.
    findings.add_foreign(where, f"not found: {spell(target)} is not declared", f"not found among {target[0]}")


def _same_owner(parts: Declared, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    # Where an owner is not known, that is a fault of its own already.
    owners = {parts.organization_of(one), parts.organization_of(other)} - {None}
    return len(owners) < 2


def _servers(parts: Declared, findings: Findings) -> None:
    for where, item in parts.items("servers"):
        netdata = item.get("netdata")
        if not isinstance(netdata, dict):
            continue
        parent = text_of(netdata, "parent")
        if parent is not None and parent not in parts.parents:
            _missing((*where, "netdata", "parent"), ("netdata", parent), findings)


def _environments(parts: Declared, findings: Findings) -> None:
    for where, item in parts.items("environments"):
        if name := text_of(item, "server"):
            _target(parts, (*where, "server"), "servers", name, item, findings)
        replica = item.get("replica")
        if isinstance(replica, dict):
            _pool(parts, (*where, "replica"), replica, item, findings)


def _pool(
    parts: Declared, where: Where, config: Mapping[str, Any], item: Mapping[str, Any], findings: Findings
) -> None:
    if "pool" in config and "dsn" in config:
        findings.add((*where, "pool"), "expected one of pool and dsn, not both")
    if name := text_of(config, "pool"):
        _target(parts, (*where, "pool"), "pools", name, item, findings)


def _place(parts: Declared, where: Where, item: Mapping[str, Any], findings: Findings) -> None:
    for key, section in (("server", "servers"), ("environment", "environments")):
        if name := text_of(item, key):
            _target(parts, (*where, key), section, name, item, findings)


def _heartbeats(parts: Declared, findings: Findings) -> None:
    for where, item in parts.items("heartbeats"):
        _place(parts, where, item, findings)
    check_keys(parts, findings)


def _checks(parts: Declared, findings: Findings) -> None:
    for where, item in parts.items("checks"):
        _place(parts, where, item, findings)
        kind, config = text_of(item, "kind"), item.get("config")
        if kind is not None and kind not in probes.kinds():
            findings.add((*where, "kind"), f"no probe of that kind; there are: {', '.join(probes.kinds())}")
        if kind == "heartbeat":
            findings.add((*where, "kind"), f"a heartbeat is declared as [heartbeats.{where[1]}], with a key")
        if kind is not None and takes_pool(kind) and isinstance(config, dict):
            _pool(parts, (*where, "config"), config, item, findings)


def _channels(parts: Declared, findings: Findings) -> None:
    for where, item in parts.items("channels"):
        if where[1] in CHANNEL_KINDS and item.get("kind") != where[1]:
            findings.add(where, f"a channel named {where[1]} must be of that kind, for the name also means the kind")


def _rules(parts: Declared, findings: Findings) -> None:
    seen: set[tuple[str | None, str | None]] = set()
    for where, item in parts.items("rules"):
        identity = (text_of(item, "name"), text_of(item, "severity"))
        if identity in seen:
            findings.add((*where, "name"), "an earlier rule has the same name and severity")
        seen.add(identity)
        _addressees(parts, where, "notify_channels", item, findings)
        _addressees(parts, where, "escalate_to", item, findings)
        check_rule(where, item, findings)


def _routes(parts: Declared, findings: Findings) -> None:
    for where, item in parts.items("routes"):
        _addressees(parts, where, "channels", item, findings)
        _addressees(parts, where, "escalate_to", item, findings)
        check_route(parts, where, item, findings)
        match = item.get("match")
        if isinstance(match, dict):
            _match(parts, (*where, "match"), match, item, findings)


def _windows(parts: Declared, findings: Findings) -> None:
    zone = maintenance.service_zone(parts)
    for where, item in parts.items("maintenance"):
        match = item.get("match")
        if isinstance(match, dict):
            _match(parts, (*where, "match"), match, item, findings)
        if not findings.spoiled(where):
            for fault in maintenance.faults(item, zone):
                findings.add((*where, *fault.pointer.split("/")[1:]), fault.message)


def _addressees(parts: Declared, where: Where, key: str, item: Mapping[str, Any], findings: Findings) -> None:
    for index, name in enumerate(texts_of(item, key)):
        if name not in CHANNEL_KINDS or parts.get("channels", name):
            _target(parts, (*where, key, index), "channels", name, item, findings)


def _match(
    parts: Declared, where: Where, match: Mapping[str, Any], item: Mapping[str, Any], findings: Findings
) -> None:
    for key, section in (("server", "servers"), ("environment", "environments")):
        name = text_of(match, key)
        if name and not _is_pattern(name):
            _target(parts, (*where, key), section, name, item, findings)
    owner, pattern = parts.organization_of(item), text_of(match, "organization")
    if owner and pattern and not fnmatchcase(owner, pattern):
        findings.add((*where, "organization"), f"never matches: the {_CALLED[str(where[0])]} belongs to {owner}")
    types = schemas.load("config")["$defs"]["alert_type"]["enum"]
    pattern = text_of(match, "alert_type")
    if pattern and not any(fnmatchcase(alert_type, pattern) for alert_type in types):
        findings.add((*where, "alert_type"), f"expected one of {', '.join(types)}, or a pattern")


def _is_pattern(name: str) -> bool:
    return any(mark in name for mark in "*?[")


def _parents(parts: Declared, findings: Findings) -> None:
    graph: dict[str, tuple[str, ...]] = {}
    places: dict[str, Where] = {}
    for section in ("servers", "environments", "checks", "heartbeats"):
        for where, item in parts.items(section):
            subject = f"{section.removesuffix('s')}/{where[1]}"
            graph[subject], places[subject] = parents_of(parts, where, item), where
            for index, parent in enumerate(texts_of(item, "depends_on")):
                _parent(parts, (*where, "depends_on", index), parent, item, findings)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        where = next(places[subject] for subject in circle if subject in places)
        findings.add((*where, "depends_on"), f"depends on itself: {' → '.join(circle)}")


def _parent(parts: Declared, where: Where, subject: str, item: Mapping[str, Any], findings: Findings) -> None:
    sort, _, name = subject.partition("/")
    if sort in ("server", "environment", "check", "heartbeat"):
        _target(parts, where, f"{sort}s", name, item, findings)


def _networks(parts: Declared, findings: Findings) -> None:
    found = parts.document.get("probes")
    written = found if isinstance(found, dict) else {}
    for key in ("deny", "allow"):
        for index, network in enumerate(texts_of(written, key)):
            try:
                ip_network(network, strict=False)
            except ValueError:
                findings.add(("probes", key, index), "expected a network such as 10.0.0.0/8 or fd00::/8")
