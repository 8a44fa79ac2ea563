"""What libcurl and OpenSSL say of TLS that came to nothing, as sentences for a person."""

import re
from collections.abc import Sequence

# In this order: the first whose sign is in the text wins. "{}" is the host that was asked.
_CERTIFICATES: Sequence[tuple[str, str]] = (
    ("certificate has expired", "the certificate has expired"),
    ("not yet valid", "the certificate is not valid yet"),
    ("self-signed certificate in", "the certificate's chain ends at an authority this machine does not trust"),
    ("self signed certificate in", "the certificate's chain ends at an authority this machine does not trust"),
    ("self-signed", "the certificate is signed by nobody this machine trusts (self-signed)"),
    ("self signed", "the certificate is signed by nobody this machine trusts (self-signed)"),
    (
        "unable to get local issuer",
        "the certificate is signed by nobody this machine trusts (or the server does not send the whole chain)",
    ),
    ("does not match", "the certificate is for another name than {}"),
    ("subject name", "the certificate is for another name than {}"),
    ("revoked", "the certificate was revoked"),
    ("key too small", "the certificate's key is too weak"),
    ("key too weak", "the certificate's key is too weak"),
    ("digest algorithm too weak", "a signature in the certificate's chain is too weak"),
    ("unsuitable certificate purpose", "the certificate is not meant for a server"),
    ("invalid ca", "the certificate is signed by one that is no authority"),
)

_HANDSHAKES: Sequence[tuple[str, str]] = (
    ("wrong version number", "no TLS is spoken on that port"),
    ("packet length too long", "no TLS is spoken on that port"),
    ("http request", "no TLS is spoken on that port"),
    ("record layer failure", "no TLS is spoken on that port"),
    ("unexpected eof", "the server closed the connection during the TLS handshake"),
    ("connection reset", "the server closed the connection during the TLS handshake"),
    ("broken pipe", "the server closed the connection during the TLS handshake"),
    ("syscall", "the server closed the connection during the TLS handshake"),
    ("certificate required", "the server asks for a client certificate"),
    ("alert unknown ca", "the server does not trust the client certificate"),
    ("alert bad certificate", "the server does not take the client certificate"),
    ("alert certificate expired", "the server says that the client certificate has expired"),
    ("alert certificate revoked", "the server says that the client certificate was revoked"),
    ("alert certificate unknown", "the server does not take the client certificate"),
    ("unrecognized name", "the server does not know the name {}"),
    ("protocol version", "server and client have no version of TLS in common"),
    ("unsupported protocol", "server and client have no version of TLS in common"),
    ("no protocols available", "server and client have no version of TLS in common"),
    ("no shared cipher", "server and client have no cipher in common"),
    ("handshake failure", "the server refused the TLS handshake: no cipher in common, or it wants a certificate"),
    ("application protocol", "server and client have no version of HTTP in common"),
    ("dh key too small", "the server's key exchange is too weak"),
    ("internal error", "the server failed during the TLS handshake"),
)
_REASON = re.compile(r"error:[0-9A-Fa-f]{8}:[^:]*:[^:]*:([a-z0-9 ]{1,60})$")


def certificate_fault(text: str, host: str) -> str:
    """Why a server's certificate is not believed."""
    return _known(_CERTIFICATES, text, host) or "the certificate cannot be trusted" + _reason(text)


def handshake_fault(text: str, host: str) -> str:
    """What became of a handshake that the server's certificate had no part in."""
    return _known(_HANDSHAKES, text, host) or "the TLS handshake failed" + _reason(text)


def _known(sentences: Sequence[tuple[str, str]], text: str, host: str) -> str:
    lowered = text.lower()
    return next((sentence.format(host) for sign, sentence in sentences if sign in lowered), "")


def _reason(text: str) -> str:
    """OpenSSL's own reason, which comes from a list of its own and from nobody else."""
    found = _REASON.search(text)
    return f": {found[1]}" if found else ""
