"""Alert rules: those of the file and those everybody starts with."""

from typing import Any

from flask import Blueprint, Response

from alerting.config import Rule
from alerting.rules import identity
from web.answers import answer, listed
from web.auth import known_caller, require
from web.errors import not_found
from web.state import vedette

blueprint = Blueprint("rules", __name__)

VIEW = "org.monitoring.alerts.view"


@blueprint.get("/monitoring/alerts/rules")
@require(VIEW)
def list_rules() -> Response:
    """Every rule, the file's own first."""
    return listed(shown(rule) for rule in _visible())


@blueprint.get("/monitoring/alerts/rules/<path:rule_id>")
@require(VIEW)
def show_rule(rule_id: str) -> Response:
    """One rule."""
    found = next((rule for rule in _visible() if str(identity(rule)) == rule_id), None)
    if found is None:
        raise not_found("rule")
    return answer(shown(found))


def shown(rule: Rule) -> dict[str, Any]:
    """A rule as the API has it."""
    return {
        "id": identity(rule),
        "name": rule.name,
        "description": rule.description,
        "organization": rule.organization,
        "alert_type": rule.alert_type,
        "severity": rule.severity,
        "metric_name": rule.metric_name,
        "operator": rule.operator,
        "threshold": rule.threshold,
        "duration_seconds": rule.duration_seconds,
        "cooldown_seconds": rule.cooldown_seconds,
        "failures": rule.failures,
        "of": rule.of or None,
        "clear_threshold": rule.clear_threshold,
        "keep_firing_seconds": rule.keep_firing_seconds,
        "remind_seconds": rule.remind_seconds,
        "flap_delay_seconds": rule.flap_delay_seconds,
        "labels": dict(rule.labels),
        "escalate_after_seconds": rule.escalate_after_seconds,
        "escalate_to": list(rule.escalate_to),
        "subjects": list(rule.subjects),
        "kinds": list(rule.kinds),
        "notify_channels": list(rule.notify_channels),
        "is_active": rule.is_active,
        "managed_by": rule.managed_by,
    }


def _visible() -> list[Rule]:
    where = known_caller().where(VIEW)
    return [rule for rule in vedette().config.rules if where is None or rule.organization in {None, *where}]
