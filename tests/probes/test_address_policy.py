"""Where probes may go: every spelling of an address, what a configuration denies and allows, on every transport."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from probes import Observation
from probes._machinery.guard import REFUSED, address_guard, never, written_address
from probes._machinery.requests import HttpRequest, Reply, Request, SqlQuery
from probes._machinery.runner import Runner, run
from probes._machinery.tasks import Running
from tests.servers.http_target import HttpTarget
from tests.servers.postgres import USER, PostgresPair

LOOPBACK = ("127.0.0.0/8", "::1/128")


def ask(request: Request, denied: tuple[str, ...] = (), allowed: tuple[str, ...] = ()) -> Reply:
    """The reply to one request under that policy."""
    with driving(denied, allowed) as runner:
        return drive(runner, request)


@contextmanager
def driving(denied: tuple[str, ...] = (), allowed: tuple[str, ...] = ()) -> Iterator[Runner]:
    runner = Runner(denied_networks=denied, allowed_networks=allowed)
    try:
        yield runner
    finally:
        runner.close()


def drive(runner: Runner, request: Request) -> Reply:
    replies: list[Reply] = []

    def probe() -> Running:
        replies.append((yield request))
        return Observation("ok")

    runner.start(probe(), "one", 20)
    while not runner.run_once(1.0):
        pass
    return replies[0]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1.", "192.0.2.1"),
        ("3221225985", "192.0.2.1"),
        ("0xc0000201", "192.0.2.1"),
        ("0300.0.02.1", "192.0.2.1"),
        ("192.0.513", "192.0.2.1"),
        ("%31%39%32.0.2.1", "192.0.2.1"),
        ("１９２.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("example.com", None),
        ("a..b", None),
        ("", None),
    ],
)
def test_an_address_is_known_in_every_spelling(host: str, address: str | None) -> None:
    assert written_address(host) == address


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "0xa9fea9fe",
        "0",
        "0.1.2.3",
        "255.255.255.255",
        "100.100.100.200",
        "[fe80::1]",
        "[ff02::1]",
        "[fd20:ce::254]",
        "[::ffff:169.254.1.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[2002:a9fe:a9fe::]",
    ],
)
def test_some_addresses_are_out_of_bounds_whatever_is_allowed(host: str) -> None:
    assert never(host)
    address = written_address(host)
    assert address is not None
    assert not address_guard([], ["0.0.0.0/0", "::/0"])(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "[::1]", "[fd00::1]", "metadata.google.internal", "8.8.8.8"])
def test_private_addresses_and_names_are_not(host: str) -> None:
    assert not never(host)


@pytest.mark.parametrize(
    ("denied", "allowed", "within", "outside"),
    [
        ((), (), ["10.0.0.1", "2001:db8::1"], ["169.254.0.1"]),
        (("10.0.0.0/8",), (), ["192.0.2.1", "::1"], ["10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1"]),
        (("10.0.0.0/8",), ("10.1.0.0/16",), ["10.1.2.3", "::ffff:10.1.2.3", "8.8.8.8"], ["10.2.0.1", "2002:a02:1::"]),
        ((), ("10.1.0.0/16",), ["10.1.2.3"], ["10.2.0.1", "8.8.8.8", "::1", "2001:db8::1"]),
        (("::/0",), (), ["10.0.0.1"], ["2001:db8::1"]),
    ],
)
def test_allow_makes_exceptions_from_deny_and_alone_bounds_everything(
    denied: tuple[str, ...], allowed: tuple[str, ...], within: list[str], outside: list[str]
) -> None:
    guard = address_guard(denied, allowed)
    assert [address for address in within if not guard(address)] == []
    assert [address for address in outside if guard(address)] == []


def test_a_policy_holds_from_the_moment_it_is_set(http_target: HttpTarget) -> None:
    with driving() as runner:
        before = drive(runner, HttpRequest(http_target.url("/ok")))
        runner.set_policy(LOOPBACK, ())
        during = drive(runner, HttpRequest(http_target.url("/ok")))
        runner.set_policy(LOOPBACK, ("127.0.0.1",))
        after = drive(runner, HttpRequest(http_target.url("/ok")))
    assert [getattr(reply, "error", "") for reply in (before, during, after)] == [None, REFUSED, None]
    assert http_target.hits == ["/ok", "/ok"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.1,localhost", ""])
def test_no_database_is_reached_where_that_is_denied(postgres_pair: PostgresPair, host: str) -> None:
    port = postgres_pair.primary.port
    dsn = f"host={host or '/tmp'} port={port} user={USER} dbname=postgres"
    reply = ask(SqlQuery(dsn, "SELECT 1"), denied=LOOPBACK)
    assert (getattr(reply, "error_class", ""), getattr(reply, "error", "")) == ("denied", REFUSED)


def test_what_is_denied_is_not_even_connected_to() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(0.2)
        port = listening.getsockname()[1]
        ask(SqlQuery(f"postgresql://u@localhost:{port}/d?connect_timeout=2", "SELECT 1"), denied=LOOPBACK)
        with pytest.raises(TimeoutError):
            listening.accept()


def test_a_databases_other_hosts_are_asked_where_one_leads_nowhere(postgres_pair: PostgresPair) -> None:
    port = postgres_pair.primary.port
    url = f"host=nowhere.invalid,localhost port={port} user={USER} dbname=postgres"
    reply = ask(SqlQuery(url, "SELECT inet_server_addr()::text AS at"), denied=("10.0.0.0/8",))
    assert getattr(reply, "error", "") is None, reply


@pytest.mark.parametrize("kind", ["http", "info", "metrics"])
def test_what_we_deny_is_no_failure_of_the_target(http_target: HttpTarget, kind: str) -> None:
    values = {"values": {"up": {"sum": "up"}}} if kind == "metrics" else {}
    seen = run(kind, {"url": http_target.url(), **values}, denied_networks=LOOPBACK)
    assert (seen.status, seen.message) == ("unknown", REFUSED)
    assert http_target.hits == []
