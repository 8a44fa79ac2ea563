"""Kind `local`: the machine Vedette runs on, without Netdata."""

from collections.abc import Generator, Mapping
from typing import Any

from probes._machinery.observation import Observation
from probes._machinery.requests import HostQuery, HostReply, Reply, Request, Sleep
from probes._machinery.summary import Readings, metrics, said, summary, unreachable

_FIRST_WAIT = 1.0  # seconds over which the processor is measured when nobody has looked before
_COUNTERS = ("network_rx_bytes", "network_tx_bytes", "boot_at")


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """Always ok: metric rules judge the values. Unknown when the platform gives no readings.

    values: those of `netdata`; network rates since `previous`, None on a first look
    facts: the server summary, and the counters the next look needs
    """
    reply = yield HostQuery()
    assert isinstance(reply, HostReply)
    if reply.error is None and reply.cpu_percent is None:
        yield Sleep(_FIRST_WAIT)
        reply = yield HostQuery()
        assert isinstance(reply, HostReply)
    if reply.error is not None:
        return Observation("unknown", {}, reply.error, unreachable(now))
    readings, thresholds = _readings(reply, now, previous), config.get("thresholds", {})
    facts = summary(readings, thresholds, now)
    counters = {name: getattr(reply, name) for name in _COUNTERS} | {"counted_at": now}
    return Observation("ok", metrics(facts), said(readings, thresholds), facts | counters)


def _readings(reply: HostReply, now: float, previous: Observation | None) -> Readings:
    before = previous.facts if previous is not None else {}
    return Readings(
        cpu_percent=reply.cpu_percent,
        memory_percent=reply.memory_percent,
        memory_used_bytes=reply.memory_used_bytes,
        memory_total_bytes=reply.memory_total_bytes,
        disk_percent=reply.disk_percent,
        disk_used_bytes=reply.disk_used_bytes,
        disk_total_bytes=reply.disk_total_bytes,
        network_rx_rate=_rate("network_rx_bytes", reply, now, before),
        network_tx_rate=_rate("network_tx_bytes", reply, now, before),
    )


def _rate(name: str, reply: HostReply, now: float, before: Mapping[str, Any]) -> float | None:
    """Bytes a second since the last look; None without one, or when the counter began anew (a restart)."""
    counter, earlier, since = getattr(reply, name), before.get(name), before.get("counted_at")
    if counter is None or earlier is None or since is None or now <= since or counter < earlier:
        return None
    return float((counter - earlier) / (now - since))
