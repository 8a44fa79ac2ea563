"""Access tokens: JWTs that say who signed in, for an hour."""

from collections.abc import Mapping
from typing import Any

LIFETIME = 3600
"""Seconds an access token is good for."""

_ISSUER = _AUDIENCE = "vedette"
_REQUIRED = ["exp", "iat", "aud", "iss", "sub", "sid"]


def encode(user: str, session: str, key: bytes, now: float) -> str:
    """A token for a user, of the sign-in `session`."""
    import jwt

    claims = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": user,
        "sid": session,
        "iat": int(now),
        "exp": int(now) + LIFETIME,
    }
    return jwt.encode(claims, key, algorithm="HS256")


def decode(token: str, key: bytes, now: float) -> Mapping[str, Any] | None:
    """The claims of a genuine token that has not expired, or None."""
    import jwt

    # The two checks of time are ours, so that there is one clock.
    options: Any = {"require": _REQUIRED, "verify_exp": False, "verify_iat": False}
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=["HS256"], audience=_AUDIENCE, issuer=_ISSUER, options=options
        )
    except (jwt.InvalidTokenError, UnicodeError):
        return None
    return claims if isinstance(claims["exp"], int) and now < claims["exp"] else None
