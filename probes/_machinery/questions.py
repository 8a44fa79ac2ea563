"""What a probe may ask over sockets besides HTTP, SQL and SSH, and what it is answered."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Phases:
    """When each part of a conversation was done, in seconds since it began; None for what was not reached."""

    dns_seconds: float | None = None
    connect_seconds: float | None = None
    tls_seconds: float | None = None
    first_byte_seconds: float | None = None
    total_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Patient:
    """What is granted `patience` seconds. Its transport keeps to them, and so can tell where they went."""

    patience: float = field(default=10.0, kw_only=True)

    @property
    def timeout(self) -> float:
        """When to give the transport itself up."""
        return self.patience + 1.0


@dataclass(frozen=True, slots=True)
class TcpRequest(Patient):
    """One conversation by TCP: connect, speak TLS if asked to, say something, and read until something was found.

    until   an RE2 pattern to be found in what the other side says; None: nothing need be said
    trust   certificates in PEM to trust instead of the system's
    """

    host: str
    port: int
    send: bytes = b""
    until: str | None = None
    tls: bool = False
    server_name: str | None = None
    trust: str | None = None


@dataclass(frozen=True, slots=True)
class TcpReply:
    """What was said, whether `until` was found in it; or `error` in words with its class.

    ended: "found", "closed" by the other side, or "full" after as much as is read at most; None where nothing was read
    """

    received: bytes = b""
    ended: str | None = None
    error: str | None = None
    error_class: str | None = None
    phases: Phases = Phases()


@dataclass(frozen=True, slots=True)
class TlsRequest(Patient):
    """The certificate that a port shows, after the words of `starttls`: smtp, imap, pop3, postgres, or None."""

    host: str
    port: int
    starttls: str | None = None
    server_name: str | None = None
    trust: str | None = None


@dataclass(frozen=True, slots=True)
class TlsReply:
    """The leaf, in DER, and in words why it is not to be trusted; or `error` in words where none could be read.

    distrust_code: OpenSSL's X509_V_ERR number; 0 where the chain and the name hold
    """

    certificate: bytes = b""
    distrust: str | None = None
    distrust_code: int = 0
    protocol: str | None = None
    error: str | None = None
    error_class: str | None = None
    phases: Phases = Phases()


@dataclass(frozen=True, slots=True)
class DnsRequest(Patient):
    """One question to a name server: `server` is (address, port); None: those this system asks."""

    name: str
    type: str
    server: tuple[str, int] | None = None
    tcp: bool = False


@dataclass(frozen=True, slots=True)
class DnsReply:
    """What the server said: its rcode ("NOERROR", …) and the records of the type asked for, as texts.

    server  who answered, or was asked last
    ttl     the least of the records', seconds
    """

    rcode: str = ""
    answers: tuple[str, ...] = ()
    ttl: float | None = None
    server: str = ""
    error: str | None = None
    error_class: str | None = None
    phases: Phases = Phases()


@dataclass(frozen=True, slots=True)
class RedisRequest(Patient):
    """Commands on a new connection to Redis, closed after them."""

    host: str
    port: int
    commands: tuple[tuple[str, ...], ...] = (("PING",),)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    tls: bool = False
    trust: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a server answers to a command that it does not follow: "WRONGTYPE Operation against …"."""

    text: str


@dataclass(frozen=True, slots=True)
class RedisReply:
    """An answer a command (bytes, numbers, None, or a Refusal); or `error` in words with its class.

    first_byte_seconds of the phases is when the first command was answered, sign-in done.
    """

    answers: tuple[Any, ...] = ()
    seconds: tuple[float, ...] = ()  # how long each took
    error: str | None = None
    error_class: str | None = None
    phases: Phases = Phases()


@dataclass(frozen=True, slots=True)
class PingRequest(Patient):
    """ICMP echo requests to one host."""

    host: str
    count: int = 3


@dataclass(frozen=True, slots=True)
class PingReply:
    """Round trips in seconds of the echoes that came back; or `error` in words with its class.

    said         what a router on the way answered instead, in words
    error_class  "timeout" without an error where nothing was heard at all
    """

    address: str = ""
    sent: int = 0
    round_trips: tuple[float, ...] = ()
    said: str | None = None
    error: str | None = None
    error_class: str | None = None
    phases: Phases = Phases()
