"""Servers: their summaries as last seen."""

from typing import Any

from flask import Blueprint, Response

from alerting.notices import rfc3339
from web.answers import answer, listed
from web.auth import require
from web.watched import UNKNOWN, VIEW, Watched, one, visible

blueprint = Blueprint("servers", __name__)

FIELDS = (
    "cpu_percent",
    "memory_percent",
    "memory_used_bytes",
    "memory_total_bytes",
    "disk_percent",
    "disk_used_bytes",
    "disk_total_bytes",
    "network_rx_rate",
    "network_tx_rate",
    "container_count",
    "containers_healthy",
    "containers_unhealthy",
)
"""The numbers of a summary. One that could not be had is None, never 0."""


@blueprint.get("/monitoring/servers")
@require(VIEW)
def list_servers() -> Response:
    """Every server with its summary."""
    return listed(shown(server) for server in visible("server"))


@blueprint.get("/monitoring/servers/<name>/summary")
@require(VIEW)
def show_summary(name: str) -> Response:
    """One server's summary."""
    return answer(summary(one("server", name)))


def shown(server: Watched) -> dict[str, Any]:
    """A server as the list has it."""
    facts = {} if server.state is None else server.state.observation.facts
    return {
        "id": server.watch.name,
        "name": server.watch.name,
        "organization": server.watch.organization,
        "streaming_status": streaming_status(server),
        "machine_guid": facts.get("machine_guid") or server.watch.config.get("machine_guid"),
        "netdata_version": facts.get("netdata_version"),
        "since": rfc3339(server.since),
        **summary(server),
        "managed_by": "config",
    }


def summary(server: Watched) -> dict[str, Any]:
    """The numbers of a server as last seen, and its status, which is `unknown` where that is too long ago."""
    facts = {} if server.state is None else server.state.observation.facts
    numbers = {name: facts.get(name) for name in FIELDS}
    return {**numbers, "status": _status(server), "queried_at": _queried_at(server)}


def streaming_status(server: Watched) -> str:
    """Whether its numbers reach us: connected, disconnected, pending (never looked at), error (we could not look)."""
    if server.state is None:
        return "pending"
    if server.stale or server.state.observation.status == "unknown":
        return "error"
    return "disconnected" if _status(server) == "unreachable" else "connected"


def _status(server: Watched) -> str:
    if server.state is None or server.stale:
        return UNKNOWN
    return str(server.state.observation.facts.get("status") or UNKNOWN)


def _queried_at(server: Watched) -> str | None:
    if server.state is None:
        return None
    told = server.state.observation.facts.get("queried_at")
    return told if isinstance(told, str) else rfc3339(server.state.observation.at)
