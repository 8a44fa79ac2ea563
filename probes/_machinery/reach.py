"""What a reply tells of the network between this machine and a target: whether anybody out there answered."""

from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from probes._machinery.questions import DnsRequest, PingRequest, RedisRequest, TcpRequest, TlsRequest
from probes._machinery.requests import HttpRequest, Reply, Request, SqlQuery, SshCommand
from probes._machinery.ssh_login import read_login

_SILENT = frozenset({"timeout", "unreachable", "dns", "resolver", "no_connection"})
"""Classes of failures in which nobody answered: a refusal or a broken TLS handshake is an answer."""

_SAYS_NOTHING = frozenset({"own", "denied", "config"})
_REMEMBERED = 4096


class Reach(NamedTuple):
    """Whom a request went to, and whether he, or anything on the way that knows him, answered."""

    host: str
    answered: bool


def reach(request: Request, reply: Reply) -> Reach | None:
    """None where nothing beyond this machine was asked, or nothing was sent."""
    host = _host(request)
    trouble: str | None = getattr(reply, "error_class", None)
    return Reach(host, answered(reply)) if host and reply is not None and trouble not in _SAYS_NOTHING else None


def answered(reply: Any) -> bool:
    """Whether somebody answered, if only to refuse. One who took the connection may have been cut off since."""
    return reply.error_class not in _SILENT | _SAYS_NOTHING


def is_here(host: str) -> bool:
    """Whether the name or address is this machine's loopback, which no network explains."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False


def _host(request: Request) -> str:
    """The host beyond this machine that was asked; empty where there is none."""
    if isinstance(request, HttpRequest):
        return _of_url(request.proxy or request.url)
    if isinstance(request, SqlQuery):
        return _of_dsn(request.dsn)
    if isinstance(request, SshCommand):
        return _outside(_of_login(request.login))
    if isinstance(request, DnsRequest):
        return _outside(request.server[0]) if request.server else ""
    if isinstance(request, TcpRequest | TlsRequest | RedisRequest | PingRequest):
        return _outside(request.host)
    return ""


def _outside(host: str) -> str:
    return "" if is_here(host) else host.lower()


def _of_url(url: str) -> str:
    return _of_origin("/".join(url.split("/", 3)[:3]))  # thousands of paths, but few hosts to remember


@lru_cache(_REMEMBERED)
def _of_origin(url: str) -> str:
    try:
        return _outside(urlsplit(url if "://" in url else f"//{url}").hostname or "")
    except ValueError:
        return ""


@lru_cache(_REMEMBERED)
def _of_dsn(dsn: str) -> str:
    """The first host; a socket's folder, or none, is this machine."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        given = conninfo_to_dict(dsn)
    except ProgrammingError:
        return ""
    host = str(given.get("hostaddr") or given.get("host") or "").split(",")[0]
    return "" if host[:1] in ("", "/", "@") else _outside(host)


def _of_login(login: str) -> str:
    try:
        return read_login(login).host
    except ValueError:
        return ""
