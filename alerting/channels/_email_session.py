"""A conversation with a mail server: where it is, how it is opened, and what its refusals mean."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from alerting.channels.outcome import Arrived, DeliveryError, after_reply, unreachable
from alerting.phrasing import clip

_FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in. `starttls` None: where there is a password to protect and the server offers it."""

    host: str
    port: int
    tls: bool
    starttls: bool | None
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def server_of(url: str) -> Server:
    """The server of `smtp://user:password@host:587?starttls=1` or `smtps://…`. Raises DeliveryError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("smtp", "smtps"):
        words = "The mail server's address is not one; expected smtp://user:password@host:587?starttls=1 (SMTP_URL)"
        raise DeliveryError("invalid_address", words, action="give_up", arrived="no")
    asked = parse_qs(parts.query).get("starttls")
    starttls = None if asked is None else asked[-1].lower() not in _FALSE
    usual = 465 if parts.scheme == "smtps" else 587 if starttls else 25
    user, password = (unquote(text) if text else None for text in (parts.username, parts.password))
    return Server(host, port or usual, parts.scheme == "smtps", starttls, user, password)


@contextmanager
def session(server: Server, local_hostname: str, timeout: float) -> Iterator[smtplib.SMTP]:
    """A connection that is greeted, encrypted and signed in as asked. Raises DeliveryError, from its body too.

    `local_hostname` is what we call ourselves: looking the machine's own name up can take half a minute.
    """
    smtp = None
    try:
        smtp = _connect(server, local_hostname, timeout)
        _secure(smtp, server)
        _sign_in(smtp, server)
        yield smtp
        with suppress(OSError):
            smtp.quit()
    except smtplib.SMTPResponseException as error:
        raise refusal(error.smtp_code, error.smtp_error, "the conversation", (server.password,)) from None
    except OSError as error:  # smtplib's own errors are OSErrors
        # Whoever hands the message itself over catches its own: everything else is before that.
        raise broken_off(error, "no") from None
    finally:
        if smtp is not None:
            smtp.close()


def refusal(code: int, text: bytes | str, what: str, secrets: tuple[str | None, ...] = ()) -> DeliveryError:
    """The error of a server's reply that is no yes: "Mail server refused the sender: 550 5.7.1 …"."""
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    for secret in filter(None, secrets):
        said = said.replace(secret, "…")
    action, arrived = after_reply(code)
    message = f"Mail server refused {what}: {code} {clip(said, 200)}".rstrip()
    return DeliveryError(f"smtp_{code}", message, action=action, arrived=arrived)


def broken_off(error: Exception, arrived: Arrived) -> DeliveryError:
    """The error of a conversation that ended too early. smtplib tells a timeout as a cut; what it was is below."""
    below = error.__context__
    cause = below if isinstance(error, smtplib.SMTPException) and isinstance(below, OSError) else error
    return unreachable(cause, "Mail server", arrived)


def _connect(server: Server, local_hostname: str, timeout: float) -> smtplib.SMTP:
    if server.tls:
        context = ssl.create_default_context()
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, local_hostname=local_hostname, timeout=timeout, context=context
        )
    else:
        smtp = smtplib.SMTP(server.host, server.port, local_hostname=local_hostname, timeout=timeout)
    smtp.ehlo_or_helo_if_needed()
    return smtp


def _secure(smtp: smtplib.SMTP, server: Server) -> None:
    offered = smtp.has_extn("starttls")
    if server.tls or server.starttls is False or (server.starttls is None and not (offered and server.password)):
        return
    if not offered:
        words = "Mail server: STARTTLS was asked for (starttls=1) and the server does not offer it"
        raise DeliveryError("starttls_unavailable", words, action="give_up", arrived="no")
    smtp.starttls(context=ssl.create_default_context())
    smtp.ehlo()


def _sign_in(smtp: smtplib.SMTP, server: Server) -> None:
    if server.user is None or server.password is None:
        return
    try:
        smtp.login(server.user, server.password)
    except smtplib.SMTPAuthenticationError as error:
        action, arrived = after_reply(error.smtp_code)
        words = f"Mail server: it refused the user or the password ({error.smtp_code})"
        raise DeliveryError("auth_failed", words, action=action, arrived=arrived) from None
    except (smtplib.SMTPNotSupportedError, UnicodeError):
        words = "Mail server: it offers no way to sign in with this user and password"
        raise DeliveryError("auth_failed", words, action="give_up", arrived="no") from None
