"""A real SMTP server on a free loopback port, in a thread: it records what it takes and refuses what it is told to."""

import asyncio
import datetime
import ipaddress
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_string, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER = "vedette"
PASSWORD = "planted-Password-55zz"


@dataclass(frozen=True)
class Mail:
    """A mail that was accepted: its envelope, its bytes, when (epoch seconds), and whether it came encrypted."""

    at: float
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    tls: bool
    user: str | None
    ehlo: str

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        parsed = message_from_string(self.raw.decode(), policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def text(self) -> str:
        """Its text part."""
        return _part(self.message, "plain")

    @property
    def html(self) -> str:
        """Its HTML part; empty where there is none."""
        return _part(self.message, "html")


@dataclass
class SmtpServer:
    """What a test sees of the server.

    replies   what to answer instead of yes: "MAIL", "DATA" (to DATA's end) or an address → "550 5.1.1 no such user"
    cut       close the connection at "MAIL", "RCPT" or "DATA" without an answer (with "DATA", having taken the mail)
    hold      seconds to be silent at the end of DATA, having taken the mail
    """

    host: str = "127.0.0.1"
    port: int = 0
    mails: list[Mail] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)
    cut: str = ""
    hold: float = 0.0
    connections: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        """Its address for SMTP_URL, without a user."""
        return f"smtp://{self.host}:{self.port}"

    @property
    def login_url(self) -> str:
        """The same with the user and the password it knows."""
        return f"smtp://{USER}:{PASSWORD}@{self.host}:{self.port}"

    def wait_for(self, count: int, timeout: float = 10.0) -> list[Mail]:
        """The first `count` mails, as soon as they are there. Raises AssertionError."""
        with self.changed:
            there = self.changed.wait_for(lambda: len(self.mails) >= count, timeout)
        assert there, f"{len(self.mails)} of {count} mails came"
        return self.mails[:count]


class _Handler:
    def __init__(self, server: SmtpServer, auth: bool) -> None:
        self.server = server
        self.auth = auth  # aiosmtpd's own demand for it warns where there is no TLS

    async def handle_MAIL(
        self, smtp: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.server.connections += 1
        _cut(self.server, "MAIL", smtp)
        if self.auth and not session.authenticated:
            return "530 5.7.0 Authentication required"
        if "MAIL" in self.server.replies:
            return self.server.replies["MAIL"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 sender ok"

    async def handle_RCPT(
        self, smtp: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        _cut(self.server, "RCPT", smtp)
        if address in self.server.replies:
            return self.server.replies[address]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 recipient ok"

    async def handle_DATA(self, smtp: SMTP, session: Session, envelope: Envelope) -> str:
        if "DATA" in self.server.replies:
            return self.server.replies["DATA"]
        self._keep(smtp, session, envelope)
        _cut(self.server, "DATA", smtp)
        if self.server.hold:
            await asyncio.sleep(self.server.hold)
        return "250 2.0.0 taken"

    def _keep(self, smtp: SMTP, session: Session, envelope: Envelope) -> None:
        raw = envelope.original_content or b""
        user = session.auth_data.login.decode() if session.authenticated else None
        mail = Mail(
            time.time(),
            envelope.mail_from or "",
            tuple(envelope.rcpt_tos),
            raw,
            smtp.transport.get_extra_info("sslcontext") is not None,
            user,
            session.host_name or "",
        )
        with self.server.changed:
            self.server.mails.append(mail)
            self.server.changed.notify_all()


def _cut(server: SmtpServer, stage: str, smtp: SMTP) -> None:
    if server.cut == stage:
        smtp.transport.abort()


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    right = data == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False, auth_data=data)


@contextmanager
def running(
    *, auth: bool = False, certificate: Path | None = None, wrapped: bool = False, utf8: bool = False
) -> Iterator[SmtpServer]:
    """The server, until the block ends. `certificate` (see there) offers STARTTLS; `wrapped` starts with TLS."""
    server = SmtpServer()
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    options: dict[str, Any] = {"tls_context": context} if context and not wrapped else {}
    options["authenticator"] = _authenticate
    options["auth_require_tls"] = bool(context) and not wrapped
    loop = asyncio.new_event_loop()
    protocol = partial(SMTP, _Handler(server, auth), hostname="test", ident="test", loop=loop, **options)
    made = loop.create_server(partial(protocol, enable_SMTPUTF8=utf8), server.host, 0, ssl=context if wrapped else None)
    listening = loop.run_until_complete(made)
    server.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_end(listening), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(listening: asyncio.Server) -> None:
    """Close the door and end the conversations under way."""
    listening.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # the transports' own closing is scheduled, not done


def make_certificate(path: Path) -> Path:
    """Write a self-signed certificate for 127.0.0.1 with its key, good for an hour; the file serves as its own CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def _part(message: EmailMessage, subtype: str) -> str:
    body = message.get_body((subtype,))
    return str(body.get_content()) if body is not None else ""


@pytest.fixture
def smtp_server() -> Iterator[SmtpServer]:
    with running() as server:
        yield server
