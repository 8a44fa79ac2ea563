"""Observations: what was seen of a check, a server, an environment or a heartbeat, look by look or by the hour."""

from typing import Any

from flask import Blueprint, Response

from alerting.config import Watch
from alerting.notices import rfc3339
from alerting.samples import Rollup, Sample, Spread
from alerting.store import history
from schemas import Fault
from web.answers import listed
from web.auth import require
from web.bodies import choice, cursor, limit, moment
from web.errors import bad_input
from web.watched import VIEW, one

blueprint = Blueprint("observations", __name__)

_SORTS = {"checks": "check", "servers": "server", "environments": "environment", "heartbeats": "heartbeat"}
_BEGINNING, _END = 0.0, 253_402_300_800.0  # the years 1970 and 10000


@blueprint.get("/monitoring/<any(checks, servers, environments, heartbeats):sort>/<name>/observations")
@require(VIEW)
def list_observations(sort: str, name: str) -> Response:
    """What was seen of one, newest first: every look of the last 7 days, or hours of the last 13 months."""
    watch = one(_SORTS[sort], name).watch
    since, until = moment("since") or _BEGINNING, moment("until") or _END
    if since > until:
        raise bad_input("since lies after until", [Fault("/since", "later than until")])
    below = cursor()
    until = until if below is None else min(until, below / 1000)
    by_the_hour = choice("resolution", ("raw", "hour")) == "hour"
    return (_hours if by_the_hour else _looks)(watch, since, until, limit(100))


def _looks(watch: Watch, since: float, until: float, most: int) -> Response:
    found = history.samples(watch, since, until, most + 1)
    return listed(map(_look, found[:most]), _cursor(found[most - 1].at) if len(found) > most else None)


def _hours(watch: Watch, since: float, until: float, most: int) -> Response:
    found = history.rollups(watch, since, until, most + 1)
    return listed(map(_hour, found[:most]), _cursor(found[most - 1].hour) if len(found) > most else None)


def _cursor(at: float) -> str:
    return str(round(at * 1000))


def _look(sample: Sample) -> dict[str, Any]:
    shown = {"at": rfc3339(sample.at), "status": sample.status, "values": dict(sample.values)}
    message = {} if sample.message is None else {"message": sample.message}
    return {**shown, **message, "duration_seconds": sample.duration}


def _hour(rollup: Rollup) -> dict[str, Any]:
    return {
        "at": rfc3339(rollup.hour),
        "status": rollup.status,
        "statuses": dict(rollup.statuses),
        "count": rollup.count,
        "values": {name: _spread(spread) for name, spread in rollup.values.items()},
        "duration_seconds": rollup.duration.average,
    }


def _spread(spread: Spread | None) -> dict[str, Any] | None:
    if spread is None:
        return None
    return {
        "min": spread.least,
        "avg": spread.average,
        "max": spread.most,
        "last": spread.last,
        "count": spread.count,
    }
