"""A server's containers: by Netdata's cgroup charts, by `docker` where it was asked; and which of them are missing."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from probes._machinery import docker_words
from probes._machinery.netdata_answers import KILOBIT, Charts, dimensions, percent, received, scaled, sent, share
from probes._machinery.netdata_ssh import Docker

FIELDS = (
    "container_id",
    "container_name",
    "cpu_percent",
    "memory_percent",
    "memory_used_bytes",
    "memory_limit_bytes",
    "network_rx_bytes",
    "network_tx_bytes",
    "status",
    "restart_count",
    "uptime_seconds",
)
"""A container, in the API's words; None for what is not known. The network's are bytes a second."""

RUNNING = "running"
_STOPPED = "stopped"
_MIB = 1024.0**2
_MOST = 500
_REMOVED_AFTER = 86_400.0  # seconds; what stays away for so long was taken away
_LOOKS = 2  # to know a container by: what is gone at the second look was a job, and has done it
_UNNAMED = re.compile(r"^[0-9a-f]{12}$")
# Netdata shows every cgroup: the parts of systemd, and those whose id it could not turn into a name.
_NO_CONTAINER = re.compile(
    r"(^|[_.-])(slice|scope|service|socket|mount|swap)([_.-]|$)|[_-][0-9a-f]{16,}$|^(systemd|init|user|system|machine)$"
)

Container = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The containers, those missing among them; how many run and how many do not that should; and in words, which.

    known   what the next look compares with: by name, at how many looks it ran and since when it does not
    Counts are None where nobody can tell: a machine without Docker, an agent that does not look at containers.
    """

    containers: Sequence[Container] = ()
    count: int | None = None
    healthy: int | None = None
    unhealthy: int | None = None
    down: Sequence[str] = ()
    known: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def fleet(
    listed: Sequence[Container] | None,
    known: Mapping[str, Mapping[str, Any]],
    patterns: Iterable[str],
    now: float,
    settled: bool,
) -> Fleet:
    """Compare what is there with what was.

    listed    None where nobody can tell
    patterns  names of containers of which at least one must run
    settled   False while the agent has just started and does not know all containers yet
    """
    if listed is None and not known:
        return Fleet()
    there = {str(one["container_name"]): one for one in listed or ()}
    after = dict(_remembered(there, known, patterns, now, settled))
    absent = [_container(name, _STOPPED) for name in after if name not in there and settled]
    running = [one for one in there.values() if one["status"] == RUNNING]
    down = [_sentence(name, there.get(name)) for name, one in after.items() if one["down_since"] is not None]
    unmatched = [p for p in patterns if not any(matches(str(one["container_name"]), p) for one in running)]
    missing = [f"no container runs that {p} names" for p in unmatched if settled and not _told(p, after)]
    unhealthy = len(down) + len(missing)
    return Fleet([*there.values(), *absent], len(running) + unhealthy, len(running), unhealthy, down + missing, after)


def by_charts(found: Charts, since: float, patterns: Sequence[str]) -> list[Container] | None:
    """The containers that the charts show; None where there is no chart of any cgroup.

    since: epoch seconds by the server's clock; a chart that was last written before is that of a stopped one
    """
    charts: dict[str, dict[str, Mapping[str, Any]]] = {}
    for chart_id, chart in found.items():
        if chart_id.startswith("cgroup_") and "." in chart_id:
            name, _, metric = chart_id.removeprefix("cgroup_").partition(".")
            charts.setdefault(name, {})[metric] = chart
    if not charts:
        return None
    names = [name for name in charts if not _NO_CONTAINER.search(name) or _any(name, patterns)]
    return [_charted(name, charts[name], since) for name in sorted(names)[:_MOST]]


def by_docker(docker: Docker, charted: Iterable[Container]) -> list[Container]:
    """Docker's own list, with the charts' numbers where there are any."""
    measured = {str(one["container_name"]): one for one in charted}
    return [_docked(one, docker, measured) for one in docker.ps[:_MOST]]


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern names a container. In Netdata's names a hyphen stands where Docker's have a dot."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, pattern.replace(".", "-"))


