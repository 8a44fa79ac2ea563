"""Which addresses a probe may connect to, judged once resolved: no spelling, redirect or DNS trick helps."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

REFUSED = (
    "the target's address may not be probed: link-local, multicast and unspecified addresses never are,"
    " nor what the configuration denies"
)
"""One text for every refusal: it must not tell a stranger what listens on an inner address."""

_NAT64 = ip_network("64:ff9b::/96")
_CLOUD_METADATA = ip_address("fd00:ec2::254")
_REMEMBERED = 4096


def address_guard(denied_networks: Iterable[str] = ()) -> Callable[[str], bool]:
    """A function telling whether an address (text, a zone after % allowed) may be connected to.

    denied_networks: CIDR texts, refused besides those that always are. Raises ValueError on a text that is none.
    """
    denied = tuple(ip_network(text, strict=False) for text in denied_networks)

    @lru_cache(maxsize=_REMEMBERED)
    def allowed(text: str) -> bool:
        written = ip_address(text.partition("%")[0])
        meant = _embedded(written) or written
        return not any(_never(address) or any(address in network for network in denied) for address in (written, meant))

    return allowed


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, 6to4 or NAT64."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _never(address: IPv4Address | IPv6Address) -> bool:
    return address.is_link_local or address.is_multicast or address.is_unspecified or address == _CLOUD_METADATA
