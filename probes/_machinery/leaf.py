"""What a certificate says."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from probes._machinery.times import rfc3339

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, Name

_MOST = 200  # characters of a name, and names: the other side writes them


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate: its names as written, its bounds in epoch seconds, its serial number in hexadecimal."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: float
    not_after: float
    serial: str

    def facts(self) -> dict[str, Any]:
        """The same as JSON."""
        bounds = {"not_before": rfc3339(self.not_before), "not_after": rfc3339(self.not_after)}
        return {**asdict(self), "names": list(self.names), **bounds}


def read(der: bytes) -> Leaf:
    """The certificate in DER. Raises ValueError."""
    from cryptography.x509 import load_der_x509_certificate

    found = load_der_x509_certificate(der)
    return Leaf(
        subject=_spelled(found.subject),
        issuer=_spelled(found.issuer),
        names=_names(found),
        not_before=found.not_valid_before_utc.timestamp(),
        not_after=found.not_valid_after_utc.timestamp(),
        serial=f"{found.serial_number:x}",
    )


def _names(certificate: "Certificate") -> tuple[str, ...]:
    from cryptography import x509
    from cryptography.x509 import DNSName, IPAddress, SubjectAlternativeName

    try:
        held = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return ()
    names = [*held.get_values_for_type(DNSName), *map(str, held.get_values_for_type(IPAddress))]
    return tuple(_one_line(name) for name in names[:_MOST])


def _spelled(name: "Name") -> str:
    """ "R3 (Let's Encrypt)": the common name and the organization, or what there is of them."""
    from cryptography.x509.oid import NameOID

    parts = [name.get_attributes_for_oid(oid) for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)]
    common, organization = (_one_line(str(part[0].value)) if part else "" for part in parts)
    if common and organization:
        return f"{common} ({organization})"
    return common or organization or _one_line(name.rfc4514_string()) or "nobody named"


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_MOST]
