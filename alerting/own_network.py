"""Is it us? Whether this machine's own network works, found out without a word to strangers, in a few seconds."""

import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from alerting.config import Config
from probes import Observation
from probes._machinery.questions import TcpRequest
from probes._machinery.reach import answered, is_here
from probes._machinery.requests import HttpRequest

PATIENCE = 3.0
"""Seconds a test may take."""

_MOST_HOSTS = 20  # of those that are watched: enough to tell whether there is any way out
_ANY_PORT = 9


class Verdict(NamedTuple):
    """What is wrong with our own network, in words; None where it works, or nothing speaks against it.

    here: hosts that turned out to be this very machine, which no network explains
    """

    fault: str | None
    here: frozenset[str]


def examine(config: Config, hosts: Iterable[str]) -> Verdict:
    """Test our own network. `hosts`: those that are watched beyond this machine."""
    found = _resolved(sorted(hosts)[:_MOST_HOSTS])
    here = frozenset(host for host, addresses in found.items() if addresses and all(map(is_here, addresses)))
    outside = {host: addresses for host, addresses in found.items() if host not in here}
    if not config.connectivity:
        return Verdict(_local_fault(outside), here)
    said = f"none of {', '.join(map(_place, config.connectivity))} answers"
    return Verdict(None if _anybody_answers(config) else said, here)


def _anybody_answers(config: Config) -> bool:
    """Whether any of the addresses the configuration names for this gives any answer."""
    from probes._machinery.runner import Runner

    runner = Runner(denied_networks=config.denied_networks, allowed_networks=config.allowed_networks)
    try:
        for address in config.connectivity:
            runner.start(_asked(address), address, PATIENCE + 1)
        while runner.in_flight:
            if any(seen.status == "ok" for _, seen in runner.run_once(0.1)):
                return True
        return False
    finally:
        runner.close()


def _asked(address: str) -> Any:
    """A probe of no kind: ok where somebody answered, however."""
    parts = urlsplit(address)
    request: HttpRequest | TcpRequest
    if parts.scheme == "tcp":
        request = TcpRequest(parts.hostname or "", parts.port or 0, patience=PATIENCE)
    else:
        request = HttpRequest(address, method="HEAD", timeout=PATIENCE, follow_redirects=False)
    reply = yield request
    return Observation("ok" if answered(reply) else "critical")


def _place(address: str) -> str:
    parts = urlsplit(address)
    return parts.hostname or address


def _local_fault(found: Mapping[str, Sequence[str] | None]) -> str | None:
    """What this machine knows by itself: which of its interfaces lead where, and whether its resolver answers."""
    ways = [_fault_on_the_way(address) for addresses in found.values() for address in addresses or ()]
    if None in ways or any(addresses is not None and not addresses for addresses in found.values()):
        return None  # there is a way to one of them, or the resolver answers, if only that there is no such name
    reasons = sorted({way for way in ways if way is not None})
    if None in found.values():
        reasons.append("no name server answers")
    return " and ".join(reasons) or None


def _fault_on_the_way(address: str) -> str | None:
    """What keeps packets for that address from leaving this machine; None where nothing does. Nothing is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((address, _ANY_PORT))  # of UDP: only the kernel is asked for the way
            source = str(asking.getsockname()[0])
    except OSError:
        return "there is no route to what is watched"
    interface = _dead_interface(source)
    return None if interface is None else f"the interface {interface} is down"


def _dead_interface(source: str) -> str | None:
    """The name of the interface with that address, if it is down or has no carrier."""
    import psutil

    states = psutil.net_if_stats()
    for name, known in psutil.net_if_addrs().items():
        if any(each.address.partition("%")[0] == source for each in known):
            return None if name not in states or states[name].isup else name
    return None


def _resolved(hosts: Sequence[str]) -> Mapping[str, tuple[str, ...] | None]:
    """host → its addresses; none where the resolver knows of none, None where no resolver answered in time."""
    found: dict[str, tuple[str, ...] | None] = dict.fromkeys(hosts)
    threads = [threading.Thread(target=_resolve, args=(host, found), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE / len(threads))
    return dict(found)


def _resolve(host: str, found: dict[str, tuple[str, ...] | None]) -> None:
    try:
        entries = socket.getaddrinfo(host, _ANY_PORT, type=socket.SOCK_DGRAM)
    except socket.gaierror as trouble:
        if trouble.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            found[host] = ()
    except (OSError, UnicodeError):
        return
    else:
        found[host] = tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))
