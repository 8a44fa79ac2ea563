"""Prometheus Alertmanager's webhook, version 4: a group of alerts, each firing or resolved.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. Grafana's alerting sends the same and more.
"""

import json
from collections.abc import Mapping
from typing import Any

from alerting.config import Hook
from alerting.phrasing import clip, counted
from alerting.sources import MESSAGE, OVER, TITLE, Report, labels_of, level, moment, report_id, web

_NAMING = ("server", "host", "hostname", "node", "nodename", "instance", "environment", "env")
_SAYING = ("summary", "message", "description")


def reports(document: Any, hook: Hook) -> list[Report]:
    """A report for each alert, and one that says whether others were left out of the payload."""
    found = [_report(alert, hook) for alert in document["alerts"]]
    return [*found, _truncation(document)] if "truncatedAlerts" in document else found


def _report(alert: Mapping[str, Any], hook: Hook) -> Report:
    labels, notes = alert["labels"], alert.get("annotations") or {}
    began = moment(alert.get("startsAt"))
    over = alert["status"] == "resolved"
    name = labels.get("alertname") or "Alert"
    where = labels.get("instance") or labels.get("server") or labels.get("host")
    return Report(
        id=report_id(name, alert.get("fingerprint") or json.dumps(labels, sort_keys=True)),
        title=clip(f"{name} on {where}" if where else name, TITLE),
        level=OVER if over else level(labels.get("severity"), hook),
        message=clip(_words(notes) or ", ".join(f"{key}={value}" for key, value in sorted(labels.items())), MESSAGE),
        labels=labels_of({**labels, "runbook_url": notes.get("runbook_url") or labels.get("runbook_url")}),
        url=web(alert.get("generatorURL")),
        at=moment(alert.get("endsAt")) or began if over else began,
        started_at=began,
        goes_on=True,
        names=tuple(labels[key] for key in _NAMING if labels.get(key)),
    )


def _words(notes: Mapping[str, str]) -> str:
    return next((notes[key] for key in _SAYING if notes.get(key)), "")


def _truncation(document: Mapping[str, Any]) -> Report:
    """What is left out of a payload by `max_alerts` is told to nobody: that at least must be."""
    left_out = document["truncatedAlerts"]
    key = document.get("groupKey") or json.dumps(document.get("groupLabels") or {}, sort_keys=True)
    return Report(
        id=report_id("truncated", key),
        title=clip(f"Alertmanager left out alerts of the group {key}", TITLE),
        level=2 if left_out else OVER,
        message=f"{counted(left_out, 'alert')} left out, of which nobody is told: raise max_alerts, or group by more",
        labels=labels_of({"receiver": document.get("receiver"), **(document.get("groupLabels") or {})}),
        url=web(document.get("externalURL")),
    )
