"""Who may do what: a caller, made of a person, an API token, a session or a ticket."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from alerting.store import accounts, tokens
from alerting.store.accounts import Person
from alerting.store.database import DatabaseError
from alerting.store.tokens import Stored


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a request.

    id             of the user, or of the API token of an organization
    name           the user's email, or the token's name: what alerts and locks say
    organizations  those it belongs to; None: all there are (superusers)
    grants         organization → permissions there; `everywhere`: permissions in every organization
    expires_at     when it has to come again, in epoch seconds; None: never
    session        the sign-in it came from, which signing out ends
    """

    id: str
    name: str
    user: str | None
    is_superuser: bool
    organizations: frozenset[str] | None
    grants: Mapping[str, frozenset[str]] = field(default_factory=dict)
    everywhere: frozenset[str] = frozenset()
    expires_at: float | None = None
    session: str | None = None
    token: str | None = None

    def may(self, permission: str, organization: str | None = None) -> bool:
        """Whether it has the permission in that organization; without one, in any."""
        if permission in self.everywhere:
            return True
        if organization is None:
            return any(permission in granted for granted in self.grants.values())
        return permission in self.grants.get(organization, frozenset())

    def where(self, permission: str) -> frozenset[str] | None:
        """The organizations in which it has the permission; None: all there are."""
        if permission in self.everywhere and self.organizations is None:
            return None
        return frozenset(name for name, granted in self.grants.items() if permission in granted)

    def may_see(self, organization: str | None) -> bool:
        """Whether it belongs to the organization. What concerns the whole installation (None) is for superusers."""
        return self.organizations is None or organization in self.organizations


def of_person(person: Person | None, expires_at: float | None, session: str | None) -> Caller | None:
    """A signed-in person; None for a disabled one."""
    if person is None or not person.is_active:
        return None
    return Caller(
        id=person.id,
        name=person.email,
        user=person.id,
        is_superuser=person.is_superuser,
        organizations=None if person.is_superuser else frozenset(person.roles),
        grants={name: accounts.ROLES.get(role, frozenset()) for name, role in person.roles.items()},
        everywhere=accounts.PERMISSIONS if person.is_superuser else frozenset(),
        expires_at=expires_at,
        session=session,
    )


def of_session(secret: str, now: float) -> Caller | None:
    """The person whose page's cookie this is."""
    found = tokens.find("session", secret, now)
    return None if found is None else of_person(accounts.get(str(found.user)), found.expires_at, found.family)


def of_access(claims: Mapping[str, Any]) -> Caller | None:
    """The person an access token names, unless its sign-in was ended. The claims are already verified."""
    session = str(claims["sid"])
    if tokens.family_ended(session):
        return None
    return of_person(accounts.get(claims["sub"]), float(claims["exp"]), session)


def of_api_token(secret: str, now: float) -> Caller | None:
    """Whoever an API token stands for: a person or an organization, within the token's scopes."""
    found = tokens.find("api", secret, now)
    caller = None if found is None else of_stored_token(found)
    if found is not None and caller is not None:
        with contextlib.suppress(DatabaseError):  # a note, not a reason to refuse anybody
            tokens.note_use(found, now)
    return caller


def of_stored_token(token: Stored) -> Caller | None:
    """The same for a token already found alive."""
    scopes = frozenset(token.scopes)
    if token.user is None:
        granted = {str(token.organization): scopes - {"logs.view"}}
        name = token.name or f"token {token.id}"
        return Caller(
            token.id, name, None, False, frozenset(granted), granted, expires_at=token.expires_at, token=token.id
        )
    person = of_person(accounts.get(token.user), token.expires_at, None)
    if person is None:
        return None
    grants = {name: granted & scopes for name, granted in person.grants.items()}
    # Not a superuser any more: what it may do everywhere is what its scopes say.
    return replace(person, is_superuser=False, grants=grants, everywhere=person.everywhere & scopes, token=token.id)


def ticket_for(caller: Caller, now: float) -> str:
    """A ticket that opens one stream for this caller, once, within 30 seconds."""
    origin = {"session": caller.session, "token": caller.token, "expires_at": caller.expires_at}
    return tokens.issue("ticket", now, user=caller.user, scopes=origin)[0]


def of_ticket(secret: str, now: float) -> Caller | None:
    """Whoever the ticket was made for, as they are now. Spends it."""
    ticket = tokens.spend("ticket", secret, now)
    if ticket is None:
        return None
    origin = ticket.scopes
    if origin["token"] is not None:
        token = tokens.get(origin["token"])
        return None if token is None or not token.alive(now) else of_stored_token(token)
    if origin["session"] is not None and tokens.family_ended(origin["session"]):
        return None
    return of_person(accounts.get(str(ticket.user)), origin["expires_at"], origin["session"])
