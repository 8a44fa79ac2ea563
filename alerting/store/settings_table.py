"""Small facts of the installation, by name."""

import secrets
from typing import Any

from alerting.store.database import reading, transaction
from alerting.store.models import Setting

SCHEDULER = "scheduler"
"""{"at", "started_at", "host", "pid", …}: the last tick of the acting scheduler."""


def get(name: str, default: Any = None) -> Any:
    """The value of `name`, or `default`."""
    row = Setting.select(Setting.value).where(Setting.name == name).tuples().first()
    return default if row is None else row[0]


def put(name: str, value: Any) -> None:
    """Set `name` to a JSON value."""
    Setting.insert(name=name, value=value).on_conflict(
        conflict_target=[Setting.name], preserve=[Setting.value]
    ).execute()


def secret_key(configured: str | None) -> str:
    """The key that signs tokens, cookies and links: the configured one, else one made once and kept here."""
    if configured:
        return configured
    with transaction():
        Setting.insert(name="secret_key", value=secrets.token_urlsafe(48)).on_conflict_ignore().execute()
    with reading():
        return str(get("secret_key"))
