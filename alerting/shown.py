"""Alerts, events and locks as JSON documents: what the API answers and what commands print with --json."""

import json
from typing import Any

from alerting.lifecycle import Alert
from alerting.notices import rfc3339
from alerting.store.events import LoggedEvent
from alerting.store.locks import Lock


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
        "resolved_at": rfc3339(alert.resolved_at),
        "resolved_by": alert.resolved_by,
    }


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
