"""Who is calling, and may they: the caller of the current request, and the decorator that asks for a permission."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Response, g, request

from alerting.settings import Settings
from alerting.store import tokens
from alerting.store.database import reading
from web import access_tokens, callers
from web.callers import Caller
from web.errors import Problem
from web.state import now, vedette

COOKIE = "vedette_session"
"""The page's cookie."""

VIEW_PAGE = "org.monitoring.view"
"""The permission the page asks for, alias monitoring:view."""

SIGNED_IN = "signed-in"
"""Stands where a permission would: any caller will do."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
View = TypeVar("View", bound=Callable[..., Any])


def caller() -> Caller | None:
    """Who makes this request, by its Authorization header, else the page's cookie. None for nobody we know."""
    if not _presents_something():
        return None
    if "caller" not in g:
        with reading():
            g.caller = _by_header() if _header() is not None else _by_cookie()
    found: Caller | None = g.caller
    return found


def stream_caller() -> Caller | None:
    """The same for a stream, which may also carry a JWT or a ticket in its `token` parameter. Spends a ticket."""
    parameter = request.args.get("token")
    if parameter is None or _header() is not None:
        return caller()
    with reading():
        return _by_access_token(parameter) if "." in parameter else callers.of_ticket(parameter, now())


def known_caller() -> Caller:
    """The caller of a view that asked for a permission."""
    found = caller()
    if found is None:
        raise unauthorized()
    return found


def may_see(organization: str | None) -> bool:
    """Whether the caller belongs to the organization."""
    found = caller()
    return found is not None and found.may_see(organization)


def require(permission: str, connected: bool = True) -> Callable[[View], View]:
    """Let a view be called only by those who have the permission somewhere: 401 and 403 for the rest.

    What it shows or changes is still to be held to `Caller.where(permission)`. One connection serves the whole view;
    one that waits for something else than the database goes without (`connected=False`), and reads by itself.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*arguments: Any, **named: Any) -> Any:
            if not _presents_something():
                raise unauthorized()
            with reading():
                check(permission)
                if connected:
                    return view(*arguments, **named)
            return view(*arguments, **named)

        guarded.__dict__["permission"] = permission
        return guarded  # type: ignore[return-value]

    return decorate


def check(permission: str) -> Caller:
    """The caller, who has the permission somewhere. Raises Problem: 401, 403."""
    found = known_caller()
    if permission != SIGNED_IN and not found.may(permission):
        raise Problem(403, f"this needs the permission {permission}")
    if request.method not in _SAFE and _header() is None and not from_own_page():
        raise Problem(403, "a request with the page's cookie must come from the page itself")
    return found


def unauthorized() -> Problem:
    """The problem of a caller nobody knows."""
    return Problem(401, "sign in, or send a valid token", headers={"WWW-Authenticate": 'Bearer realm="vedette"'})


def from_own_page(without_origin: bool = False) -> bool:
    """Whether the browser says that one of our own pages makes this request; `without_origin` if it says nothing."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin" or (site == "none" and without_origin)
    origin = request.headers.get("Origin") or request.headers.get("Referer")
    if origin is None:
        return without_origin
    return _host(origin) in {request.host, _host(vedette().settings.base_url)}


def set_cookie(response: Response, user: str) -> None:
    """Sign a person in on the page: a new session, its secret in a cookie that no script can read."""
    secret, _ = tokens.issue("session", now(), user=user)
    response.set_cookie(
        COOKIE,
        _signer().sign(secret).decode(),
        max_age=int(tokens.LIFETIMES["session"]),
        httponly=True,
        secure=_is_https(vedette().settings),
        samesite="Lax",
        path="/",
    )


def clear_cookie(response: Response) -> None:
    """Forget the page's cookie."""
    response.delete_cookie(COOKIE, httponly=True, secure=_is_https(vedette().settings), samesite="Lax", path="/")


def _presents_something() -> bool:
    """Whether there is anything to look up: strangers cost no connection."""
    return _header() is not None or COOKIE in request.cookies


def _header() -> str | None:
    return request.headers.get("Authorization")


def _by_header() -> Caller | None:
    scheme, _, token = (_header() or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        return None
    if token.startswith(tokens.API_PREFIX):
        return callers.of_api_token(token, now())
    return _by_access_token(token)


def _by_access_token(token: str) -> Caller | None:
    claims = access_tokens.decode(token, vedette().key_for("access token"), now())
    return None if claims is None else callers.of_access(claims)


def _by_cookie() -> Caller | None:
    from itsdangerous import BadSignature

    cookie = request.cookies.get(COOKIE)
    if not cookie:
        return None
    try:
        secret = _signer().unsign(cookie).decode()
    except (BadSignature, UnicodeError):
        return None
    return callers.of_session(secret, now())


def _signer() -> Any:
    from itsdangerous import Signer

    return Signer(vedette().key_for("page cookie"), salt="page")


def _is_https(settings: Settings) -> bool:
    return settings.base_url.startswith("https:")


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""
