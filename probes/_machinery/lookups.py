"""Questions to name servers by dnspython: one answer, or a sentence on why there is none."""

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dns.asyncbackend  # this module is imported on first use itself
import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
from dns.message import Message

from probes._machinery.connecting import OURS, spelled
from probes._machinery.guard import REFUSED
from probes._machinery.questions import DnsReply, DnsRequest, Phases

_TRIES = 3  # a datagram may be lost, and says nothing of the server
_MOST = 100  # records kept

Server = tuple[str, int]


async def serve(request: DnsRequest, allowed: Callable[[str], bool]) -> DnsReply:
    """The reply of the server named, or of the first of the system's that has one to give."""
    began = time.monotonic()
    if request.server and not allowed(request.server[0]):
        return DnsReply(error=REFUSED, error_class="denied")
    servers = [request.server] if request.server else _system_servers()
    if not servers:
        return DnsReply(error="this system names no name server to ask", error_class="resolver")
    reply = DnsReply()
    for server in servers:
        reply = await _ask(request, server, request.patience / len(servers))
        if reply.error is None and (request.server or reply.rcode in ("NOERROR", "NXDOMAIN")):
            break
    took = Phases(total_seconds=time.monotonic() - began)
    return replace(reply, phases=took)


def _system_servers() -> list[Server]:
    try:
        return [(str(address), 53) for address in dns.resolver.Resolver().nameservers if isinstance(address, str)]
    except dns.resolver.NoResolverConfiguration:
        return []


async def _ask(request: DnsRequest, server: Server, patience: float) -> DnsReply:
    place = spelled(*server)
    whose = "resolver" if request.server is None else "timeout"
    try:
        async with asyncio.timeout(patience):
            answer = await (_by_tcp if request.tcp else _by_udp)(request, server, patience)
    except TimeoutError:
        words = f"no answer from the name server {place} within {patience:g} s"
        return DnsReply(server=place, error=words, error_class=whose)
    except (OSError, EOFError, dns.exception.DNSException) as trouble:
        words, error_class = _in_words(trouble, place)
        return DnsReply(server=place, error=words, error_class=error_class if request.server else "resolver")
    return _reply(request, answer, place)


def _in_words(trouble: Exception, place: str) -> tuple[str, str]:
    if isinstance(trouble, ConnectionRefusedError):
        return f"the name server {place} does not listen there (refused)", "refused"
    if isinstance(trouble, OSError) and trouble.errno in OURS:
        return f"Vedette could not ask the name server {place}: {trouble.strerror}", "own"
    if isinstance(trouble, OSError):
        return f"the name server {place} cannot be reached: {(trouble.strerror or str(trouble)).lower()}", "unreachable"
    if isinstance(trouble, EOFError):
        return f"the name server {place} closed the connection without an answer", "broken"
    return f"the answer of the name server {place} cannot be read: {trouble}", "unreadable"


async def _by_udp(request: DnsRequest, server: Server, patience: float) -> Message:
    """By datagram, sent again where none comes back; by TCP where the answer is too long for one."""
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    backend: Any = dns.asyncbackend.get_backend("asyncio")
    # Connected, so that a port where nobody listens is known for one at once.
    made = await backend.make_socket(family, socket.SOCK_DGRAM, 0, None, server)
    query = _query(request)  # the same again, so that a late answer to the first will do
    try:
        for _ in range(_TRIES):
            try:
                return await _exchange(query, server, made, patience / _TRIES)
            except dns.exception.Timeout:
                continue
            except dns.message.Truncated:
                return await _by_tcp(request, server, patience)
        raise TimeoutError
    finally:
        await made.close()


async def _exchange(query: Message, server: Server, made: Any, seconds: float) -> Message:
    return await dns.asyncquery.udp(
        query, server[0], seconds, server[1], sock=made, raise_on_truncation=True, ignore_errors=True
    )


async def _by_tcp(request: DnsRequest, server: Server, patience: float) -> Message:
    return await dns.asyncquery.tcp(_query(request), server[0], patience, server[1])


def _query(request: DnsRequest) -> Message:

    return dns.message.make_query(request.name, request.type)


def _reply(request: DnsRequest, answer: Message, place: str) -> DnsReply:

    asked = dns.rdatatype.from_text(request.type)
    found = [one for one in answer.answer if one.rdtype == asked]
    texts = tuple(record.to_text() for one in found for record in one)[:_MOST]
    ttl = float(min(one.ttl for one in found)) if found else None
    return DnsReply(rcode=dns.rcode.to_text(answer.rcode()), answers=texts, ttl=ttl, server=place)
