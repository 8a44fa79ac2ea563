"""A server's summary, whoever measured it: one shape, thresholds that give it a status, and its values as metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from probes._machinery.times import rfc3339

DEFAULT_THRESHOLDS: Mapping[str, Sequence[float]] = {"cpu": (80, 95), "memory": (80, 95), "disk": (80, 90)}
"""Percent: reached with >=, the first is a warning, the second critical."""

_METRICS = (
    "cpu_percent",
    "memory_percent",
    "disk_percent",
    "memory_used_bytes",
    "memory_total_bytes",
    "disk_used_bytes",
    "disk_total_bytes",
    "network_rx_rate",
    "network_tx_rate",
    "container_count",
    "containers_healthy",
    "containers_unhealthy",
)
_WORSE = ("healthy", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Readings:
    """A server at a moment; rates in bytes/s; None for what could not be had."""

    cpu_percent: float | None = None
    memory_percent: float | None = None
    memory_used_bytes: float | None = None
    memory_total_bytes: float | None = None
    disk_percent: float | None = None
    disk_used_bytes: float | None = None
    disk_total_bytes: float | None = None
    network_rx_rate: float | None = None
    network_tx_rate: float | None = None
    container_count: int | None = None
    containers_healthy: int | None = None
    containers_unhealthy: int | None = None


def summary(readings: Readings, thresholds: Mapping[str, Sequence[float]], now: float) -> dict[str, Any]:
    """The server summary the API shows: the readings, `status` by the thresholds, `queried_at`."""
    status = max((status for _, status in _statuses(readings, thresholds)), key=_WORSE.index, default="healthy")
    return {**asdict(readings), "status": status, "queried_at": rfc3339(now)}


def unreachable(now: float) -> dict[str, Any]:
    """The summary of a server nothing could be had of."""
    return {**asdict(Readings()), "status": "unreachable", "queried_at": rfc3339(now)}


def metrics(facts: Mapping[str, Any]) -> dict[str, float | None]:
    """The summary's numbers as an observation's values."""
    return {name: facts[name] for name in _METRICS}


def said(readings: Readings, thresholds: Mapping[str, Sequence[float]]) -> str:
    """The summary as a person reads it: "cpu 97 % (critical), memory 41 %, disk 60 %"."""
    statuses = dict(_statuses(readings, thresholds))
    parts = []
    for name in DEFAULT_THRESHOLDS:
        percent = getattr(readings, f"{name}_percent")
        status = statuses.get(name, "healthy")
        known = "unknown" if percent is None else f"{percent:.0f} %"
        parts.append(f"{name} {known}" + ("" if status == "healthy" else f" ({status})"))
    return ", ".join(parts)


def _statuses(readings: Readings, thresholds: Mapping[str, Sequence[float]]) -> list[tuple[str, str]]:
    found = []
    for name, default in DEFAULT_THRESHOLDS.items():
        percent = getattr(readings, f"{name}_percent")
        warning, critical = thresholds.get(name, default)
        if percent is not None:
            found.append((name, _WORSE[(percent >= warning) + (percent >= max(warning, critical))]))
    return found
