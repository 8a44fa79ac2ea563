"""Secrets that open a door: API tokens, sessions, refresh tokens, sign-in links, stream tickets. Kept as SHA-256."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, Literal

from alerting.store.database import is_sqlite, transaction
from alerting.store.models import Token

Kind = Literal["api", "session", "refresh", "link", "ticket", "attempt"]

API_PREFIX = "vdt_"
"""What an API token begins with, so that a scanner of leaked secrets knows one."""

LIFETIMES: dict[str, float] = {"session": 14 * 86400.0, "refresh": 14 * 86400.0, "link": 3600.0, "ticket": 30.0}
"""Seconds, by kind; an API token lives as long as its maker says."""

ATTEMPTS, ATTEMPTS_WITHIN = 10, 900.0
"""So many failed sign-ins within so many seconds, and the next ones are refused."""

_USE_NOTED_EVERY = 60.0  # a busy token must not mean a write a request
_LOCK = 71003  # any number of our own: the key of the advisory lock that orders rotations of refresh tokens


@dataclass(frozen=True, slots=True)
class Stored:
    """A token as kept. `family`: what is ended together with it. `scopes`: for a ticket, who asked for it."""

    id: str
    kind: str
    name: str
    user: str | None
    organization: str | None
    scopes: Any
    family: str | None
    created_at: float
    expires_at: float | None
    used_at: float | None
    revoked_at: float | None

    def alive(self, now: float) -> bool:
        """Neither revoked nor past its time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Reused(Exception):
    """A spent refresh token came back: somebody else has a copy, and the whole sign-in is ended."""


def issue(
    kind: Kind,
    now: float,
    user: str | None = None,
    organization: str | None = None,
    scopes: Any = (),
    name: str = "",
    family: str | None = None,
    lifetime: float | None = None,
) -> tuple[str, Stored]:
    """Make a token: its secret, which is kept nowhere, and what is. Without `lifetime`, that of its kind."""
    secret = (API_PREFIX if kind == "api" else "") + secrets.token_urlsafe(32)
    seconds = LIFETIMES.get(kind) if lifetime is None else lifetime
    token_id = secrets.token_hex(8)
    columns = {
        "id": token_id,
        "kind": kind,
        "name": name,
        "user": user,
        "organization": organization,
        "scopes": scopes,
        "family": family or token_id,
        "created_at": now,
        "expires_at": None if seconds is None else now + seconds,
    }
    with transaction():
        Token.insert(hash=_hash(secret), **columns).execute()
    return secret, Stored(**columns, used_at=None, revoked_at=None)


def find(kind: Kind, secret: str, now: float) -> Stored | None:
    """The living token with this secret, or None."""
    row = Token.get_or_none((Token.hash == _hash(secret)) & (Token.kind == kind))
    stored = None if row is None else _stored(row)
    return stored if stored is not None and stored.alive(now) else None


def spend(kind: Kind, secret: str, now: float) -> Stored | None:
    """Use a token that may be used once: the token for whoever comes first, None for everybody after."""
    unspent = (Token.hash == _hash(secret)) & (Token.kind == kind) & Token.used_at.is_null()
    with transaction():
        if not Token.update(used_at=now).where(unspent).execute():
            return None
        return find(kind, secret, now)


def rotate(secret: str, now: float) -> tuple[str, Stored] | None:
    """A new refresh token for a living one, which is spent by this. Raises Reused, having ended the sign-in."""
    with transaction():
        if not is_sqlite():
            _serialize()
        old = find("refresh", secret, now)
        if old is None or old.family is None:
            return None
        if old.used_at is None:
            Token.update(used_at=now).where(Token.id == old.id).execute()
            return issue("refresh", now, user=old.user, family=old.family)
        end_family(old.family, now)
    raise Reused


def end_family(family: str, now: float) -> None:
    """End a sign-in: every token of the family is revoked."""
    with transaction():
        Token.update(revoked_at=now).where((Token.family == family) & Token.revoked_at.is_null()).execute()


def family_ended(family: str) -> bool:
    """Whether the sign-in an access token came from was ended (or is unknown)."""
    living = (Token.family == family) & Token.revoked_at.is_null()
    return not Token.select(Token.id).where(living).exists()


def revoke(token_id: str, now: float) -> bool:
    """Revoke an API token; whether there was one to revoke."""
    with transaction():
        alive = (Token.id == token_id) & (Token.kind == "api") & Token.revoked_at.is_null()
        return bool(Token.update(revoked_at=now).where(alive).execute())


def note_use(token: Stored, now: float) -> None:
    """Remember that an API token was used, at most once a minute."""
    if token.used_at is not None and now - token.used_at < _USE_NOTED_EVERY:
        return
    with transaction():
        Token.update(used_at=now).where(Token.id == token.id).execute()


def get(token_id: str) -> Stored | None:
    """The token of that id, alive or not."""
    row = Token.get_or_none(Token.id == token_id)
    return None if row is None else _stored(row)


def api_tokens() -> list[Stored]:
    """Every API token, oldest first, revoked ones included."""
    return [_stored(row) for row in Token.select().where(Token.kind == "api").order_by(Token.created_at, Token.id)]


def attempt(who: str, now: float) -> float | None:
    """Note that somebody tries to sign in. Seconds to wait where they failed too often, else None.

    Noted first, counted after: attempts at the same time see each other, in whichever worker they run.
    """
    family = _hash(who)
    secret = secrets.token_urlsafe(32)
    with transaction():
        Token.insert(
            id=secrets.token_hex(8),
            kind="attempt",
            hash=_hash(secret),
            name="",
            scopes=[],
            family=family,
            created_at=now,
            expires_at=now + ATTEMPTS_WITHIN,
        ).execute()
        recent = (Token.family == family) & (Token.kind == "attempt") & (Token.created_at > now - ATTEMPTS_WITHIN)
        tried = [row.created_at for row in Token.select().where(recent).order_by(Token.created_at.desc())]
    return None if len(tried) <= ATTEMPTS else max(1.0, tried[ATTEMPTS] + ATTEMPTS_WITHIN - now)


def succeeded(who: str) -> None:
    """Forget the failures of somebody who has signed in."""
    with transaction():
        Token.delete().where((Token.family == _hash(who)) & (Token.kind == "attempt")).execute()


def prune(now: float) -> int:
    """Delete what nobody can use any more, a day after its end; how many."""
    with transaction():
        ended = (Token.expires_at < now - 86400) | ((Token.kind == "attempt") & (Token.expires_at < now))
        return int(Token.delete().where(ended & (Token.kind != "api")).execute())


def _serialize() -> None:
    from alerting.store.database import database

    database.execute_sql("select pg_advisory_xact_lock(%s)", (_LOCK,))


def _stored(row: Any) -> Stored:
    return Stored(**{name: getattr(row, name) for name in Stored.__slots__})


def _hash(secret: str) -> str:
    # Looked up by its hash: an attacker who measures the index learns of hashes, and nothing of secrets.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
