"""Reading Netdata's answers: by name, null-safe, the same for agents 1.33 to 2.11."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from probes._machinery.documents import parse
from probes._machinery.requests import HttpReply
from probes._machinery.summary import Readings

_MIB, _GIB = 1024.0**2, 1024.0**3
KILOBIT = 1000 / 8
"""Bytes in one of Netdata's kilobits."""

_PROOF_OF_LIFE = ("system.cpu", "system.ram")
_VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})")

Charts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class About:
    """What an agent says of itself: its version, its GUID, the newest API it speaks (1, 2 or 3).

    reachable: by the GUID of each server it knows, whether that is connected to it at this moment
    """

    version: str
    guid: str | None
    reachable: Mapping[str, bool]

    @property
    def api(self) -> int:
        found = _VERSION.search(self.version)
        version = (int(found[1]), int(found[2])) if found else (1, 0)
        return 3 if version >= (2, 0) else 2 if version >= (1, 39) else 1


@dataclass(frozen=True, slots=True)
class Age:
    """How old the newest row is, in seconds of the answering server's clock, and that row's time in epoch seconds."""

    seconds: float | None
    updated_at: float


def about(reply: HttpReply) -> About | None:
    """Of /api/v1/info, or of /api/v3/info; None where it is neither."""
    document = _document(reply)
    if not isinstance(document, dict):
        return None
    agents = document.get("agents")
    try:
        if isinstance(agents, list):
            return About(str(agents[0]["application"]["package"]["version"])[:100], _text(agents[0].get("mg")), {})
        known = [host for host in document.get("mirrored_hosts_status") or () if isinstance(host, dict)]
        reachable = {str(host.get("guid")).lower(): bool(host.get("reachable")) for host in known}
        return About(str(document["version"])[:100], _text(document.get("uid")), reachable)
    except (KeyError, IndexError, TypeError):
        return None


def charts(reply: HttpReply) -> Charts:
    """allmetrics' charts by id. Raises ValueError, its text one sentence, where the body is something else."""
    document = parse(reply.body)
    if not isinstance(document, dict) or not all(isinstance(chart, dict) for chart in document.values()):
        raise ValueError("not Netdata's metrics")
    return document


def age(found: Charts, reply: HttpReply) -> Age | None:
    """The freshness of the server's data, None where there is none at all. Its own clock is asked, never ours."""
    updates = [found[name].get("last_updated") for name in _PROOF_OF_LIFE if name in found]
    times = [float(update) for update in updates if isinstance(update, int | float) and update > 0]
    if not times:
        return None
    try:
        answered = parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return Age(None, max(times))
    return Age(answered - max(times), max(times))


def row_sum(reply: HttpReply | None) -> float | None:
    """The sum of the newest row of a `data` answer, its time left out; None where there is no such row."""
    document = _document(reply)
    try:
        row = document["data"][0][1:]
        known = [float(value) for value in row if value is not None]
    except (ValueError, TypeError, KeyError, IndexError):
        return None  # text, nulls, or the empty table of an agent that is just starting
    return sum(known) if known else None


def column_sum(reply: HttpReply | None, guid: str) -> float | None:
    """The same of one server's processor in an answer of API 2 or 3 about many, its columns "dimension,…,…"."""
    document = _document(reply)
    try:
        wanted = {guid.lower(), "system.cpu"}
        columns = [wanted <= set(name.lower().rsplit(",", 2)[1:]) for name in document["view"]["dimensions"]["ids"]]
        place = document["result"]["point"]["value"]
        points = document["result"]["data"][0][1:]
        cells = [point[place] for point, ours in zip(points, columns, strict=True) if ours]
        known = [float(cell) for cell in cells if cell is not None]
    except (ValueError, TypeError, KeyError, IndexError):
        return None
    return sum(known) if known else None


