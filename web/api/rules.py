"""Alert rules: those of the file, those everybody starts with, and those made here, which alone can be changed here."""

import time
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, request

from alerting import retrospect
from alerting.backtest import Tried
from alerting.config import Rule, Watch
from alerting.configuration.parts import text_of
from alerting.configuration.rules import faults
from alerting.configuration.values import span
from alerting.notices import rfc3339
from alerting.overlay import rule_from, with_rules
from alerting.rules import identity
from alerting.shown import rule_document
from alerting.store import rules
from alerting.store.database import reading, taking_turns
from alerting.store.rules import Made
from schemas import Fault
from web.answers import answer, listed, organization_for
from web.auth import known_caller, require
from web.bodies import choice, document
from web.errors import Problem, bad_input, not_found
from web.state import now, vedette

blueprint = Blueprint("rules", __name__)

VIEW, CHANGE = "org.monitoring.alerts.view", "org.monitoring.alerts.configure"
MANAGED_BY = ("config", "api", "default")
MOST = 1000
"""Rules an organization may make."""

_PATIENCE = 10.0  # seconds of looking back in one request; what is left is named
_LARGEST_ID = 2**63 - 1
_READ_ONLY = ("id", "managed_by", "created_at", "created_by", "changed_at", "changed_by")
_ELSEWHERE = {
    "config": "the configuration file has this rule; change it there",
    "default": "everybody starts with this rule; make one of the same alert_type and severity, and it takes its place",
}


@blueprint.get("/monitoring/alerts/rules")
@require(VIEW)
def list_rules() -> Response:
    """Every rule: the file's own first, then those made here, then those everybody starts with."""
    managed_by = choice("managed_by", MANAGED_BY)
    ours, defaults = _declared("config"), _declared("default")
    shown = [*map(rule_document, ours), *map(_made_document, _made()), *map(rule_document, defaults)]
    return listed(one for one in shown if managed_by in (None, one["managed_by"]))


@blueprint.get("/monitoring/alerts/rules/<path:rule_id>")
@require(VIEW)
def show_rule(rule_id: str) -> Response:
    """One rule."""
    found = _visible(rule_id)
    return answer(_made_document(found) if isinstance(found, Made) else rule_document(found))


@blueprint.post("/monitoring/alerts/rules")
@require(CHANGE)
def add() -> Response:
    """Make one: 201 with it. It is in force here at once, and everywhere within seconds."""
    asked = _asked()
    organization = organization_for(CHANGE, text_of(asked, "organization"))
    with taking_turns():
        _hold(asked, organization)
        if len(rules.listed([organization])) >= MOST:
            raise bad_input(f"an organization may make at most {MOST} rules")
        made = rules.add(organization, _kept(asked), known_caller().name, now())
    vedette().refresh_rules()
    return answer(_made_document(made), 201)


@blueprint.put("/monitoring/alerts/rules/<path:rule_id>")
@require(CHANGE)
def change(rule_id: str) -> Response:
    """Put another in its place, under the same id: what it leaves out is as in a new one."""
    found, asked = _changeable(rule_id), _asked()
    with taking_turns():
        _hold(asked, found.organization, found.id)
        if (changed := rules.change(found.id, _kept(asked), known_caller().name, now())) is None:
            raise not_found("rule")
    vedette().refresh_rules()
    return answer(_made_document(changed))


@blueprint.delete("/monitoring/alerts/rules/<path:rule_id>")
@require(CHANGE)
def delete(rule_id: str) -> Response:
    """Delete it. An alert of it ends, and whoever was told of that is told so, or goes on under a rule in its place."""
    rules.remove(_changeable(rule_id).id)
    vedette().refresh_rules()
    return Response(status=204)


