"""libcurl's failures as plain sentences that say what was tried and what came of it."""

import errno
import os
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pycurl

from probes._machinery.guard import REFUSED


class Failure(NamedTuple):
    """What is known about an exchange that failed. `remote` is the last address tried, as a socket names it."""

    code: int
    text: str
    errno: int
    refused: bool
    own_trouble: str
    remote: tuple[Any, ...]
    connected: bool
    answered: bool
    url: str
    timeout: float


_SENTENCES = {
    pycurl.E_UNSUPPORTED_PROTOCOL: "the URL or a redirect asks for something other than http or https",
    pycurl.E_URL_MALFORMAT: "the URL cannot be read",
    pycurl.E_COULDNT_RESOLVE_PROXY: "the proxy's name was not found",
    pycurl.E_GOT_NOTHING: "the server closed the connection without an answer",
    pycurl.E_PARTIAL_FILE: "the connection was closed before the whole answer had come",
    pycurl.E_TOO_MANY_REDIRECTS: "too many redirects (more than 5)",
    pycurl.E_BAD_CONTENT_ENCODING: "the body is not in the encoding its headers name",
    pycurl.E_RECV_ERROR: "the connection broke while the answer was being read",
    pycurl.E_SEND_ERROR: "the connection broke while the request was being sent",
}

_CERTIFICATE = (
    ("certificate has expired", "the certificate has expired"),
    ("not yet valid", "the certificate is not valid yet"),
    ("self-signed", "the certificate is signed by nobody this machine trusts (self-signed)"),
    ("self signed", "the certificate is signed by nobody this machine trusts (self-signed)"),
    ("unable to get local issuer", "the certificate is signed by nobody this machine trusts"),
    ("does not match", "the certificate is for another name"),
    ("no alternative certificate subject name", "the certificate is for another name"),
    ("subject name", "the certificate is for another name"),
    ("revoked", "the certificate was revoked"),
)


def in_words(failure: Failure) -> str:
    """One sentence, without a full stop."""
    if failure.refused:
        return REFUSED
    if failure.own_trouble:
        return f"Vedette could not open a socket: {failure.own_trouble}"
    if failure.code == pycurl.E_COULDNT_RESOLVE_HOST:
        return f"name not found: {_host(failure)}"
    if failure.code == pycurl.E_COULDNT_CONNECT:
        return _no_connection(failure)
    if failure.code == pycurl.E_OPERATION_TIMEDOUT:
        return _too_late(failure)
    if failure.code in (pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT):
        return _certificate(failure.text)
    if failure.code == pycurl.E_SSL_CONNECT_ERROR:
        return f"the TLS handshake failed: {failure.text}"
    return _SENTENCES.get(failure.code, failure.text or f"the exchange failed (libcurl error {failure.code})")


def _no_connection(failure: Failure) -> str:
    if failure.errno == errno.ECONNREFUSED:
        return f"connection refused by {_place(failure)}"
    if failure.errno:
        return f"no connection to {_place(failure)}: {os.strerror(failure.errno).lower()}"
    return f"no connection to {_place(failure)}"


def _too_late(failure: Failure) -> str:
    limit = f"within {failure.timeout:g} s"
    if not failure.remote:
        return f"name not resolved {limit}: {_host(failure)}"
    if not failure.connected:
        return f"no connection to {_place(failure)} {limit}"
    if failure.answered:
        return f"the answer had not come whole {limit}"
    return f"no answer {limit}"


def _certificate(text: str) -> str:
    lowered = text.lower()
    for sign, sentence in _CERTIFICATE:
        if sign in lowered:
            return sentence
    return f"the certificate cannot be trusted: {text}"


def _place(failure: Failure) -> str:
    if not failure.remote:
        return _host(failure)
    address, port = failure.remote[0], failure.remote[1]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _host(failure: Failure) -> str:
    return urlsplit(failure.url).hostname or "?"
