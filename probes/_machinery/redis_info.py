"""What Redis tells of itself by INFO."""

from collections.abc import Mapping
from typing import Any

_KEPT = (
    "redis_version",
    "role",
    "master_link_status",
    "master_last_io_seconds_ago",
    "connected_slaves",
    "used_memory",
    "maxmemory",
    "connected_clients",
    "maxclients",
    "evicted_keys",
    "rejected_connections",
    "rdb_last_bgsave_status",
    "aof_last_write_status",
    "uptime_in_seconds",
    "loading",
)


def read(answer: bytes) -> dict[str, Any]:
    """Field → number or text; a field with parts, such as db0, → those: {"db0": {"keys": 12, "expires": 0}}."""
    found: dict[str, Any] = {}
    for line in answer.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith("#"):
            found[name] = _parts(value) if "=" in value else number(value)
    return found


def kept(info: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth keeping of it."""
    return {name: info[name] for name in _KEPT if name in info}


def info_values(info: Mapping[str, Any]) -> dict[str, float | None]:
    """used_memory_bytes, memory_percent (of maxmemory, None where there is none), connected_clients."""
    used, most = _float(info.get("used_memory")), _float(info.get("maxmemory"))
    return {
        "used_memory_bytes": used,
        "memory_percent": used / most * 100 if used is not None and most else None,
        "connected_clients": _float(info.get("connected_clients")),
    }


def number(text: str) -> int | float | str:
    """A number where it is one, else the text."""
    for kind in (int, float):
        try:
            return kind(text) if text.strip() == text and "_" not in text else text
        except ValueError:
            continue
    return text


def _parts(text: str) -> Any:
    pairs = [part.partition("=") for part in text.split(",")]
    return {name: number(value) for name, _, value in pairs} if all(equal for _, equal, _ in pairs) else text


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
