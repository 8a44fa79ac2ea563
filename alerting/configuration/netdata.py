"""How a file's servers are seen by Netdata: each by itself, over SSH, or by a parent, which is then watched as well."""

from collections.abc import Iterator, Mapping
from typing import Any

from alerting.config import DEFAULT_EVERY, NetdataParent, Watch
from alerting.configuration.faults import Findings
from alerting.configuration.lines import Where
from alerting.configuration.parts import Declared, text_of, texts_of
from alerting.configuration.values import seconds

_EVERY = DEFAULT_EVERY.get("netdata", 60.0)
_OWN = ("ssh", "host_key", "private_key", "machine_guid", "own_alarms", "timeout")

Parents = Mapping[str, NetdataParent]


def probe_config(parts: Declared, name: str, netdata: Mapping[str, Any], parents: Parents) -> dict[str, Any]:
    """The configuration of the probe for the server of that name: its own words, completed from its parent's."""
    parent = parents.get(text_of(netdata, "parent") or "")
    given: Mapping[str, Any] = {} if parent is None else _access(parent)
    found = {
        "url": parent.url if parent else netdata.get("url"),
        "api_key": netdata.get("api_key") or given.get("api_key"),
        "headers": {**given.get("headers", {}), **netdata.get("headers", {})},
        "containers": patterns(parts, name),
    }
    own = {key: netdata[key] for key in _OWN if key in netdata}
    return {**{key: value for key, value in found.items() if value}, **own}


def patterns(parts: Declared, server: str) -> list[str]:
    """The containers that environments name on that server."""
    environments = [item for _, item in parts.items("environments") if text_of(item, "server") == server]
    return list(dict.fromkeys(pattern for item in environments for pattern in texts_of(item, "containers")))


def leans_on(parts: Declared, item: Mapping[str, Any], parents: Parents) -> str | None:
    """The subject without which nobody can tell how a server is: its Netdata parent, as a server or by itself."""
    netdata = item.get("netdata")
    name = text_of(netdata, "parent") if isinstance(netdata, Mapping) else None
    if name is None or name not in parents or "machine_guid" not in item["netdata"]:
        return None
    owner = parts.organization_of(item)
    declared = (str(where[1]) for where, other in parts.items("servers") if _is_parent(other, parents[name]))
    own = [each for each in declared if parts.organization_of(parts.get("servers", each) or {}) == owner]
    if own:
        return f"server/{own[0]}"
    # Each organization is told for itself, of its own servers.
    return f"netdata/{name}" if len(parts.organizations) <= 1 else f"netdata/{owner}.{name}"


def parent_watches(parts: Declared, parents: Parents, findings: Findings) -> Iterator[tuple[Where, Watch]]:
    """The parents that servers lean on and that are no servers themselves, each once an organization.

    A parent is looked at as often as the one of its children that is looked at most often.
    """
    children: dict[str, list[Mapping[str, Any]]] = {}
    for where, item in parts.items("servers"):
        subject = None if findings.spoiled(where) else leans_on(parts, item, parents)
        if subject is not None and subject.startswith("netdata/"):
            children.setdefault(subject, []).append(item)
    for subject, items in children.items():
        name = items[0]["netdata"]["parent"]
        every = min(seconds(item["every"]) if "every" in item else _EVERY for item in items)
        config = {"url": parents[name].url, "own_alarms": False, **_access(parents[name])}
        yield ("netdata", name), Watch(subject, "netdata", parts.organization_of(items[0]) or "", every, config)


def _access(parent: NetdataParent) -> dict[str, Any]:
    given = {"api_key": parent.api_key, "headers": dict(parent.headers)}
    return {key: value for key, value in given.items() if value}


def _is_parent(item: Mapping[str, Any], parent: NetdataParent) -> bool:
    """Whether a declared server is that parent's own machine."""
    netdata = item.get("netdata")
    if not isinstance(netdata, Mapping) or "machine_guid" in netdata or "ssh" in netdata:
        return False
    return netdata.get("parent") == parent.name or netdata.get("url") == parent.url
