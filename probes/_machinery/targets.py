"""Whether what a configuration names as a target can be one: hosts, patterns, certificates to trust."""

import re
from ipaddress import ip_address

from probes._machinery.guard import REFUSED, never, written_address
from probes._machinery.patterns import compiled
from schemas import Fault

_LABEL = re.compile(r"(?!-)[\w-]{1,63}(?<!-)", re.UNICODE)
_MOST = 253  # characters of a name
NO_PORT = "no port of that number; expected 1 to 65535"


def host_faults(pointer: str, host: str) -> list[Fault]:
    """What keeps `host` from being a host's name, or an address that may be probed."""
    if never(host):
        return [Fault(pointer, REFUSED)]
    labels = host.removesuffix(".").split(".")
    is_name = len(host) <= _MOST and all(map(_LABEL.fullmatch, labels))
    if _is_address(host) or (is_name and _may_end_so(host, labels[-1])):
        return []
    return [Fault(pointer, "not a host; expected a name such as db.example.com, or an address such as 192.0.2.10")]


def pattern_faults(pointer: str, pattern: str) -> list[Fault]:
    """What keeps `pattern` from being a regular expression of RE2."""
    try:
        compiled(pattern)
    except ValueError as trouble:
        return [Fault(pointer, f"not a regular expression (RE2): {trouble}")]
    return []


def trust_faults(pointer: str, pem: str | None) -> list[Fault]:
    """What keeps `pem` from being certificates to trust."""
    from probes._machinery.trust import believing

    try:
        believing(pem)
    except ValueError:
        return [Fault(pointer, "not a certificate in PEM; expected -----BEGIN CERTIFICATE----- and so on")]
    return []


def _may_end_so(host: str, label: str) -> bool:
    """Whether a name may end in that label. None ends in a number: 999.1.1.1 is no address in any spelling."""
    return not (label.isascii() and label.isdecimal()) or written_address(host) is not None


def _is_address(host: str) -> bool:
    address, zone, _ = host.partition("%")
    try:
        return ip_address(address).version == 6 or not zone
    except ValueError:
        return False
