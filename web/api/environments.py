"""Environments, how their replicas are, and the server and containers they run in."""

from typing import Any

from flask import Blueprint, Response

from alerting import replicas
from alerting.config import Environment
from alerting.notices import rfc3339
from probes._machinery.netdata_containers import RUNNING, matches
from web.answers import answer, listed
from web.api import servers
from web.auth import known_caller, require
from web.errors import not_found
from web.state import vedette
from web.watched import VIEW, Watched, one, visible

blueprint = Blueprint("environments", __name__)


@blueprint.get("/monitoring/environments")
@require(VIEW)
def list_environments() -> Response:
    """Every environment: those whose replica is watched, then those without one."""
    watched = visible("environment")
    names = {each.watch.name for each in watched}
    others = [each for each in vedette().config.environments if each.name not in names and _may_see(each)]
    return listed([*map(shown, watched), *map(_without_replica, others)])


@blueprint.get("/monitoring/environments/<name>/replicas/health")
@require(VIEW)
def show_replica(name: str) -> Response:
    """How the replica of one environment is."""
    return answer(replica(one("environment", name)))


@blueprint.get("/monitoring/environments/<name>/metrics")
@require(VIEW)
def show_metrics(name: str) -> Response:
    """The server that one environment runs on, and those of its containers that are the environment's."""
    found = next((each for each in vedette().config.environments if each.name == name), None)
    if found is None or not _may_see(found):
        raise not_found("environment")
    return answer(metrics(found, one("server", found.server) if found.server else None))


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


def _without_replica(environment: Environment) -> dict[str, Any]:
    return {
        "id": environment.name,
        "name": environment.name,
        "organization": environment.organization,
        "project_id": environment.project,
        "server_id": environment.server,
        "replica": None,
        "managed_by": "config",
    }


def _may_see(environment: Environment) -> bool:
    where = known_caller().where(VIEW)
    return where is None or environment.organization in where


def metrics(environment: Environment, server: Watched | None) -> dict[str, Any]:
    """The summary of an environment's server, its own containers, and how many of them run; None where not known."""
    summary = None if server is None else servers.summary(server)
    own = [] if server is None else _containers(environment, server)
    known = summary is not None and summary["container_count"] is not None and environment.containers
    running = [str(one["container_name"]) for one in own if one["status"] == RUNNING]
    down = [name for name in servers.containers_down(server) if _is_named(name, environment)] if server else []
    unmatched = [each for each in environment.containers if not any(matches(name, each) for name in [*running, *down])]
    missing = len(down) + len(unmatched)
    return {
        "environment_id": environment.name,
        "environment_name": environment.name,
        "project_id": environment.project,
        "server_id": environment.server,
        "server_name": environment.server,
        "summary": summary,
        "containers": own,
        "container_count": len(running) + missing if known else None,
        "containers_healthy": len(running) if known else None,
        "containers_unhealthy": missing if known else None,
        "queried_at": None if summary is None else summary["queried_at"],
    }


def _containers(environment: Environment, server: Watched) -> list[dict[str, Any]]:
    return [each for each in servers.containers(server) if _is_named(str(each["container_name"]), environment)]


def _is_named(container: str, environment: Environment) -> bool:
    return any(matches(container, pattern) for pattern in environment.containers)


def replica(environment: Watched) -> dict[str, Any]:
    """A replica's health (`schemas/api/replica_health.json`). Where nobody could tell, or not for long: an error."""
    return {"environment_id": environment.watch.name, **_health(environment), "since": rfc3339(environment.since)}


def _health(environment: Watched) -> dict[str, Any]:
    if environment.state is None:
        return replicas.unseen("not looked at yet", None)
    health = replicas.health(environment.state.observation)
    if environment.stale:
        return replicas.unseen(f"not looked at since {rfc3339(environment.since)}", health["last_check"])
    return health