@blueprint.post("/monitoring/alerts/rules/<path:rule_id>/backtest")
@require(VIEW, connected=False)
def backtest(rule_id: str) -> Response:
    """When it would have fired, for how long, with how many messages. `since=7d`, `subject=server/prod-1` for one."""
    with reading():
        found, where, at = _visible(rule_id), known_caller().where(VIEW), now()
    rule = rule_from(found) if isinstance(found, Made) else found
    since = at - _since()
    watches = retrospect.watches(vedette().watcher.config, rule, where)
    if (subject := request.args.get("subject")) is not None:
        watches = [watch for watch in watches if watch.subject == subject]
        if not watches:
            raise bad_input("the rule is not about this subject", [Fault("/subject", "not one it is about")])
    tried = list(_tried(rule, watches, since, at))
    left_out = [watch.subject for watch in watches[len(tried) :]]
    return answer({**retrospect.document(rule, tried, since, at), "left_out": left_out})


def _since() -> float:
    """How far the caller wants to look back, in seconds."""
    seconds = span(request.args.get("since", "7d"))
    if seconds is None or not 0 < seconds <= retrospect.LONGEST:
        said = f"a duration such as 12h, 7d or 30d, of at most {retrospect.LONGEST / 86400:.0f}d"
        raise bad_input(f"the parameter since is {said}", [Fault("/since", f"expected {said}")])
    return seconds


def _tried(rule: Rule, watches: list[Watch], since: float, at: float) -> Iterator[Tried]:
    """One subject after the other, for as long as a caller waits; others have their turn in between."""
    begun = time.monotonic()
    for watch in watches:
        yield retrospect.tried(rule, watch, since, at)
        if time.monotonic() - begun > _PATIENCE:
            return
        time.sleep(0)


def _asked() -> Any:
    """The body without what an answer of ours says besides: what was read may be sent back."""
    given = document()
    if not isinstance(given, dict):
        raise bad_input("the body is not as it should be", [Fault("", "expected an object")])
    asked = {key: value for key, value in given.items() if key not in _READ_ONLY and value is not None}
    if asked.get("escalate_to") == [] and "escalate_after_seconds" not in asked:
        del asked["escalate_to"]
    return asked


def _hold(asked: dict[str, Any], organization: str, but: int | None = None) -> None:
    """Raise Problem where it cannot be a rule of that organization; `but`: the one whose place it takes."""
    others = [one for one in rules.listed([organization]) if one.id != but]
    found = faults(asked, with_rules(vedette().watcher.config, others), organization)
    if asked.get("organization", organization) != organization:
        found.append(Fault("/organization", f"a rule stays in its organization, {organization}"))
    if found:
        raise bad_input("this cannot be a rule", found)


def _kept(asked: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in asked.items() if key != "organization"}


def _made_document(made: Made) -> dict[str, Any]:
    return {
        **rule_document(rule_from(made)),
        "created_at": rfc3339(made.created_at),
        "created_by": made.created_by,
        "changed_at": rfc3339(made.changed_at),
        "changed_by": made.changed_by,
    }


def _declared(managed_by: str) -> list[Rule]:
    """The file's rules that the caller may see, or those everybody starts with."""
    where = known_caller().where(VIEW)
    found = [rule for rule in vedette().watcher.config.rules if rule.managed_by == managed_by]
    return [rule for rule in found if where is None or rule.organization in {None, *where}]


def _made() -> list[Made]:
    # Read anew: another worker may have made one just now.
    return rules.listed(known_caller().where(VIEW))


def _visible(rule_id: str) -> Rule | Made:
    if rule_id.isascii() and rule_id.isdigit() and int(rule_id) <= _LARGEST_ID:
        made = rules.get(int(rule_id))
        if made is not None and known_caller().may(VIEW, made.organization):
            return made
    for rule in [*_declared("config"), *_declared("default")]:
        if identity(rule) == rule_id:
            return rule
    raise not_found("rule")


def _changeable(rule_id: str) -> Made:
    found = _visible(rule_id)
    if isinstance(found, Rule):
        raise Problem(409, _ELSEWHERE[found.managed_by], managed_by=found.managed_by)
    if not known_caller().may(CHANGE, found.organization):
        raise Problem(403, f"this needs the permission {CHANGE} in that organization")
    return found