def _any(name: str, patterns: Iterable[str]) -> bool:
    return any(matches(name, pattern) for pattern in patterns)


def _remembered(
    there: Mapping[str, Container],
    known: Mapping[str, Mapping[str, Any]],
    patterns: Iterable[str],
    now: float,
    settled: bool,
) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in {**known, **there}:
        before = known.get(name, {"looks": 0, "down_since": None})
        if name in there and there[name]["status"] == RUNNING:
            yield name, {"looks": min(_LOOKS, before["looks"] + 1), "down_since": None}
            continue
        named = _any(name, patterns)
        if before["looks"] < (1 if named else _LOOKS) or (_UNNAMED.match(name) and not named):
            continue  # never seen at work; or known by an id alone, and then the next one has another
        down_since = before["down_since"] or (now if settled or name in there else None)
        if down_since is None or now - down_since < _REMOVED_AFTER:
            yield name, {"looks": before["looks"], "down_since": down_since}


def _told(pattern: str, known: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a container of that pattern is told as down already."""
    return any(one["down_since"] is not None and matches(name, pattern) for name, one in known.items())


def _sentence(name: str, seen: Container | None) -> str:
    return f"container {name} is down ({seen['status'] if seen else 'gone'})"


def _container(name: str, status: str, **more: Any) -> Container:
    return {**dict.fromkeys(FIELDS), "container_name": name, "status": status, **more}


def _charted(name: str, charts: Mapping[str, Mapping[str, Any]], since: float) -> Container:
    unnamed = name if _UNNAMED.match(name) else None
    written = [at for chart in charts.values() if isinstance(at := chart.get("last_updated"), int | float)]
    if max(written, default=0) < since:
        return _container(name, _STOPPED, container_id=unnamed)
    load = dimensions(charts.get("cpu"))
    used, limit = share(dimensions(charts.get("mem_usage_limit")), ("used", "available"))
    if used is None:
        used = dimensions(charts.get("mem_usage")).get("ram") or None  # nothing runs in no memory: a first row
    networks = [dimensions(chart) for metric, chart in charts.items() if metric.startswith("net_")]
    return _container(
        name,
        RUNNING,
        container_id=unnamed,
        cpu_percent=sum(load.values()) if load else None,
        memory_percent=percent(used, limit),
        memory_used_bytes=scaled(used, _MIB),
        memory_limit_bytes=scaled(limit, _MIB),
        network_rx_bytes=_all([scaled(received(net), KILOBIT) for net in networks]),
        network_tx_bytes=_all([scaled(sent(net), KILOBIT) for net in networks]),
    )


def _all(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _docked(one: Mapping[str, Any], docker: Docker, measured: Mapping[str, Container]) -> Container:
    name, identity = str(one.get("Names", "")).partition(",")[0], str(one.get("ID", ""))[:12]
    state, words = str(one.get("State", "unknown")), str(one.get("Status", ""))
    chart = measured.get(name.replace(".", "-")) or measured.get(identity) or {}
    numbers = chart if chart.get("status") == RUNNING else _stats(docker.stats.get(name, {}))
    return _container(
        name,
        "unhealthy" if "(unhealthy)" in words else state,
        **{key: value for key, value in numbers.items() if state == RUNNING and value is not None and key in _MEASURED},
        container_id=identity or None,
        restart_count=docker.restarts.get(name),
        uptime_seconds=docker_words.uptime(words),
    )


_MEASURED = FIELDS[2:8]


def _stats(one: Mapping[str, Any]) -> dict[str, float | None]:
    used, _, limit = str(one.get("MemUsage", "")).partition("/")
    return {
        "cpu_percent": docker_words.percent(one.get("CPUPerc")),
        "memory_percent": docker_words.percent(one.get("MemPerc")),
        "memory_used_bytes": docker_words.size(used),
        "memory_limit_bytes": docker_words.size(limit),
    }
