"""What an idle stream costs in memory and a delivered event in CPU: handed-over sockets against generators."""

import os
import socket
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import quantiles

import harness
from harness import beside, figure, own_cpu
from serving import Web, installation, listen, publish, web

HANDED, GENERATORS, FLOOR = "handed over to the hub", "a generator a stream", "bare write() loop (floor)"
_APPS = {HANDED: "web.wsgi:application", GENERATORS: "apps:generators"}
_FRAME = b"x" * 320  # about what an event of `publish` takes


@dataclass(frozen=True, slots=True)
class Cost:
    """One round of one side: KB a stream, CPU µs and seconds a delivery, and memory with no stream at all."""

    rss: float
    pss: float
    cpu: float
    late: float
    empty: float


def main() -> None:
    few, many, events, rounds = (200, 500, 3, 1) if harness.arguments(__doc__).quick else (2000, 5000, 8, 3)
    costs: dict[str, list[Cost]] = {name: [] for name in _APPS}
    floor: list[float] = []
    for number in range(1, rounds + 1):
        for name, app in _APPS.items():
            harness.say(f"  {number}/{rounds} {name}")
            costs[name].append(_measure(app, few, many, events))
        harness.say(f"  {number}/{rounds} {FLOOR}")
        floor.append(float(harness.in_child(_bare_writes, many, events)))
    _tell(costs, floor, f"{few} and {many} streams, one worker, {events} events at one a second, {rounds} rounds")


def _tell(costs: dict[str, list[Cost]], floor: list[float], title: str) -> None:
    samples = {name: [one.cpu for one in found] for name, found in costs.items()} | {FLOOR: floor}
    rows = [
        [
            name,
            figure([one.rss for one in found], ".1f"),
            figure([one.pss for one in found], ".1f"),
            figure([one.empty / 1024 for one in found], ".0f"),
            figure([one.cpu for one in found], ".1f"),
            harness.ratio(samples, name, FLOOR),
            figure([one.late * 1000 for one in found], ".0f"),
        ]
        for name, found in costs.items()
    ]
    rows.append([FLOOR, "", "", "", figure(floor, ".1f"), harness.ratio(samples, FLOOR, FLOOR), ""])
    heads = ["KB RSS a stream", "KB PSS a stream", "MB PSS with none", "CPU µs a delivery", "to the floor", "p99 ms"]
    harness.table(title, ["way", *heads], rows)


def _measure(app: str, few: int, many: int, events: int) -> Cost:
    with installation() as (home, token), web(home, app) as server, beside(listen, server.port, token) as clients:
        _open(clients, 10)  # what the first stream alone brings along
        empty = server.memory()[1]
        first = _memory_with(server, clients, few - 10)
        second = _memory_with(server, clients, many - few)
        cpu, late = _deliver(server, clients, events, many)
    slopes = [(after - before) / (many - few) for before, after in zip(first, second, strict=True)]
    return Cost(slopes[0], slopes[1], cpu, late, empty)


def _memory_with(server: Web, clients: Connection, more: int) -> tuple[float, float]:
    _open(clients, more)
    time.sleep(1)  # the last requests end
    return server.memory()


def _open(clients: Connection, more: int) -> None:
    clients.send(more)
    clients.recv()


def _deliver(server: Web, clients: Connection, events: int, streams: int) -> tuple[float, float]:
    before = server.cpu()
    for number in range(events):
        publish(number)
        time.sleep(1)
    arrived = 0
    delays: list[float] = []
    for _ in range(50):
        clients.send(0)
        more, later = clients.recv()
        arrived, delays = arrived + more, delays + later
        if arrived >= events * streams:
            break
        time.sleep(0.1)
    assert arrived == events * streams, f"{arrived} events arrived of {events * streams}"
    return (server.cpu() - before) / arrived * 1e6, quantiles(delays, n=100)[98]


def _bare_writes(streams: int, events: int) -> float:
    """CPU µs of one write() to each of as many sockets, whose other ends another process reads."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    with beside(_swallow, listener.getsockname()[1], streams):
        descriptors = [listener.accept()[0].detach() for _ in range(streams)]
        before = own_cpu()
        for _ in range(events):
            for descriptor in descriptors:
                os.write(descriptor, _FRAME)
            time.sleep(1)
        return (own_cpu() - before) / (streams * events) * 1e6


def _swallow(_connection: Connection, port: int, streams: int) -> None:
    import select

    epoll, kept = select.epoll(), {}
    for _ in range(streams):
        one = socket.create_connection(("127.0.0.1", port))
        kept[one.fileno()] = one
        epoll.register(one, select.EPOLLIN)
    while True:
        for descriptor, _ in epoll.poll(-1, 1024):
            if not kept[descriptor].recv(65_536):
                return


if __name__ == "__main__":
    main()
