"""Environments, and how their replicas are."""

from typing import Any

from flask import Blueprint, Response

from alerting.notices import rfc3339
from web.answers import answer, listed
from web.auth import require
from web.watched import UNKNOWN, VIEW, Watched, one, visible

blueprint = Blueprint("environments", __name__)


@blueprint.get("/monitoring/environments")
@require(VIEW)
def list_environments() -> Response:
    """Every environment whose replica is watched."""
    return listed(shown(environment) for environment in visible("environment"))


@blueprint.get("/monitoring/environments/<name>/replicas/health")
@require(VIEW)
def show_replica(name: str) -> Response:
    """How the replica of one environment is."""
    return answer(replica(one("environment", name)))


def shown(environment: Watched) -> dict[str, Any]:
    """An environment as the list has it."""
    watch = environment.watch
    return {
        "id": watch.name,
        "name": watch.name,
        "organization": watch.organization,
        "project_id": watch.project,
        "server_id": watch.server,
        "replica": replica(environment),
        "managed_by": "config",
    }


def replica(environment: Watched) -> dict[str, Any]:
    """A replica's health: online, lagging, offline, error; `unknown` where the last look is too long ago."""
    seen = None if environment.state is None else environment.state.observation
    facts = {} if seen is None else seen.facts
    return {
        "environment_id": environment.watch.name,
        "status": facts.get("status") or UNKNOWN if environment.known else UNKNOWN,
        "lag_bytes": facts.get("lag_bytes"),
        "lag_seconds": facts.get("lag_seconds"),
        "error_message": _error(environment, facts.get("error_message")),
        "last_check": None if seen is None else facts.get("last_check") or rfc3339(seen.at),
        "since": rfc3339(environment.since),
    }


def _error(environment: Watched, told: str | None) -> str | None:
    if environment.state is None:
        return "not looked at yet"
    return f"not looked at since {rfc3339(environment.since)}" if environment.stale else told
