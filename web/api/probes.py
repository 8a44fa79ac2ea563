"""Probes run on request: of any kind, recording nothing; and those the configuration declares, judged as any look."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

import probes
from alerting import pipeline
from alerting.configuration.targets import Incomplete, complete
from alerting.looks import whole
from alerting.notices import rfc3339
from alerting.store import baselines
from alerting.store.database import reading
from probes import Observation
from probes._machinery.checking import check_config, files_in
from schemas import Fault
from web.answers import answer
from web.api.alerts import CHANGE
from web.auth import known_caller, require
from web.bodies import document, optional_body, raw_body
from web.errors import Problem, bad_input
from web.looking import Policy, file_policy, look, public_policy
from web.state import now, vedette
from web.watched import Watched, one

blueprint = Blueprint("probes", __name__)


@blueprint.post("/probes/<kind>")
@require(CHANGE, connected=False)
def run_probe(kind: str) -> Response:
    """Look once at what the body configures (or its `config`), and say what was seen. Nothing is recorded."""
    if kind not in probes.kinds():
        raise Problem(404, f"there is no probe of that kind; there are: {', '.join(probes.kinds())}")
    given, pointer = _given()
    config = _complete(kind, given, pointer)
    if faults := check_config(kind, config) or _files(given):
        raise _faulty([Fault(f"{pointer}{fault.pointer}", fault.message) for fault in faults])
    return answer(_shown(kind, look(kind, config, _policy(kind, given))))


@blueprint.post("/monitoring/checks/<name>/run")
@require(CHANGE, connected=False)
def run_check(name: str) -> Response:
    """Look at a check now."""
    return _run("check", name)


@blueprint.post("/monitoring/servers/<name>/run")
@require(CHANGE, connected=False)
def run_server(name: str) -> Response:
    """Look at a server now."""
    return _run("server", name)


@blueprint.post("/monitoring/environments/<name>/run")
@require(CHANGE, connected=False)
def run_environment(name: str) -> Response:
    """Look at an environment's replica now."""
    return _run("environment", name)


def _run(sort: str, name: str) -> Response:
    """Look at it, and have what was seen judged and stored like any other look."""
    optional_body("api/empty")
    with reading():
        watched = one(sort, name)
        documents = baselines.fresh(baselines.NONE).documents
    watch = watched.watch
    if not known_caller().may(CHANGE, watch.organization):
        raise Problem(403, f"this needs the permission {CHANGE} in that organization")
    state = vedette()
    seen = look(watch.kind, whole(watch, documents), file_policy(state.config), _previous(watched))
    observation = replace(seen, subject=watch.subject, at=now())
    pipeline.ingest(state.config, [observation], observation.at)
    shown = _shown(watch.kind, observation)
    return answer({"id": watch.name, **shown, "observed_at": rfc3339(observation.at)})


def _previous(watched: Watched) -> Observation | None:
    return None if watched.state is None else watched.state.observation


def _given() -> tuple[Mapping[str, Any], str]:
    """The probe's configuration in the body, and where it stands there. No kind has a key `config` of its own."""
    given = document() if raw_body() else {}
    if isinstance(given, dict) and list(given) == ["config"]:
        given, pointer = given["config"], "/config"
    else:
        pointer = ""
    if not isinstance(given, dict):
        raise _faulty([Fault(pointer, "expected an object: the probe's configuration")])
    return given, pointer


def _complete(kind: str, given: Mapping[str, Any], pointer: str) -> Mapping[str, Any]:
    """With what the configuration file keeps for it, of the caller's organizations alone."""
    config, where = vedette().config, known_caller().where(CHANGE)
    if "ssh" in given and "private_key" not in given and not _may_log_in(given["ssh"], where):
        said = "with Vedette's own key, only what the configuration of your organization logs in to may be asked"
        raise _faulty([Fault(f"{pointer}/ssh", f"{said}; expected such a host, or a private_key")])
    owners = {pool.name: pool.organization for pool in config.pools if where is None or pool.organization in where}
    try:
        return complete(config, kind, given, None if where is None else owners.get(str(given.get("pool")), ""))
    except Incomplete as reason:
        raise _faulty([Fault(f"{pointer}{reason.pointer}", reason.message)]) from None


def _files(given: Mapping[str, Any]) -> list[Fault]:
    """What a caller's own DSNs would have us read or write here: this machine's files are not the caller's."""
    named = [(key, files_in(given[key])) for key in ("dsn", "standby_dsn") if key in given]
    return [Fault(f"/{key}", f"names files of this machine: {', '.join(files)}") for key, files in named if files]


def _may_log_in(login: Any, where: frozenset[str] | None) -> bool:
    """A key of the whole installation opens more doors than one organization's."""
    if where is None:
        return True
    return any(watch.config.get("ssh") == login for watch in vedette().config.watches if watch.organization in where)


def _policy(kind: str, given: Mapping[str, Any]) -> Policy:
    """Several organizations share the machine Vedette runs on, and its network: neither is any one's to explore."""
    config, everywhere = vedette().config, known_caller().where(CHANGE) is None
    declared = ("pool" in given and "standby_dsn" not in given) or ("ssh" in given and "private_key" not in given)
    if everywhere or len(config.organizations) <= 1 or declared:
        return file_policy(config)
    if kind == "local":
        raise Problem(403, "this machine is for superusers to look at, where several organizations share it")
    return public_policy(config)


def _faulty(faults: list[Fault]) -> Problem:
    return bad_input("the probe cannot take this configuration", faults)


def _shown(kind: str, seen: Observation) -> dict[str, Any]:
    return {
        "kind": kind,
        "status": seen.status,
        "message": seen.message,
        "values": dict(seen.values),
        "facts": dict(seen.facts),
        "duration_seconds": seen.duration,
    }
