"""Heartbeats: jobs that ping, how each is, and its last pings with their logs."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response

from alerting import heartbeats
from alerting.notices import rfc3339
from alerting.store import heartbeats as kept
from probes import Observation
from web import bodies
from web.answers import answer, listed
from web.auth import require
from web.ping import LOG_KEPT
from web.state import now
from web.watched import VIEW, Watched, one, visible

blueprint = Blueprint("heartbeats", __name__)

_FACTS = ("status", "last_ping_at", "next_expected_at", "deadline_at", "started_at", "last_run_seconds", "exit_status")
_TIMES = ("period", "cron", "timezone", "grace", "max_runtime")


@blueprint.get("/monitoring/heartbeats")
@require(VIEW)
def list_heartbeats() -> Response:
    """Every heartbeat, in the file's order."""
    return listed(document for _, _, document in shown(visible("heartbeat")))


@blueprint.get("/monitoring/heartbeats/<name>")
@require(VIEW)
def show_heartbeat(name: str) -> Response:
    """One heartbeat."""
    [(_, _, document)] = shown([one("heartbeat", name)])
    return answer(document)


@blueprint.get("/monitoring/heartbeats/<name>/pings")
@require(VIEW)
def list_pings(name: str) -> Response:
    """Its last pings, newest first, with their logs."""
    watched = one("heartbeat", name)
    most = bodies.limit()
    found = kept.page(watched.watch.subject, bodies.cursor(), most)
    return listed((_ping(row) for row in found), found[-1]["id"] if len(found) == most else None)


def shown(found: Sequence[Watched]) -> list[tuple[Watched, Observation, dict[str, Any]]]:
    """Each of these as it is now, and as the API has it. Its key is no part of that."""
    looks = heartbeats.look([watched.watch for watched in found], now())
    return [(watched, seen, _document(watched, seen)) for watched, seen in zip(found, looks, strict=True)]


def _document(watched: Watched, seen: Observation) -> dict[str, Any]:
    watch = watched.watch
    return {
        "id": watch.name,
        "name": watch.name,
        "description": watch.description or None,
        "organization": watch.organization,
        "project_id": watch.project,
        "server_id": watch.server,
        "environment_id": watch.environment,
        **{key: watch.config.get(key) for key in _TIMES},
        **{key: seen.facts.get(key) for key in _FACTS},
        "message": seen.message,
        "since": rfc3339(watched.since),
        "managed_by": "config",
    }


def _ping(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "at": rfc3339(row["at"]),
        "kind": row["kind"],
        "exit_status": row["exit_status"],
        "source": row["source"],
        "run_id": row["run"] or None,
        "run_seconds": row["run_seconds"],
        "log": row["log"],
        "log_bytes": row["log_bytes"],
        "log_truncated": row["log_bytes"] > LOG_KEPT,
    }
