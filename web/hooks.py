"""/hooks/<source>/<key>: other programs tell of their alerts here; nobody signs in, the key is the secret."""

import base64
import hmac
import logging
from typing import Any

from flask import Blueprint, current_app, request

from alerting import hooked, reports, sources
from alerting.config import SEVERITIES, Hook
from alerting.configuration.heartbeats import digest
from alerting.reports import Made
from alerting.sources import Report, Unusable, netdata
from schemas import Fault
from web.bodies import body
from web.errors import Problem, bad_input, not_found
from web.pace import Pace
from web.state import now, vedette

_PER_SECOND, _AT_ONCE = 50.0, 10_000.0  # alerts of one hook, on the average and in a burst: all of an outage at once
_LONGEST_CHALLENGE = 1000

logger = logging.getLogger("vedette.hooks")

blueprint = Blueprint("hooks", __name__)


@blueprint.post("/hooks/<source>/<key>")
def take(source: str, key: str) -> tuple[dict[str, Any], int]:
    """Take one payload, all of it or nothing, and answer what was made of it."""
    hook = _hook(source, key)
    document = body(f"sources/{source}")
    told = _reports(hook, document)
    _pace().keep(hook.name, "this hook is told too much at once", max(1, len(told)))
    if not told:
        _show_token(hook, document)
    made = reports.take(vedette().config, hook, told, now())
    return {"hook": hook.name, "source": hook.source, "alerts": [_shown(one) for one in made]}, 202


@blueprint.get("/hooks/netdata/<key>")
def answer_challenge(key: str) -> dict[str, str]:
    """Prove to Netdata Cloud, as it asked until 2025, that its own secret is known here: that is the hook's key."""
    _hook("netdata", key)
    challenge = request.args.get("crc_token", "")
    if not 0 < len(challenge) <= _LONGEST_CHALLENGE:
        raise bad_input("alerts are told by POST; a GET brings the parameter crc_token")
    proof = hmac.digest(key.encode(), challenge.encode("utf-8", "replace"), "sha256")
    return {"response_token": f"sha256={base64.b64encode(proof).decode()}"}


def _hook(source: str, key: str) -> Hook:
    config = vedette().config
    hook = config.hook_of.get(config.hook_keys.get(digest(key), ""))
    if hook is not None and hook.source == source:
        return hook
    if not config.digest:  # no file was ever read: whose key this is cannot be told
        raise Problem(503, "the configuration cannot be used just now", headers={"Retry-After": "10"})
    raise not_found("hook")


def _reports(hook: Hook, document: Any) -> list[Report]:
    try:
        told = sources.find(hook.source).reports(document, hook)
    except Unusable as error:
        raise bad_input("the body is not as it should be", [Fault(error.pointer, error.message)]) from None
    if len(told) > sources.MOST:
        raise Problem(413, f"a payload may be about at most {sources.MOST} alerts; this one is about {len(told)}")
    return told


def _show_token(hook: Hook, document: Any) -> None:
    """Cloud's "Test" sends a token that a person types in there: the log is where that person finds it."""
    if hook.source == "netdata":
        token = netdata.verification_token(document)
        logger.info("hook %s: Netdata Cloud's verification token is %s", hook.name, token)


def _pace() -> Pace:
    found: Pace = current_app.extensions.setdefault("hooks", Pace(_PER_SECOND, _AT_ONCE))
    return found


def _shown(made: Made) -> dict[str, Any]:
    level = made.report.level
    return {
        "subject": made.subject,
        "fingerprint": hooked.fingerprint_of(made.subject),
        "title": made.report.title,
        "severity": SEVERITIES[level - 1] if level else None,
        "outcome": made.outcome,
        "alert_id": made.alert,
    }
