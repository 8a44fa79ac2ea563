"""What a probe may ask for. A probe yields one of these and is sent the reply; it does no I/O itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from probes._machinery.questions import (
    DnsReply,
    DnsRequest,
    PingReply,
    PingRequest,
    RedisReply,
    RedisRequest,
    TcpReply,
    TcpRequest,
    TlsReply,
    TlsRequest,
)

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class HttpRequest(NamedTuple):
    """One HTTP exchange. `timeout` in seconds over the whole exchange, redirects and name resolution included.

    A tuple, as every look makes one; its repr shows nothing that may hold a secret.

    http_version  "1.0", "1.1", "2" or "3"; None: what client and server agree upon
    ca            certificates in PEM to trust instead of this machine's
    client_certificate, client_key  in PEM; the key may stand with the certificate
    share_seconds: a reply that another probe got to the very same request so long ago will do; nothing is sent then
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = _NO_HEADERS
    body: bytes | None = None
    timeout: float = 10.0
    max_bytes: int = 1_048_576
    follow_redirects: bool = True
    max_redirects: int = 5
    basic_auth: tuple[str, str] | None = None
    digest_auth: tuple[str, str] | None = None
    http_version: str | None = None
    proxy: str | None = None
    ca: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    client_key_password: str | None = None
    share_seconds: float = 0.0
    want_certificate: bool = False  # fill `certificate_expires_at`; costs a little, so only on demand

    def __repr__(self) -> str:
        return f"HttpRequest(method={self.method!r}, timeout={self.timeout!r})"


class HttpReply(NamedTuple):
    """The answer, or `error` in words when there was none. Times are seconds since the start of the exchange.

    A tuple, since every look makes one: a frozen dataclass would take four times as long.

    error_class  denied (our policy), own (a trouble of this machine), config (what was asked for cannot be), resolver,
                 dns, refused, unreachable, timeout, tls, certificate, proxy, redirect, broken
    elsewhere    the origin ("https://example.com:8443") that answered, where a redirect led to another
    headers have lower-case names; `truncated` says the body was longer than `max_bytes` (the rest was not read);
    `certificate_expires_at` is the leaf's notAfter in epoch seconds, None without TLS or where nobody asked.
    """

    status: int = 0
    headers: Mapping[str, str] = _NO_HEADERS
    body: bytes = b""
    error: str | None = None
    error_class: str | None = None
    truncated: bool = False
    http_version: float | None = None
    elsewhere: str = ""
    dns_seconds: float | None = None
    connect_seconds: float | None = None
    tls_seconds: float | None = None
    first_byte_seconds: float | None = None
    total_seconds: float = 0.0
    certificate_expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class SqlQuery:
    """One statement on a new connection to PostgreSQL, closed after it. `timeout` in seconds over everything."""

    dsn: str
    sql: str
    parameters: tuple[Any, ...] = ()
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class SqlReply:
    """Rows as dictionaries, or `error` in words with a small `error_class` (refused, dns, timeout, auth, …).

    connect_seconds: until signed in; query_seconds: from there until all rows had come
    """

    rows: tuple[Mapping[str, Any], ...] = ()
    connect_seconds: float | None = None
    query_seconds: float | None = None
    error: str | None = None
    error_class: str | None = None


@dataclass(frozen=True, slots=True)
class HostQuery:
    """The machine Vedette runs on, by psutil: processor, memory, root disk, network."""

    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class HostReply:
    """Readings since the last look (rates) or now (the rest); None where the platform cannot tell."""

    cpu_percent: float | None = None
    memory_used_bytes: float | None = None
    memory_total_bytes: float | None = None
    memory_percent: float | None = None
    disk_used_bytes: float | None = None
    disk_total_bytes: float | None = None
    disk_percent: float | None = None
    network_rx_bytes: float | None = None  # counters since boot; the probe makes rates of them with `previous`
    network_tx_bytes: float | None = None
    boot_at: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SshCommand:
    """One command on another machine, on a new connection, closed after it. `timeout` in seconds over everything.

    command  the remote program and its arguments; each is quoted, so that no shell of theirs reads our words
    login    "user@host" or "user@host:port"; what is left out is taken from the OpenSSH client's configuration
    stdin    what the command reads
    host_key, private_key  texts in OpenSSH's forms; None: the known_hosts and the keys of the user Vedette runs as
    """

    login: str
    command: tuple[str, ...]
    stdin: bytes = b""
    timeout: float = 10.0
    host_key: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SshReply:
    """What the command left behind; or `error` in words where it was never run to its end, with its class."""

    exit_status: int | None = None
    stdout: str = ""
    stderr: str = ""
    error: str | None = None
    error_class: str | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait, then look again: for a probe that needs two looks and has no `previous`. Answered with None."""

    seconds: float


Request = (
    HttpRequest
    | SqlQuery
    | SshCommand
    | TcpRequest
    | TlsRequest
    | DnsRequest
    | RedisRequest
    | PingRequest
    | HostQuery
    | Sleep
)
Reply = HttpReply | SqlReply | SshReply | TcpReply | TlsReply | DnsReply | RedisReply | PingReply | HostReply | None
