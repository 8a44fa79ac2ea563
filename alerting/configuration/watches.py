"""From what a file declares to what is watched, each probe's configuration complete."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from alerting.config import DEFAULT_EVERY, NetdataParent, Watch
from alerting.configuration import schema
from alerting.configuration.contract_files import with_contract
from alerting.configuration.faults import Findings
from alerting.configuration.heartbeats import watch_of
from alerting.configuration.lines import Where
from alerting.configuration.netdata import leans_on, parent_watches, probe_config
from alerting.configuration.parts import Declared, parents_of, text_of
from alerting.configuration.pem_files import with_pem
from alerting.configuration.ssh import read_ssh, with_keys
from alerting.configuration.targets import takes_pool
from alerting.configuration.values import seconds

_LEAST_EVERY = 0.5  # seconds; oftener than that is a load, not a watch
_EVERY = 60.0


def watches(parts: Declared, parents: Mapping[str, NetdataParent], findings: Findings) -> Iterator[Watch]:
    """Everything to be probed, in the file's order. What is faulty is left out; its faults go to `findings`."""
    for where, item in parts.items("servers"):
        netdata = item.get("netdata")
        _check_thresholds(where, item, findings)
        if not findings.spoiled(where) and not _leans_on_faulty("netdata", "parent", netdata, findings):
            place = (*where, "netdata") if "netdata" in item else where
            yield from _held(_server(parts, where, item, parents), place, findings)
    for where, watch in parent_watches(parts, parents, findings):
        yield from _held(watch, where, findings)
    for where, item in parts.items("environments"):
        replica = item.get("replica")
        if replica and not findings.spoiled(where) and not _leans_on_faulty("pools", "pool", replica, findings):
            yield from _held(_environment(parts, where, item), (*where, "replica"), findings)
    for where, item in parts.items("checks"):
        # A fault elsewhere in a check is no reason to leave its probe's configuration unread.
        readable = isinstance(item.get("config"), dict) and text_of(item, "kind") is not None
        faulty = any(findings.spoiled((*where, key)) for key in ("kind", "config"))
        if readable and not faulty and not _leans_on_faulty("pools", "pool", item["config"], findings):
            spoiled = findings.spoiled(where)
            with_files = with_contract if item["kind"] == "info" else with_pem
            item = {**item, "config": with_files((*where, "config"), item["config"], findings)}
            watch = _stub(parts, where, item) if spoiled else _check(parts, where, item)
            yield from _held(watch, (*where, "config"), findings)
    for where, item in parts.items("heartbeats"):
        if not findings.spoiled(where) and not findings.spoiled(("service", "timezone")):
            yield from _held(watch_of(parts, where, item), where, findings)


def _check_thresholds(where: Where, item: Mapping[str, Any], findings: Findings) -> None:
    if "thresholds" not in item or findings.spoiled((*where, "thresholds")):
        return
    for name, (warning, critical) in item["thresholds"].items():
        if warning > critical:
            findings.add((*where, "thresholds", name), "the warning is over the critical one; expected it below")


def _leans_on_faulty(section: str, key: str, item: Any, findings: Findings) -> bool:
    """Whether `item` takes values from a table that is faulty itself: what follows from that need not be told."""
    name = text_of(item, key) if isinstance(item, Mapping) else None
    return name is not None and findings.spoiled((section, name))


def _server(parts: Declared, where: Where, item: Mapping[str, Any], parents: Mapping[str, NetdataParent]) -> Watch:
    thresholds = {"thresholds": item["thresholds"]} if "thresholds" in item else {}
    name = str(where[1])
    if "local" in item:
        return _watch(parts, where, item, "local", thresholds, server=name)
    config = {**probe_config(parts, name, item["netdata"], parents), **thresholds}
    watch = _watch(parts, where, item, "netdata", config, server=name)
    above = leans_on(parts, item, parents)
    return watch if above is None else replace(watch, parents=tuple(dict.fromkeys([*watch.parents, above])))


def _environment(parts: Declared, where: Where, item: Mapping[str, Any]) -> Watch:
    replica = dict(item["replica"])
    timing = {key: replica.pop(key) for key in ("every", "failures") if key in replica}
    config = _with_pool(parts, "replica", replica)
    return _watch(parts, where, {**item, **timing}, "replica", config, environment=str(where[1]))


def _with_pool(parts: Declared, kind: Any, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The probe's configuration with the DSN of the pool it names."""
    pool = parts.get("pools", text_of(config, "pool") or "")
    if not pool or "url" not in pool or not takes_pool(kind):
        return config
    return {"dsn": pool["url"], **{key: value for key, value in config.items() if key != "pool"}}


def _check(parts: Declared, where: Where, item: Mapping[str, Any]) -> Watch:
    config = _with_pool(parts, item["kind"], item["config"])
    environment = parts.get("environments", item.get("environment", "")) or {}
    whole = {**{key: environment[key] for key in ("server", "project") if key in environment}, **item}
    place = {"server": whole.get("server"), "environment": item.get("environment")}
    return _watch(parts, where, whole, item["kind"], config, **place)


def _stub(parts: Declared, where: Where, item: Mapping[str, Any]) -> Watch:
    """Enough of a check to hold its probe's configuration to the probe's schema."""
    config = _with_pool(parts, item.get("kind"), item["config"])
    return Watch(f"check/{where[1]}", str(item.get("kind")), "", _EVERY, config)


def _watch(
    parts: Declared,
    where: Where,
    item: Mapping[str, Any],
    kind: str,
    config: Mapping[str, Any],
    server: str | None = None,
    environment: str | None = None,
) -> Watch:
    return Watch(
        subject=f"{str(where[0]).removesuffix('s')}/{where[1]}",
        kind=kind,
        organization=parts.organization_of(item) or "",
        every=seconds(item["every"]) if "every" in item else DEFAULT_EVERY.get(kind, _EVERY),
        config=with_keys(read_ssh(parts), config),
        failures=item.get("failures", 1),
        project=item.get("project"),
        server=server or item.get("server"),
        environment=environment,
        parents=parents_of(parts, where, item),
    )


def _held(watch: Watch, where: Where, findings: Findings) -> Iterator[Watch]:
    """The watch, if the probe of its kind can take its configuration."""
    if watch.every < _LEAST_EVERY:
        findings.add((*where, "every"), f"expected at least {_LEAST_EVERY:g} s between two looks")
    from probes._machinery.checking import check_config

    if not schema.hold(f"probes/{watch.kind}", watch.config, findings, where):
        return
    found = check_config(watch.kind, watch.config)
    for fault in found:
        instead = f"the {watch.kind} probe cannot take this value"
        findings.add_foreign((*where, *_pointed(fault.pointer, watch.config)), fault.message, instead)
    if not found:
        yield watch


def _pointed(pointer: str, value: Any) -> Where:
    """A JSON pointer into `value` as the way to it: "/headers/0" → ("headers", 0)."""
    where: list[str | int] = []
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            where.append(int(key))
            value = value[int(key)]
        else:
            where.append(key)
            value = value.get(key) if isinstance(value, Mapping) else None
    return tuple(where)