def update_every(reply: HttpReply | None) -> float | None:
    """How often an agent writes a row, in seconds, by a `chart` answer."""
    document = _document(reply)
    every = document.get("update_every") if isinstance(document, dict) else None
    return float(every) if isinstance(every, int | float) and every > 0 else None


def uptime(found: Charts) -> float | None:
    """For how long the server's agent has been running, in seconds."""
    return dimensions(found.get("netdata.uptime")).get("uptime")


def readings(found: Charts, cpu: float | None, containers: tuple[int | None, int | None, int | None]) -> Readings:
    """What `allmetrics` says, `cpu` in percent where `data` gave it, and how many containers are, run and do not."""
    count, healthy, unhealthy = containers
    ram = dimensions(found.get("system.ram"))
    disk = dimensions(next((chart for chart in found.values() if _is_root_disk(chart)), None))
    net = dimensions(found.get("system.net"))
    memory_used, memory_total = share(ram, ("free", "used", "cached", "buffers"))
    disk_used, disk_total = share(disk, ("avail", "used"))
    return Readings(
        # A memory of nothing is an agent's first row: the processor's zero beside it is no measurement either.
        cpu_percent=None if memory_total is None else _cpu(cpu, found),
        memory_percent=percent(memory_used, memory_total),
        memory_used_bytes=scaled(memory_used, _MIB),
        memory_total_bytes=scaled(memory_total, _MIB),
        disk_percent=percent(disk_used, disk_total),
        disk_used_bytes=scaled(disk_used, _GIB),
        disk_total_bytes=scaled(disk_total, _GIB),
        network_rx_rate=scaled(received(net), KILOBIT),
        network_tx_rate=scaled(sent(net), KILOBIT),
        container_count=count,
        containers_healthy=healthy,
        containers_unhealthy=unhealthy,
    )


def dimensions(chart: Mapping[str, Any] | None) -> dict[str, float]:
    """dimension id → value, those without one left out."""
    given = chart.get("dimensions") if chart else None
    if not isinstance(given, dict):
        return {}
    values = {name: one.get("value") for name, one in given.items() if isinstance(one, dict)}
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def received(net: Mapping[str, float]) -> float | None:
    """What came in, in kilobits a second: the host's dimension or a container's."""
    return _magnitude(net.get("InOctets", net.get("received")))


def sent(net: Mapping[str, float]) -> float | None:
    """What went out."""
    return _magnitude(net.get("OutOctets", net.get("sent")))


def share(parts: Mapping[str, float], names: Iterable[str]) -> tuple[float | None, float | None]:
    """(used, the whole), both None where the whole is nothing: a first row of zeros is never a measurement."""
    whole = sum(parts.get(name, 0.0) for name in names)
    return (parts["used"], whole) if "used" in parts and whole > 0 else (None, None)


def percent(part: float | None, whole: float | None) -> float | None:
    """A part of a whole; None where either is not known, or the whole is nothing."""
    return None if part is None or not whole else 100 * part / whole


def scaled(value: float | None, unit: float) -> float | None:
    """A value in Netdata's unit in ours."""
    return None if value is None else value * unit


def _document(reply: HttpReply | None) -> Any:
    if reply is None or reply.error is not None or reply.status != 200:
        return None
    try:
        return parse(reply.body)
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= 100 else None


def _cpu(averaged: float | None, found: Charts) -> float | None:
    """The average of ten seconds; else the last second, where the chart carries the hidden dimension `idle`."""
    idle = dimensions(found.get("system.cpu")).get("idle")
    known = averaged if averaged is not None else None if idle is None else 100 - idle
    return None if known is None else min(100.0, max(0.0, known))


def _is_root_disk(chart: Mapping[str, Any]) -> bool:
    # The chart's id differs by the child's version, its context and family do not.
    return chart.get("context") == "disk.space" and chart.get("family") == "/"


def _magnitude(value: float | None) -> float | None:
    return None if value is None else abs(value)  # what is sent is drawn downwards
