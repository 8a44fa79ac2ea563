"""Servers: their summaries as last seen, their containers, and their past."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response

from alerting.config import Config, Watch
from alerting.notices import rfc3339
from alerting.store.database import reading
from web import server_history
from web.answers import answer, listed
from web.auth import require
from web.bodies import choice, is_true
from web.state import now, vedette
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


@blueprint.get("/monitoring/servers/<name>/metrics")
@require(VIEW, connected=False)
def show_metrics(name: str) -> Response:
    """One server's summary and containers and, where asked for, its past as series."""
    span = choice("time_range", server_history.RANGES) or "1h"
    with_series = is_true("include_timeseries")
    with reading():
        server = one("server", name)
    shown = summary(server)
    found = server_history.past(vedette().config, server.watch, span, now()) if with_series else None
    return answer(
        {
            "server_id": server.watch.name,
            "server_name": server.watch.name,
            "summary": shown,
            "containers": containers(server),
            "timeseries": None if found is None else server_history.shown(found),
            "timeseries_error": None if found is None else found.trouble,
            "netdata_dashboard_url": dashboard_url(vedette().config, server.watch),
            "queried_at": shown["queried_at"] if found is None else rfc3339(found.at),
        }
    )


def shown(server: Watched) -> dict[str, Any]:
    """A server as the list has it."""
    facts = {} if server.state is None else server.state.observation.facts
    return {
        "id": server.watch.name,
        "name": server.watch.name,
        "organization": server.watch.organization,
        "streaming_status": streaming_status(server),
        "machine_guid": server.watch.config.get("machine_guid") or facts.get("machine_guid"),
        "netdata_version": facts.get("netdata_version"),
        "since": rfc3339(server.since),
        **summary(server),
        "managed_by": "config",
    }


def summary(server: Watched) -> dict[str, Any]:
    """The numbers of a server as last seen, and its status, which is `unknown` where that is too long ago."""
    facts = _facts(server)
    numbers = {name: facts.get(name) for name in FIELDS}
    return {**numbers, "status": _status(server), "queried_at": _queried_at(server)}


def containers(server: Watched) -> list[dict[str, Any]]:
    """The server's containers as last seen; none where that is not known."""
    return list(_facts(server).get("containers") or ())


def containers_down(server: Watched) -> list[str]:
    """The names of containers that should run and do not."""
    known = _facts(server).get("containers_known") or {}
    return [name for name, one in known.items() if one.get("down_since") is not None]


def dashboard_url(config: Config, watch: Watch) -> str | None:
    """Where a person opens the server's Netdata; None where that is not known."""
    url = watch.config.get("url")
    if watch.kind != "netdata" or "ssh" in watch.config or url is None:
        return None
    public = next((parent.public_url for parent in config.netdata if parent.url == url and parent.public_url), None)
    guid = watch.config.get("machine_guid")
    host = f"/host/{guid.lower()}/" if guid else "/"
    return (public or _without_user(url)).rstrip("/") + host


def streaming_status(server: Watched) -> str:
    """Whether its numbers reach us: connected, disconnected, pending (never had any yet), error (we could not look)."""
    if server.state is None:
        return "pending"
    if server.stale or _unseen(server):
        return "error"
    told = server.state.observation.facts.get("streaming_status")
    fallback = "error" if server.state.observation.status == "unknown" else "connected"
    return str(told or ("disconnected" if _status(server) == "unreachable" else fallback))


def _facts(server: Watched) -> Mapping[str, Any]:
    """What the last look saw; nothing where it could not tell or is too long ago: old numbers are no numbers."""
    if server.state is None or server.stale or server.state.observation.status == "unknown":
        return {}
    return server.state.observation.facts


def _unseen(server: Watched) -> bool:
    """Whether nobody could look for so long that this was noted: the facts then are those of the look before."""
    if server.state is None or server.state.observation.status != "unknown":
        return False
    return server.state.observation.facts.get("status") != "unreachable"


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _status(server: Watched) -> str:
    if server.state is None or server.stale or _unseen(server):
        return UNKNOWN
    return str(server.state.observation.facts.get("status") or UNKNOWN)


def _queried_at(server: Watched) -> str | None:
    if server.state is None:
        return None
    told = server.state.observation.facts.get("queried_at")
    return told if isinstance(told, str) else rfc3339(server.state.observation.at)
