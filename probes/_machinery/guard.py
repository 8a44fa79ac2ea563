"""Which addresses a probe may connect to, judged once resolved: no spelling, redirect or DNS trick helps."""

import socket
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import unquote

Allowed = Callable[[str], bool]
"""Whether an address (text, a zone after % allowed) may be connected to."""

REFUSED = (
    "the target's address may not be probed: link-local, multicast and unspecified addresses never are,"
    " nor what [probes] in the configuration denies"
)
"""One text for every refusal: it must not tell a stranger what listens on an inner address."""

_NEVER = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "169.254.0.0/16",  # link-local, and where most clouds keep a machine's secrets
            "224.0.0.0/4",
            "255.255.255.255/32",
            "100.100.100.200/32",  # Alibaba's metadata
            "168.63.129.16/32",  # Azure's
            "192.0.0.192/32",  # Oracle's
            "::/128",
            "fe80::/10",
            "ff00::/8",
            "fd00:ec2::254/128",  # Amazon's
            "fd00:ec2::23/128",
            "fd20:ce::254/128",  # Google's
        ),
    )
)
_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_ALL = ("0.0.0.0/0", "::/0")
_REMEMBERED = 4096


def address_guard(denied_networks: Iterable[str] = (), allowed_networks: Iterable[str] = ()) -> Allowed:
    """The policy as a function. Some addresses may never be connected to; the networks are CIDR texts:

    denied_networks: refused besides; where there are none and some are allowed, everything is
    allowed_networks: exceptions from what is denied
    Raises ValueError on a text that is no network.
    """
    excepted = tuple(ip_network(text, strict=False) for text in allowed_networks)
    denied = tuple(ip_network(text, strict=False) for text in denied_networks or (_ALL if excepted else ()))

    @lru_cache(maxsize=_REMEMBERED)
    def allowed(text: str) -> bool:
        written = ip_address(text.partition("%")[0])
        forms = (written, _embedded(written) or written)
        if _within(forms, _NEVER):
            return False
        return not _within(forms, denied) or _within(forms, excepted)

    return allowed


def never(host: str) -> bool:
    """Whether `host`, as a URL writes it, is an address that no configuration allows; a name is none."""
    address = written_address(host)
    return address is not None and not _NOTHING_DENIED(address)


def written_address(host: str) -> str | None:
    """The address that `host` is, however it is spelled (decimal, hexadecimal, octal, percent-encoded), else None."""
    text = unquote(host).strip("[]").removesuffix(".").partition("%")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(text.encode("idna").decode("ascii")))
    except (OSError, ValueError):
        return None


def _within(forms: Iterable[IPv4Address | IPv6Address], networks: Iterable[object]) -> bool:
    return any(form in network for form in forms for network in networks)  # type: ignore[operator]


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, 6to4 or NAT64."""
    if isinstance(address, IPv4Address):
        return None
    if any(address in network for network in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


_NOTHING_DENIED = address_guard()
