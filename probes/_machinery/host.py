"""Readings of the machine Vedette runs on, by psutil."""

import psutil

from probes._machinery.requests import HostReply

_INNER = ("lo", "docker", "veth", "br-", "virbr", "cni", "flannel")  # traffic that never leaves the machine


class Host:
    """Keeps the processor's counters between two looks: a percentage is of the time since the last one."""

    def __init__(self) -> None:
        self._busy_and_total: tuple[float, float] | None = None

    def look(self) -> HostReply:
        """The readings now. `cpu_percent` is None on the first look."""
        try:
            memory, disk, (received, sent) = psutil.virtual_memory(), psutil.disk_usage("/"), _network_bytes()
        except (OSError, psutil.Error) as trouble:
            return HostReply(error=f"this machine's readings could not be had: {trouble}")
        memory_used = memory.total - memory.available
        return HostReply(
            cpu_percent=self._cpu_percent(),
            memory_used_bytes=memory_used,
            memory_total_bytes=memory.total,
            memory_percent=100 * memory_used / memory.total,
            disk_used_bytes=disk.used,
            disk_total_bytes=disk.total,
            disk_percent=100 * disk.used / (disk.used + disk.free),  # as df: what is reserved for root is no one's
            network_rx_bytes=received,
            network_tx_bytes=sent,
            boot_at=psutil.boot_time(),
        )

    def _cpu_percent(self) -> float | None:
        times = psutil.cpu_times()
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        busy = total - times.idle
        last, self._busy_and_total = self._busy_and_total, (busy, total)
        if last is None or total <= last[1]:
            return None
        return min(100.0, max(0.0, 100 * (busy - last[0]) / (total - last[1])))


def _network_bytes() -> tuple[float | None, float | None]:
    """Bytes received and sent since boot over the interfaces that lead outside."""
    interfaces = psutil.net_io_counters(pernic=True)
    outer = [counters for name, counters in interfaces.items() if not name.startswith(_INNER)]
    if not outer:
        return None, None
    return float(sum(one.bytes_recv for one in outer)), float(sum(one.bytes_sent for one in outer))
