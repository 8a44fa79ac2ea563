"""Alerts and messages to tell, as tests want them."""

from typing import Any

from alerting.messages import Item, Message

AT = 1_795_231_200.0  # 21 Nov 2026, 04:20:00 in Paris


def item(**changes: Any) -> Item:
    """A website that has been down for 12 minutes."""
    values: dict[str, Any] = {
        "alert_id": 7,
        "fingerprint": "http_down:website:status",
        "told": "triggered",
        "severity": "critical",
        "title": "HTTP down: website",
        "message": "HTTP 500 (expected 200)",
        "subject": "check/website",
        "server": "prod-1",
        "environment": None,
        "organization": "acme",
        "project": None,
        "metric_name": "status",
        "metric_value": 2.0,
        "operator": ">=",
        "threshold": 2.0,
        "started_at": AT - 720,
        "resolved_at": None,
        "occurrences": 24,
        "link": "https://watch.example/alerts/7",
    }
    return Item(**{**values, **changes})


def cpu(**changes: Any) -> Item:
    """A processor that has been busy for ten minutes."""
    values: dict[str, Any] = {
        "alert_id": 8,
        "fingerprint": "cpu_high:prod-1:cpu_percent",
        "severity": "warning",
        "title": "High CPU on prod-1",
        "message": "CPU 97.2 %, memory 41 %",
        "subject": "server/prod-1",
        "metric_name": "cpu_percent",
        "metric_value": 97.2,
        "operator": ">",
        "threshold": 80.0,
        "started_at": AT - 600,
        "link": "https://watch.example/alerts/8",
    }
    return item(**{**values, **changes})


def message(*items: Item, **changes: Any) -> Message:
    """A message about these alerts (the website, where none is given) as it leaves at AT."""
    values: dict[str, Any] = {
        "reason": "triggered" if len(items) < 2 else "catch_up",
        "items": items or (item(),),
        "service": "Acme watch",
        "timezone": "Europe/Paris",
        "at": AT,
        "key": "alert-7-triggered-1",
        "thread_key": "alert-7",
        "link": "https://watch.example/monitoring",
    }
    return Message(**{**values, **changes})
