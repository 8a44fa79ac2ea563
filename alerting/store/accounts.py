"""People: who they are, their passwords, their roles in organizations, and what a role permits."""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from alerting.store import tokens
from alerting.store.database import transaction
from alerting.store.models import Membership, User

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_SEE = ("org.monitoring.view", "org.monitoring.alerts.view", "project.monitoring.view")
_ACT = (*_SEE, "org.monitoring.alerts.configure", "locks.write", "events.write")

ROLES: Mapping[str, frozenset[str]] = {
    "owner": frozenset(_ACT),
    "admin": frozenset(_ACT),
    "member": frozenset(_ACT),
    "viewer": frozenset(_SEE),
}
"""Role → permissions. Whoever is on call must be able to acknowledge, so a member may do what an owner may."""

PERMISSIONS: frozenset[str] = frozenset((*_ACT, "logs.view"))
"""Every permission there is. Superusers have all of them everywhere; `logs.view` nobody else."""

ALIASES: Mapping[str, str] = {"monitoring:view": "org.monitoring.view"}
"""Other names of permissions."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_FIRST_EMAIL = "admin@localhost"


@dataclass(frozen=True, slots=True)
class Person:
    """A user. `roles`: organization → role."""

    id: str
    email: str
    is_superuser: bool
    is_active: bool
    created_at: float
    roles: Mapping[str, str]


class AccountError(Exception):
    """An account that cannot be made or changed as asked. Says why."""


def normalized(email: str) -> str:
    """An email address as accounts are kept under. Raises AccountError."""
    text = email.strip().casefold()
    if not _EMAIL.fullmatch(text) or not text.isprintable() or len(text) > 254:
        raise AccountError("expected an email address, such as alice@example.com")
    return text


def permissions(names: Iterable[str]) -> frozenset[str]:
    """Permissions by their names or aliases. Raises AccountError naming those there are."""
    found = frozenset(ALIASES.get(name, name) for name in names)
    if unknown := found - PERMISSIONS:
        raise AccountError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(sorted(PERMISSIONS))}")
    return found


def put(email: str, now: float, is_superuser: bool = False, password: str | None = None) -> Person:
    """The user of that address, made or brought to this; a disabled one is enabled again. Raises AccountError."""
    address, hashed = normalized(email), None if password is None else hash_password(password)
    changes: dict[str, Any] = {"is_active": True}
    changes |= {"is_superuser": True} if is_superuser else {}
    changes |= {"password": hashed} if hashed is not None else {}
    new = {"id": secrets.token_hex(8), "email": address, "created_at": now, "is_superuser": is_superuser}
    with transaction():
        User.insert(**new, is_active=True, password=hashed).on_conflict(
            conflict_target=[User.email], update=changes
        ).execute()
        return _person(User.get(User.email == address))


def join(person: Person, organization: str, role: str) -> None:
    """Give a person a role in an organization, instead of the one they had there. Raises AccountError."""
    if role not in ROLES:
        raise AccountError(f"unknown role {role!r}; there are {', '.join(ROLES)}")
    row = {"user": person.id, "organization": organization, "role": role}
    with transaction():
        Membership.insert(**row).on_conflict(
            conflict_target=[Membership.user, Membership.organization], preserve=[Membership.role]
        ).execute()


def disable(email: str) -> bool:
    """Shut a person out, at once and everywhere; whether there was one."""
    with transaction():
        return bool(User.update(is_active=False).where(User.email == normalized(email)).execute())


def get(user_id: str) -> Person | None:
    """A person by id, active or not."""
    row = User.get_or_none(User.id == user_id)
    return None if row is None else _person(row)


def by_email(email: str) -> Person | None:
    """A person by address, active or not."""
    try:
        row = User.get_or_none(User.email == normalized(email))
    except AccountError:
        return None
    return None if row is None else _person(row)


def everybody() -> list[Person]:
    """Every user, by address."""
    return [_person(row) for row in User.select().order_by(User.email)]


def password_hash(person: Person | None) -> str | None:
    """What is kept of a person's password; None where there is no person or no password."""
    return None if person is None else User.get(User.id == person.id).password


def hash_password(password: str) -> str:
    """An argon2id hash. Takes some 50 ms and 64 MB, on purpose. Raises AccountError."""
    if not password or len(password) > 1024:
        raise AccountError("a password has 1 to 1024 characters")
    return _hasher().hash(password.encode("utf-8", "surrogatepass"))


def verifies(hashed: str | None, password: str) -> bool:
    """Whether the password is the one hashed. Takes as long where there is nothing to compare with."""
    from argon2.exceptions import InvalidHashError, VerificationError

    nobodys = _nobodys_hash()
    try:
        matches = _hasher().verify(hashed or nobodys, password.encode("utf-8", "surrogatepass")[:4096])
    except (VerificationError, InvalidHashError):
        return False
    return matches and hashed is not None


def first_link(now: float) -> str:
    """A one-time sign-in link's token for a superuser, who is made where there is none yet."""
    with transaction():
        found = User.select().where(User.is_superuser & User.is_active).order_by(User.created_at).first()
        person = put(_FIRST_EMAIL, now, is_superuser=True) if found is None else _person(found)
        return tokens.issue("link", now, user=person.id)[0]


def _person(row: Any) -> Person:
    members = Membership.select().where(Membership.user == row.id)
    roles = {one.organization: one.role for one in members}
    return Person(row.id, row.email, row.is_superuser, row.is_active, row.created_at, roles)


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return _hasher().hash(secrets.token_bytes(16))
