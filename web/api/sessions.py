"""Signing in over the API: access and refresh tokens, who am I, and tickets for streams."""

from typing import Any

from flask import Blueprint, Response

from alerting.notices import rfc3339
from alerting.store import accounts, tokens
from alerting.store.accounts import Person
from alerting.store.database import reading
from web import access_tokens, callers, passwords
from web.answers import answer
from web.auth import SIGNED_IN, known_caller, require
from web.bodies import body, optional_body
from web.errors import Problem
from web.state import now, vedette

blueprint = Blueprint("sessions", __name__)


@blueprint.post("/auth/login")
def login() -> Response:
    """Tokens for an address and a password."""
    asked = body("api/login")
    person = passwords.signed_in(asked["email"], asked["password"])
    with reading():
        refresh_token, stored = tokens.issue("refresh", now(), user=person.id)
        passwords.announce(person, "signed_in")
        return _tokens(person.id, str(stored.family), refresh_token)


@blueprint.post("/auth/refresh")
def refresh() -> Response:
    """New tokens for a refresh token, which is spent by this. One that comes twice ends the sign-in it came from."""
    asked = body("api/refresh")
    with reading():
        try:
            rotated = tokens.rotate(asked["refresh_token"], now())
        except tokens.Reused:
            rotated = None
        person = None if rotated is None else accounts.get(str(rotated[1].user))
        if rotated is None or person is None or not person.is_active:
            raise Problem(401, "this refresh token is not valid; sign in again")
        return _tokens(person.id, str(rotated[1].family), rotated[0])


@blueprint.post("/auth/logout")
@require(SIGNED_IN)
def logout() -> Response:
    """End the sign-in the caller's token came from: its refresh and access tokens are worth nothing any more."""
    optional_body("api/logout")
    caller = known_caller()
    if caller.session is not None:
        tokens.end_family(caller.session, now())
    if caller.user is not None and caller.token is None and (person := accounts.get(caller.user)) is not None:
        passwords.announce(person, "signed_out")
    return Response(status=204)


@blueprint.get("/auth/me")
@require(SIGNED_IN)
def me() -> Response:
    """Who the caller is, and what it may do."""
    caller = known_caller()
    person = None if caller.user is None else accounts.get(caller.user)
    return answer(
        {
            "id": caller.id,
            "name": caller.name,
            "email": None if person is None else person.email,
            "is_superuser": caller.is_superuser,
            "organizations": _memberships(person, caller.grants),
            "permissions": sorted(caller.everywhere.union(*caller.grants.values())),
            "expires_at": rfc3339(caller.expires_at),
        }
    )


@blueprint.post("/events/ticket")
@require(SIGNED_IN)
def ticket() -> Response:
    """A token for the `token` parameter of one stream."""
    optional_body("api/empty")
    token = callers.ticket_for(known_caller(), now())
    return answer({"token": token, "expires_in": int(tokens.LIFETIMES["ticket"])}, 201)


def _memberships(person: Person | None, grants: Any) -> list[dict[str, Any]]:
    roles = {} if person is None else person.roles
    return [
        {"id": name, "role": roles.get(name), "permissions": sorted(granted)}
        for name, granted in sorted(grants.items())
    ]


def _tokens(user: str, session: str, refresh_token: str) -> Response:
    access = access_tokens.encode(user, session, vedette().key_for("access token"), now())
    return answer(
        {
            "access_token": access,
            "refresh_token": refresh_token,
            "token_type": "Bearer",
            "expires_in": access_tokens.LIFETIME,
        }
    )
