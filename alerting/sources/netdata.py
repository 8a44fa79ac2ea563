"""Netdata's alerts: what an agent's custom sender posts (docs/hooks.md has it), and the webhook of Netdata Cloud.

Cloud: https://learn.netdata.cloud/docs/alerting/notifications/centralized-cloud-notifications/webhook, old and new.
"""

import re
from collections.abc import Mapping
from typing import Any

from alerting.config import Hook
from alerting.phrasing import clip
from alerting.sources import MESSAGE, OVER, TITLE, Report, labels_of, moment, report_id, web

_LEVELS: Mapping[str, int | None] = {
    "warning": 2,
    "critical": 3,
    "clear": OVER,
    "removed": OVER,  # its chart or the alarm itself is gone: nothing is wrong with what is not there
    "undefined": None,
    "uninitialized": None,
}

_NAME = r"[`'\"]?([A-Za-z0-9][A-Za-z0-9._-]*)"
_ON = re.compile(rf"\bon\s+(?!chart\b)(?:(?:node|host)\s+)?{_NAME}")
_FIRST = re.compile(rf"{_NAME}[`'\"]?\s+(?:is|was|has|needs|recovered|became)\b")


def reports(document: Any, hook: Hook) -> list[Report]:
    """The one alert a payload is about; none where it only carries the token that proves the address to Cloud."""
    if "status" in document:
        return [_reachability(document) if isinstance(document["status"], Mapping) else _of_agent(document)]
    return [_of_cloud(document)] if "severity" in document else []


def verification_token(document: Any) -> str | None:
    """What Cloud's "Test" sends for a person to type in there; None in all else."""
    is_alert = "status" in document or "severity" in document
    return None if is_alert else clip(document["token"], 200)


def _of_agent(sent: Mapping[str, Any]) -> Report:
    """An agent's alarm is known by its host and chart: its numbers change when the agent starts anew."""
    host, name, chart = sent["host"], sent["name"], sent["chart"]
    at, guid = moment(sent.get("when")), str(sent.get("machine_guid") or "")
    value = str(sent.get("value_string") or sent.get("value") or "")
    words = f"{name.replace('_', ' ')} = {value}" if value else name.replace("_", " ")
    kept = ("host", "chart", "context", "family", "classification", "roles")
    return Report(
        id=report_id(f"{host}.{name}", guid or host, chart, name),
        title=clip(f"{name} on {host}", TITLE),
        level=_LEVELS[sent["status"].lower()],
        message=clip(": ".join(part for part in (words, str(sent.get("info") or "")) if part), MESSAGE),
        labels=labels_of({"alertname": name, **{key: sent.get(key) for key in kept}}),
        url=web(sent.get("goto_url")),
        at=at,
        number=_whole(sent.get("event_id")),
        started_at=None if at is None else at - _whole(sent.get("non_clear_duration")),
        names=tuple(each for each in (guid, host) if each),
    )


def _of_cloud(sent: Mapping[str, Any]) -> Report:
    """Cloud names no host but in its sentence; alerts of one name on one chart of one room are told apart by that."""
    name = sent.get("alert") or sent["alarm"]
    host = _host(sent.get("message") or "")
    place = [sent.get(key) or "" for key in ("space", "chart", "context", "family")]
    at = moment(sent.get("date"))
    return Report(
        id=report_id(f"{host}.{name}" if host else name, "cloud", name, host, *map(str, place)),
        title=clip(f"{name} on {host or sent.get('chart') or sent.get('space') or 'Netdata'}", TITLE),
        level=_LEVELS[sent["severity"].lower()],
        message=clip(": ".join(each for each in (sent.get("message"), sent.get("info")) if each), MESSAGE),
        labels=labels_of({"alertname": name, "host": host, **{key: sent.get(key) for key in _CLOUD_LABELS}}),
        url=web(sent.get("alert_url") or sent.get("alarm_url")),
        at=at,
        started_at=at,
        names=(host,) if host else (),
    )


_CLOUD_LABELS = ("space", "chart", "context", "family", "class")


def _reachability(sent: Mapping[str, Any]) -> Report:
    host = sent["host"]
    return Report(
        id=report_id(f"{host}.reachability", "reachability", host),
        title=clip(f"{host} is unreachable for Netdata Cloud", TITLE),
        level=OVER if sent["status"]["reachable"] else 3,
        message=clip(sent.get("message") or f"{host} is {sent['status'].get('text') or 'unreachable'}", MESSAGE),
        labels=labels_of({"alertname": "reachability", "host": host}),
        url=web(sent.get("url")),
        names=(host,),
    )


def _host(message: str) -> str:
    """The node a sentence of Cloud's is about: "… on web-1", "web-1 is critical …"; empty where it names none."""
    found = _ON.search(message) or _FIRST.match(message)
    return found[1].rstrip(".") if found else ""


def _whole(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else 0
