"""Where a PostgreSQL connection text leads: every address is judged before anything connects to it."""

from collections.abc import Iterator, Mapping
from typing import Any

from probes._machinery.guard import REFUSED, Allowed
from probes._machinery.names import NameTrouble, addresses_now

_THIS_MACHINE = "127.0.0.1"
"""What a Unix socket counts as: who denies this machine's addresses means its sockets too."""


def guarded(given: Mapping[str, Any], allowed: Allowed) -> dict[str, Any]:
    """libpq's parameters with the addresses their hosts lead to. Raises NameTrouble where there is none left.

    The hosts stay: certificates are held against them. A host that leads nowhere is passed over while others do not.
    """
    found: list[tuple[str, str, str]] = []
    troubles: list[NameTrouble] = []
    for host, address, port in _places(given):
        try:
            found += [(host, one, port) for one in _addresses(host, address, port, allowed)]
        except NameTrouble as trouble:
            troubles.append(trouble)
    if not found and troubles:
        raise troubles[0]
    columns = (",".join(column) for column in zip(*found, strict=True))
    return {**given, **dict(zip(("host", "hostaddr", "port"), columns, strict=True))}


def hold(address: str, allowed: Allowed) -> None:
    """Refuse a connection that was led by a service file. Raises NameTrouble."""
    if not allowed(address or _THIS_MACHINE):
        raise NameTrouble(REFUSED, "denied")


def _addresses(host: str, address: str, port: str, allowed: Allowed) -> list[str]:
    """What `hostaddr` may be: empty for a Unix socket."""
    if not address and host[:1] in ("", "/", "@"):
        hold(_THIS_MACHINE, allowed)
        return [""]
    return addresses_now(address or host, int(port or 5432), allowed)


def _places(given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Each host, hostaddr and port, what is not given taken from where libpq takes it."""
    from psycopg.pq import Conninfo

    usual = {option.keyword.decode(): (option.val or b"").decode() for option in Conninfo.get_defaults()}
    hosts, written, ports = (str(given.get(name) or usual[name]).split(",") for name in ("host", "hostaddr", "port"))
    count = max(len(hosts), len(written))
    yield from zip(_spread(hosts, count), _spread(written, count), _spread(ports, count), strict=True)


def _spread(values: list[str], count: int) -> list[str]:
    """As many as there are places; one counts for all. libpq refuses any other number, and in words."""
    return values * count if len(values) == 1 else (values + [""] * count)[:count]
