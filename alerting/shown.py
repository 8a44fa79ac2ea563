"""Alerts, silences, events and locks as JSON documents: what the API answers and what commands print with --json."""

import json
from typing import Any

from alerting import silences
from alerting.config import Maintenance, Rule, Silence
from alerting.configuration import matches
from alerting.lifecycle import Alert
from alerting.notices import rfc3339
from alerting.rules import identity
from alerting.store.events import LoggedEvent
from alerting.store.locks import Lock
from alerting.store.notes import Note


def alert_document(alert: Alert) -> dict[str, Any]:
    """An alert."""
    return {
        "id": alert.id,
        "fingerprint": alert.fingerprint,
        "organization": alert.organization,
        "alert_type": alert.alert_type,
        "severity": alert.severity,
        "status": alert.status,
        "title": alert.title,
        "message": alert.reason,
        "subject": alert.subject,
        "server_id": alert.server,
        "server_name": alert.server,
        "environment_id": alert.environment,
        "project_id": alert.project,
        "rule": alert.rule,
        "metric_name": alert.metric_name,
        "metric_value": alert.metric_value,
        "operator": alert.operator,
        "threshold": alert.threshold,
        "occurrences": alert.occurrences,
        "started_at": rfc3339(alert.started_at),
        "triggered_at": rfc3339(alert.triggered_at),
        "last_seen_at": rfc3339(alert.last_at),
        "acknowledged_at": rfc3339(alert.acknowledged_at),
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_until": rfc3339(alert.acknowledged_until),
        "snoozed_until": rfc3339(alert.snoozed_until),
        "resolved_at": rfc3339(alert.resolved_at),
        "resolved_by": alert.resolved_by,
        "labels": dict(alert.labels),
    }


def rule_document(rule: Rule) -> dict[str, Any]:
    """A rule, and what manages it."""
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


def note_document(note: Note) -> dict[str, Any]:
    """What a person wrote about an alert."""
    return {"id": note.id, "at": rfc3339(note.at), "by": note.by, "text": note.text}


def silence_document(silence: Silence, now: float) -> dict[str, Any]:
    """A silence, and whether it holds."""
    return {
        "id": silence.id,
        "organization": silence.organization,
        "state": silences.silence_state(silence, now),
        "match": matches.written(silence.match),
        "all": not silence.match,
        "starts_at": rfc3339(silence.starts_at),
        "ends_at": rfc3339(silence.ends_at),
        "reason": silence.reason,
        "created_by": silence.created_by,
        "created_at": rfc3339(silence.created_at),
        "ended_by": silence.ended_by,
    }


def maintenance_document(window: Maintenance, now: float) -> dict[str, Any]:
    """A maintenance window: its schedule, the occurrence that holds (`current`), and the one to come (`next`)."""
    return {
        "id": maintenance_id(window),
        "name": window.name,
        "organization": window.organization,
        "state": silences.maintenance_state(window, now),
        "match": matches.written(window.match),
        "all": not window.match,
        "reason": window.reason,
        "timezone": window.timezone,
        "starts_at": rfc3339(window.starts_at),
        "ends_at": rfc3339(window.ends_at),
        "days": list(window.days),
        "at": window.at,
        "cron": window.cron,
        "lasts_seconds": window.lasts or None,
        "until": rfc3339(window.until),
        "current": _occurrence(silences.window(window, now)),
        "next": _occurrence(silences.next_window(window, now)),
        "managed_by": window.managed_by,
        "created_by": window.created_by,
        "created_at": rfc3339(window.created_at) if window.created_at else None,
    }


def maintenance_id(window: Maintenance) -> str:
    """What the API calls it: "7", or "config:db-upgrade" for one of the file's."""
    return str(window.id) if window.managed_by == "api" else f"config:{window.name}"


def _occurrence(found: tuple[float, float] | None) -> dict[str, Any] | None:
    return None if found is None else {"starts_at": rfc3339(found[0]), "ends_at": rfc3339(found[1])}


def event_document(event: LoggedEvent) -> dict[str, Any]:
    """An event of the log."""
    return {
        "id": event.id,
        "type": event.type,
        "organization": event.organization,
        "data": json.loads(event.data),
        "timestamp": rfc3339(event.at),
    }


def lock_document(lock: Lock) -> dict[str, Any]:
    """A lock, without its token."""
    return {
        "id": lock.id,
        "organization": lock.organization,
        "app": lock.app,
        "screen": lock.screen,
        "key": lock.key,
        "holder": lock.holder,
        "stream_id": lock.stream_id,
        "acquired_at": rfc3339(lock.acquired_at),
        "expires_at": rfc3339(lock.expires_at),
    }
