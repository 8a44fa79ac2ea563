"""Signing in with an address and a password, for the API and for the page alike."""

from collections.abc import Callable
from typing import Any

from flask import request

from alerting.store import accounts, events, tokens
from alerting.store.accounts import Person
from alerting.store.database import reading, transaction
from alerting.store.events import NewEvent
from web.errors import Problem
from web.state import now


def signed_in(email: str, password: str) -> Person:
    """The person with this password. Raises Problem: 401, 429. No connection is held while the password is hashed."""
    who = f"{email.strip().casefold()} {request.remote_addr}"
    with reading():
        wait = tokens.attempt(who, now())
        person = accounts.by_email(email)
        hashed = accounts.password_hash(person)
    if wait is not None:
        raise Problem(429, "too many attempts to sign in", headers={"Retry-After": str(round(wait))})
    # Also where there is no such person: the answer must take as long.
    matches = _aside(accounts.verifies, hashed, password)
    if person is None or not matches or not person.is_active:
        raise Problem(401, "the address or the password is wrong")
    with reading():
        tokens.succeeded(who)
    return person


def announce(person: Person, change: str) -> None:
    """Tell open pages that somebody has signed in or out."""
    data = {"user": person.email, "change": change}
    whom = [None] if person.is_superuser else sorted(person.roles)
    with transaction():
        events.append([NewEvent("session.changed", data, organization) for organization in whom], now())


def _aside(function: Callable[..., bool], *arguments: Any) -> bool:
    """Call it in a real thread where greenlets serve: hashing would stop every stream for its 50 ms."""
    from gevent import get_hub, monkey

    if not monkey.is_module_patched("threading"):
        return function(*arguments)
    return bool(get_hub().threadpool.apply(function, arguments))
