"""Row locks: who edits what, so that two people do not edit the same. Held until released or their time is up.

A lock's `stream_id` is kept; ending a lock 30 s after that stream is gone is not done yet: its time alone ends it.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from alerting.notices import rfc3339
from alerting.store import events
from alerting.store.database import transaction
from alerting.store.events import NewEvent
from alerting.store.models import Lock as LockRow
from alerting.store.models import Setting

TTL = 3600.0
"""Seconds a lock lasts without a renewal."""

_SCREEN = "screen:"
_MOST_SCREENS = 1000


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that is held. Times are epoch seconds; `key` in its canonical form."""

    id: str
    organization: str
    app: str
    screen: str
    key: str
    holder: str
    stream_id: str | None
    acquired_at: float
    expires_at: float


def canonical(key: str | Mapping[str, Any]) -> str:
    """A row's key in one form, however it was given: {"B": 2, "A": 1} and "B=2&A=1" are both "A=1&B=2"."""
    if isinstance(key, str):
        pairs = (part.strip().partition("=") for part in key.split("&"))
        return "&".join(sorted(f"{_escape(unquote(name))}={_escape(unquote(value))}" for name, _, value in pairs))
    return "&".join(sorted(f"{_escape(name)}={_escape(_text(value))}" for name, value in key.items()))


def acquire(
    organization: str, app: str, screen: str, key: str, holder: str, now: float, stream_id: str | None = None
) -> tuple[Lock, str | None]:
    """Take the lock: it and the token that renews and releases it; or the lock of whoever holds it, and None."""
    with transaction():
        told = _expire(now, _place(organization, app, screen, key))
        lock = Lock(secrets.token_hex(8), organization, app, screen, key, holder, stream_id, now, now + TTL)
        token = secrets.token_urlsafe(32)
        columns = {name: getattr(lock, name) for name in Lock.__slots__}
        LockRow.insert(**columns, token_hash=_hash(token)).on_conflict_ignore().execute()
        # Whoever came first is read back: the row is ours, or it is not.
        standing = LockRow.get_or_none(_place(organization, app, screen, key))
        if standing is not None and standing.id == lock.id:
            _remember_screen(app, screen)
            events.append([*told, _event("lock.acquired", lock)], now)
            return lock, token
        events.append(told, now)
    if standing is None:  # released in the very moment between: now it is free
        return acquire(organization, app, screen, key, holder, now, stream_id)
    return _value(standing), None


def renew(lock_id: str, now: float) -> Lock | None:
    """The lock for another hour; None where it is held no more."""
    with transaction():
        changed = LockRow.update(expires_at=now + TTL).where((LockRow.id == lock_id) & (LockRow.expires_at > now))
        return get(lock_id, now) if changed.execute() else None


def release(lock_id: str, by: str, now: float) -> bool:
    """End a lock; whether it was held."""
    with transaction():
        lock = get(lock_id, now)
        if lock is None or not LockRow.delete().where(LockRow.id == lock_id).execute():
            return False
        events.append([_event("lock.released", lock, released_by=by)], now)
        return True


def opens(lock_id: str, token: str) -> bool:
    """Whether this is the token of that lock."""
    kept = LockRow.select(LockRow.token_hash).where(LockRow.id == lock_id).scalar()
    return kept is not None and hmac.compare_digest(str(kept), _hash(token))


def get(lock_id: str, now: float) -> Lock | None:
    """The lock of that id, if it is held."""
    row = LockRow.get_or_none((LockRow.id == lock_id) & (LockRow.expires_at > now))
    return None if row is None else _value(row)


def held(organizations: Collection[str] | None, now: float) -> list[Lock]:
    """The locks held in these organizations (None: all), oldest first."""
    query = LockRow.select().where(LockRow.expires_at > now).order_by(LockRow.acquired_at, LockRow.id)
    if organizations is not None:
        query = query.where(LockRow.organization.in_(list(organizations)))
    return [_value(row) for row in query]


def matching(app: str, screen: str, key: str, now: float) -> list[Lock]:
    """The locks on that row, in whichever organization."""
    return [lock for lock in held(None, now) if (lock.app, lock.screen, lock.key) == (app, screen, key)]


def sweep(now: float) -> int:
    """End the locks whose time is up; how many."""
    with transaction():
        ended = _expire(now)
        events.append(ended, now)
    return len(ended)


def screens() -> list[tuple[str, str]]:
    """Every (app, screen) that holds or held a lock, sorted."""
    rows = Setting.select().where(Setting.name.startswith(_SCREEN)).limit(_MOST_SCREENS)
    return sorted(tuple(json.loads(row.name.removeprefix(_SCREEN))) for row in rows)


def _expire(now: float, which: Any = None) -> list[NewEvent]:
    ended = LockRow.expires_at <= now
    rows = list(LockRow.select().where(ended if which is None else ended & which))
    if rows:
        LockRow.delete().where(LockRow.id.in_([row.id for row in rows]) & ended).execute()
    return [_event("lock.expired", _value(row)) for row in rows]


def _remember_screen(app: str, screen: str) -> None:
    name = _SCREEN + json.dumps([app, screen])
    if not Setting.select(Setting.name).where(Setting.name == name).exists():
        Setting.insert(name=name, value=True).on_conflict_ignore().execute()


def _place(organization: str, app: str, screen: str, key: str) -> Any:
    return (
        (LockRow.organization == organization)
        & (LockRow.app == app)
        & (LockRow.screen == screen)
        & (LockRow.key == key)
    )


def _value(row: Any) -> Lock:
    return Lock(**{name: getattr(row, name) for name in Lock.__slots__})


def _event(kind: str, lock: Lock, **more: str) -> NewEvent:
    data = {
        "lock_id": lock.id,
        "app": lock.app,
        "screen": lock.screen,
        "key": lock.key,
        "holder": lock.holder,
        "acquired_at": rfc3339(lock.acquired_at),
        "expires_at": rfc3339(lock.expires_at),
        **more,
    }
    return NewEvent(kind, data, lock.organization)


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("&", "%26").replace("=", "%3D")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
