"""Reading Netdata's answers: by name, null-safe, the same for agents 1.33 to 2.11."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from probes._machinery.documents import parse
from probes._machinery.requests import HttpReply
from probes._machinery.summary import Readings

ALLMETRICS = "allmetrics?format=json&filter=" + quote(
    "system.cpu system.ram disk_space._ disk_space./ system.net cgroup_*.cpu"
)
# Unaligned: an aligned window of ten seconds shows a load only up to ten seconds late.
CPU = "data?chart=system.cpu&after=-10&points=1&format=json&options=unaligned"
# The maximum: an average over the window would lag behind the uptime by half of it.
UPTIME = "data?chart=netdata.uptime&after=-10&points=1&group=max&format=json"

_MIB, _GIB = 1024.0**2, 1024.0**3
_KILOBIT = 1000 / 8  # bytes
_PROOF_OF_LIFE = ("system.cpu", "system.ram")

Charts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Age:
    """How old the newest row is, in seconds of the answering server's clock, and that row's time in epoch seconds."""

    seconds: float | None
    updated_at: float


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


def row_sum(reply: HttpReply) -> float | None:
    """The sum of the newest row of a `data` answer, its time left out; None where there is no such row."""
    if reply.error is not None or reply.status != 200:
        return None
    try:
        row = parse(reply.body)["data"][0][1:]
        known = [float(value) for value in row if value is not None]
    except (ValueError, TypeError, KeyError, IndexError):
        return None  # text, nulls, or the empty table of an agent that is just starting
    return sum(known) if known else None


def readings(found: Charts, cpu: float | None, newest: float, limit: float) -> Readings:
    """What `allmetrics` says, and `cpu` in percent where `data` gave it.

    newest, limit: a container's row older than `limit` seconds before `newest` is that of one that has stopped
    """
    ram = _dimensions(found.get("system.ram"))
    disk = _dimensions(next((chart for chart in found.values() if _is_root_disk(chart)), None))
    net = _dimensions(found.get("system.net"))
    memory_used, memory_total = _share(ram, ("free", "used", "cached", "buffers"))
    disk_used, disk_total = _share(disk, ("avail", "used"))
    containers = [chart for name, chart in found.items() if name.startswith("cgroup_") and name.endswith(".cpu")]
    return Readings(
        # A memory of nothing is an agent's first row: the processor's zero beside it is no measurement either.
        cpu_percent=None if memory_total is None else _cpu(cpu, found),
        memory_percent=_percent(memory_used, memory_total),
        memory_used_bytes=_scaled(memory_used, _MIB),
        memory_total_bytes=_scaled(memory_total, _MIB),
        disk_percent=_percent(disk_used, disk_total),
        disk_used_bytes=_scaled(disk_used, _GIB),
        disk_total_bytes=_scaled(disk_total, _GIB),
        network_rx_rate=_scaled(_magnitude(net.get("InOctets", net.get("received"))), _KILOBIT),
        network_tx_rate=_scaled(_magnitude(net.get("OutOctets", net.get("sent"))), _KILOBIT),
        container_count=_fresh(containers, newest - limit) if containers else None,
    )


def _cpu(averaged: float | None, found: Charts) -> float | None:
    """The average of ten seconds; else the last second, where the chart carries the hidden dimension `idle`."""
    idle = _dimensions(found.get("system.cpu")).get("idle")
    percent = averaged if averaged is not None else None if idle is None else 100 - idle
    return None if percent is None else min(100.0, max(0.0, percent))


def _dimensions(chart: Mapping[str, Any] | None) -> dict[str, float]:
    """dimension id → value, those without one left out."""
    given = chart.get("dimensions") if chart else None
    if not isinstance(given, dict):
        return {}
    values = {name: one.get("value") for name, one in given.items() if isinstance(one, dict)}
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def _is_root_disk(chart: Mapping[str, Any]) -> bool:
    # The chart's id differs by the child's version, its context and family do not.
    return chart.get("context") == "disk.space" and chart.get("family") == "/"


def _share(parts: Mapping[str, float], names: Iterable[str]) -> tuple[float | None, float | None]:
    """(used, the whole), both None where the whole is nothing: a first row of zeros is never a measurement."""
    whole = sum(parts.get(name, 0.0) for name in names)
    return (parts["used"], whole) if "used" in parts and whole > 0 else (None, None)


def _percent(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else 100 * part / whole


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value * unit


def _magnitude(value: float | None) -> float | None:
    return None if value is None else abs(value)  # what is sent is drawn downwards


def _fresh(containers: Iterable[Mapping[str, Any]], since: float) -> int:
    return sum(1 for chart in containers if isinstance(at := chart.get("last_updated"), int | float) and at >= since)
