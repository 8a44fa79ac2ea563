"""A real name server on a free loopback port, and one that misbehaves as it is asked to."""

import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from tests.needing import need
from tests.waiting import free_port, wait_until

SERIAL = 2026112101
SOA = b"\x02ns\x07example\x04test\x00\x0ahostmaster\x07example\x04test\x00" + struct.pack(
    "!5I", SERIAL, 3600, 600, 86400, 60
)
ZONE = (
    "--host-record=www.example.test,192.0.2.10,2001:db8::10,300",
    "--host-record=two.example.test,192.0.2.21",
    "--host-record=two.example.test,192.0.2.22",
    "--cname=alias.example.test,www.example.test",
    "--mx-host=example.test,mail.example.test,10",
    "--mx-host=example.test,Backup.Example.test,20",
    "--txt-record=example.test,v=spf1 mx -all",
    f"--txt-record=long.example.test,{','.join(letter * 250 for letter in 'abcdefgh')}",
    "--srv-host=_sip._tcp.example.test,sip.example.test,5060,5,10",
    "--caa-record=example.test,0,issue,authority.example",
    f"--dns-rr=example.test,6,{SOA.hex()}",
)


@pytest.fixture(scope="session")
def dns_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address and port; it knows the names below example.test, and no other name server."""
    program, port = need("dnsmasq")["dnsmasq"], free_port()
    log = tmp_path_factory.mktemp("dnsmasq") / "log"
    with log.open("wb") as kept:
        server = subprocess.Popen(_command(program, port), stdout=kept, stderr=kept)
    try:
        wait_until(lambda: _answers(port) or server.poll() is not None, 10, "dnsmasq to answer")
        assert server.poll() is None, log.read_text()
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def _command(program: Path, port: int) -> list[str]:
    place = [f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--user=", "--group="]
    alone = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--no-poll", "--conf-file=/dev/null", "--pid-file="]
    return [str(program), *place, *alone, "--local=/example.test/", *ZONE]


def _answers(port: int) -> bool:
    query = dns.message.make_query("www.example.test", "A").to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.settimeout(0.2)
        caller.connect(("127.0.0.1", port))
        try:
            caller.send(query)
            return bool(caller.recv(4096))
        except OSError:
            return False


@dataclass
class BadDns:
    """Does what the first label says: servfail, refused, silent, garbage, stranger, late (the second time)."""

    port: int
    asked: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"


@pytest.fixture
def bad_dns() -> Iterator[BadDns]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        server = BadDns(listener.getsockname()[1])
        thread = threading.Thread(target=_misbehave, args=(listener, server))
        thread.start()
        try:
            yield server
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
                caller.sendto(b"", ("127.0.0.1", server.port))
            thread.join(10)


def _misbehave(listener: socket.socket, server: BadDns) -> None:
    while True:
        data, caller = listener.recvfrom(4096)
        if not data:
            return
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text()
        server.asked.append(name)
        for answer in _answers_to(query, name.partition(".")[0], server.asked.count(name)):
            listener.sendto(answer, caller)


def _answers_to(query: dns.message.Message, how: str, time: int) -> list[bytes]:
    reply = dns.message.make_response(query)
    if how == "garbage":
        return [b"\x00" * 11]
    if how == "silent" or (how == "late" and time == 1):
        return []
    if how in ("servfail", "refused"):
        reply.set_rcode(dns.rcode.from_text(how))
    else:
        reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "192.0.2.99"))
    wire = reply.to_wire()
    stranger = struct.pack("!H", (query.id + 1) % 65536) + wire[2:]
    return [stranger] if how == "stranger" else [stranger, wire]
