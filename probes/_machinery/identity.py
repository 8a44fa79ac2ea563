"""Client certificates: whether a certificate and its key can be read, and belong together."""

from collections.abc import Iterator, Mapping
from typing import Any

from schemas import Fault

_NO_CERTIFICATE = "not a certificate in PEM; expected -----BEGIN CERTIFICATE----- and so on"
_NO_KEY = "not a private key in PEM; expected -----BEGIN PRIVATE KEY----- and so on"


def identity_faults(config: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with `client_certificate`, `client_key` and `client_key_password`. Quotes none of them."""
    given = config.get("client_certificate")
    if given is None:
        for key in ("client_key", "client_key_password"):
            if key in config:
                yield Fault(f"/{key}", "there is no client_certificate for it")
        return
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificates(given.encode())[0]
    except ValueError:
        yield Fault("/client_certificate", _NO_CERTIFICATE)
        return
    yield from _key_faults(config, certificate.public_key())


def _key_faults(config: Mapping[str, Any], expected: Any) -> Iterator[Fault]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    place = "/client_key" if "client_key" in config else "/client_certificate"
    text, password = config.get("client_key", config["client_certificate"]), config.get("client_key_password")
    try:
        key = load_pem_private_key(_key_in(text).encode(), password.encode() if password else None)
    except TypeError:
        words = "the key has no password" if password else "it is missing: the key is encrypted"
        yield Fault("/client_key_password", words)
        return
    except (ValueError, UnsupportedAlgorithm):
        words = "the key cannot be read with this password" if password else _NO_KEY
        yield Fault("/client_key_password" if password else place, words)
        return
    if key.public_key() != expected:
        yield Fault(place, "the key belongs to another certificate")


def _key_in(text: str) -> str:
    """The part of a PEM text that is a private key: certificates may stand before it."""
    key = text.find("PRIVATE KEY-----")
    return text[max(0, text.rfind("-----BEGIN", 0, key)) :] if key >= 0 else text
