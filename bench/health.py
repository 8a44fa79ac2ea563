"""Requests a second on /health against a bare WSGI function on the same server, with and without open streams."""

import select
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

import harness
from harness import beside, figure
from serving import Web, installation, listen, publish, web

CONNECTIONS = 64
BARE, OURS = "bare WSGI function", "/health"


@dataclass(frozen=True, slots=True)
class Load:
    """What one server answered: requests a second, CPU µs of its worker a request, seconds of the slowest 1 %."""

    rate: float
    cpu: float
    late: float


def main() -> None:
    seconds, streams, rounds = (1.0, 100, 2) if harness.arguments(__doc__).quick else (3.0, 1000, 5)
    crowded = f"/health, beside {streams:,} streams fed once a second"
    with (
        installation() as (home, token),
        web(home, "apps:bare") as bare,
        web(home) as ours,
        web(home) as third,
        _listeners(third, token, streams),
    ):
        loads = _loads({BARE: bare, OURS: ours, crowded: third}, seconds, rounds)
    _tell(loads, f"{CONNECTIONS} keep-alive connections, one worker, {seconds:g} s a round, {rounds} rounds")


def _tell(loads: dict[str, list[Load]], title: str) -> None:
    rates = {name: [one.rate for one in found] for name, found in loads.items()}
    costs = {name: [one.cpu for one in found] for name, found in loads.items()}
    rows = [
        [
            name,
            figure(rates[name], ",.0f"),
            harness.ratio(rates, name, BARE),
            figure(costs[name], ".0f"),
            harness.ratio(costs, name, BARE),
            figure([one.late * 1000 for one in found], ".0f"),
        ]
        for name, found in loads.items()
    ]
    harness.table(title, ["server", "requests a second", "to bare", "CPU µs a request", "to bare", "p99 ms"], rows)


def _loads(servers: dict[str, Web], seconds: float, rounds: int) -> dict[str, list[Load]]:
    loads: dict[str, list[Load]] = {name: [] for name in servers}
    for server in servers.values():
        _load(server, 0.5)
    for number in range(1, rounds + 1):
        for name, server in servers.items():
            harness.say(f"  {number}/{rounds} {name}")
            loads[name].append(_load(server, seconds))
    return loads


def _load(server: Web, seconds: float) -> Load:
    with beside(_ask, server.port, seconds) as connection:
        connection.recv()  # all connections stand
        before = server.cpu()
        connection.send("go")
        answered, took, late = connection.recv()
        used = server.cpu() - before
    return Load(answered / took, used / answered * 1e6, late)


@contextmanager
def _listeners(server: Web, token: str, streams: int) -> Iterator[None]:
    over = threading.Event()
    with beside(listen, server.port, token) as clients:
        clients.send(streams)
        clients.recv()
        feeding = threading.Thread(target=_feed, args=(over,))
        feeding.start()
        try:
            yield
        finally:
            over.set()
            feeding.join()


def _feed(over: threading.Event) -> None:
    number = 0
    while not over.wait(1.0):
        publish(number)
        number += 1


def _ask(connection: Connection, port: int, seconds: float) -> None:
    """A process of its own: on every connection a next request as soon as the last one is answered."""
    request = b"GET /health HTTP/1.1\r\nHost: bench\r\n\r\n"
    epoll, sockets, asked, delays = select.epoll(), {}, {}, []
    got: defaultdict[int, bytes] = defaultdict(bytes)
    for _ in range(CONNECTIONS):
        one = socket.create_connection(("127.0.0.1", port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[one.fileno()] = one
        epoll.register(one, select.EPOLLIN)
    connection.send("ready")
    connection.recv()
    began = now = time.monotonic()
    for descriptor, one in sockets.items():
        asked[descriptor] = now
        one.send(request)
    while now - began < seconds:
        ready = epoll.poll()
        now = time.monotonic()
        for descriptor, _ in ready:
            one = sockets[descriptor]
            got[descriptor] += one.recv(4096)
            if not got[descriptor].endswith(b"}"):  # head and body leave in two pieces
                continue
            assert got[descriptor].startswith(b"HTTP/1.1 200"), "the server answered with something else"
            got[descriptor] = b""
            delays.append(now - asked[descriptor])
            asked[descriptor] = now
            one.send(request)
    connection.send((len(delays), now - began, sorted(delays)[len(delays) * 99 // 100]))


if __name__ == "__main__":
    main()
