"""Whom TLS believes, and what keeps it from believing, in words."""

import ssl
from collections.abc import Mapping
from functools import lru_cache

EXPIRED, NOT_YET_VALID = 10, 9
WRONG_NAME = (62, 63, 64)

_SENTENCES: Mapping[int, str] = {
    EXPIRED: "a certificate of its chain has expired",
    NOT_YET_VALID: "a certificate of its chain is not valid yet",
    18: "the certificate is signed by nobody this machine trusts (self-signed)",
    19: "the certificate is signed by nobody this machine trusts (its chain ends at an authority of its own)",
    20: "the certificate is signed by nobody this machine trusts (or the server does not send the whole chain)",
    21: "the certificate is signed by nobody this machine trusts (or the server does not send the whole chain)",
    23: "the certificate was revoked",
    24: "the certificate is signed by one that is no authority",
    26: "the certificate is not meant for a server",
    62: "the certificate is for another name",
    63: "the certificate is for another name",
    64: "the certificate is for another address",
    66: "the certificate's key is too weak",
    67: "an authority's key in the certificate's chain is too weak",
    68: "a signature in the certificate's chain is too weak",
}


def distrust(trouble: ssl.SSLCertVerificationError) -> str:
    """Why the certificate is not believed."""
    return _SENTENCES.get(trouble.verify_code, f"the certificate cannot be trusted: {trouble.verify_message}")


def handshake_failed(trouble: Exception) -> str:
    """What became of a handshake that certificates had no part in."""
    reason = getattr(trouble, "reason", None) or ""
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"):
        return "no TLS is spoken on that port"
    if reason == "UNEXPECTED_EOF_WHILE_READING" or isinstance(trouble, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "the server closed the connection during the TLS handshake"
    said = reason.lower().replace("_", " ") if reason else str(trouble)
    return f"the TLS handshake failed: {said}"


@lru_cache(64)  # reading a system's hundred authorities takes longer than a handshake
def believing(trust: str | None = None) -> ssl.SSLContext:
    """Believes the authorities of this machine, or the certificates in `trust` (PEM). Raises ValueError on no PEM."""
    from probes._machinery.curl_options import ca_bundle

    try:
        context = ssl.create_default_context(cadata=trust) if trust else ssl.create_default_context(cafile=ca_bundle())
    except (ssl.SSLError, UnicodeError, TypeError) as trouble:
        raise ValueError("no certificate in PEM") from trouble
    if trust:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # what is named is trusted, authority or not
    return context


@lru_cache(1)
def believing_all() -> ssl.SSLContext:
    """Believes anybody and speaks any version: to read what a certificate says, never to tell it anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context
