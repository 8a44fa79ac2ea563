"""Records of the domain name system as texts that can be compared: one spelling for each."""

from ipaddress import ip_address
from typing import Any


def canonical(sort: str, text: str) -> str:
    """A record of that type in one spelling: names in small letters without a last dot, texts without quotes.

    Raises ValueError on what cannot be one.
    """
    record = _read(sort, text)
    if sort == "TXT":
        return b"".join(record.strings).decode("utf-8", "replace")
    if sort in ("A", "AAAA"):
        return str(ip_address(record.to_text()))
    return " ".join(part.removesuffix(".").lower() or "." for part in record.to_text().split(" "))


def question(name: str, sort: str) -> str:
    """What to ask for: of an address its name in the tree of addresses, where PTR is asked for. Raises ValueError."""
    import dns.exception
    import dns.name
    import dns.reversename

    try:
        if sort == "PTR" and _is_address(name):
            return dns.reversename.from_address(name).to_text()
        return dns.name.from_text(name).to_text()
    except (dns.exception.DNSException, UnicodeError) as trouble:
        raise ValueError(str(trouble) or "not a name") from None


def _read(sort: str, text: str) -> Any:
    import dns.exception
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    quoted = _quoted(text) if sort == "TXT" and not text.startswith('"') else text
    try:
        return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(sort), quoted)
    except (dns.exception.DNSException, UnicodeError, ValueError) as trouble:
        raise ValueError(str(trouble) or f"no {sort} record") from None


def _quoted(text: str) -> str:
    """A text as a zone file has it, in pieces of the length a record allows."""
    data = text.encode()
    pieces = [data[start : start + 255] for start in range(0, len(data), 255)] or [b""]
    return " ".join('"' + "".join(f"\\{byte:03d}" for byte in piece) + '"' for piece in pieces)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
