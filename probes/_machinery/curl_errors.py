"""libcurl's failures as plain sentences that say what was tried and what came of it, and whose trouble it was.

None of libcurl's own words are passed on: they may hold a URL with a password, or what a hostile server sent.
"""

import errno
import os
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pycurl

from probes._machinery.guard import REFUSED
from probes._machinery.tls_errors import certificate_fault, handshake_fault


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
    by_quic: bool = False
    proxied: bool = False
    proxy_status: int = 0


Told = tuple[str, str]
"""(sentence without a full stop, error class as in `requests.HttpReply`)."""

# Without a name in pycurl.
_WEIRD_SERVER_REPLY, _HTTP2, _HTTP2_STREAM, _HTTP3, _AUTH, _QUIC, _PROXY = 8, 16, 92, 95, 94, 96, 97
_CLIENT_CERTIFICATE, _UNRECOVERABLE_POLL, _TOO_LARGE = 98, 99, 100

_NOT_HTTP = "the server does not answer in HTTP"
_OURS = "Vedette itself is in trouble: "

_SENTENCES: dict[int, Told] = {
    pycurl.E_UNSUPPORTED_PROTOCOL: ("the URL or a redirect asks for something other than http or https", "redirect"),
    pycurl.E_FAILED_INIT: (_OURS + "libcurl could not be made ready", "own"),
    pycurl.E_URL_MALFORMAT: ("the URL cannot be read", "config"),
    pycurl.E_NOT_BUILT_IN: ("this machine's libcurl was built without what is asked for", "config"),
    pycurl.E_COULDNT_RESOLVE_PROXY: ("the proxy's name was not found", "proxy"),
    _WEIRD_SERVER_REPLY: ("the server's answer breaks the rules of HTTP", "broken"),
    _HTTP2: ("the server breaks the rules of HTTP/2", "broken"),
    pycurl.E_PARTIAL_FILE: ("the connection was closed before the whole answer had come", "broken"),
    pycurl.E_WRITE_ERROR: ("the body could not be read as its headers describe it", "broken"),
    pycurl.E_READ_ERROR: (_OURS + "the request's body could not be read", "own"),
    pycurl.E_OUT_OF_MEMORY: (_OURS + "out of memory", "own"),
    pycurl.E_HTTP_POST_ERROR: ("the server did not take the request's body", "broken"),
    pycurl.E_ABORTED_BY_CALLBACK: (_OURS + "the exchange was broken off here", "own"),
    pycurl.E_BAD_FUNCTION_ARGUMENT: ("libcurl does not take what is asked for", "config"),
    pycurl.E_INTERFACE_FAILED: (_OURS + "the network interface could not be used", "own"),
    pycurl.E_TOO_MANY_REDIRECTS: ("too many redirects", "redirect"),
    pycurl.E_GOT_NOTHING: ("the server closed the connection without an answer", "broken"),
    pycurl.E_SEND_ERROR: ("the connection broke while the request was being sent", "broken"),
    pycurl.E_RECV_ERROR: ("the connection broke while the answer was being read", "broken"),
    pycurl.E_SSL_CERTPROBLEM: ("the client certificate or its key cannot be used", "config"),
    pycurl.E_SSL_CIPHER: ("server and client have no cipher in common", "tls"),
    pycurl.E_BAD_CONTENT_ENCODING: ("the body is not in the encoding its headers name", "broken"),
    pycurl.E_FILESIZE_EXCEEDED: ("the body is larger than can be read", "broken"),
    pycurl.E_USE_SSL_FAILED: ("the server does not speak TLS", "tls"),
    pycurl.E_SEND_FAIL_REWIND: ("the server asked for the request's body a second time", "broken"),
    pycurl.E_SSL_ENGINE_NOTFOUND: (_OURS + "its TLS library is not whole", "own"),
    pycurl.E_SSL_ENGINE_SETFAILED: (_OURS + "its TLS library is not whole", "own"),
    pycurl.E_SSL_ENGINE_INITFAILED: (_OURS + "its TLS library is not whole", "own"),
    pycurl.E_LOGIN_DENIED: ("the sign-in was refused", "broken"),
    pycurl.E_SSL_CACERT_BADFILE: ("the certificates to trust cannot be read", "config"),
    pycurl.E_SSL_SHUTDOWN_FAILED: ("the TLS connection could not be ended", "tls"),
    pycurl.E_AGAIN: ("the connection was not ready when it had to be", "broken"),
    pycurl.E_SSL_CRL_BADFILE: ("the certificates to trust cannot be read", "config"),
    pycurl.E_SSL_ISSUER_ERROR: ("the certificate is signed by another than the one expected", "certificate"),
    pycurl.E_SSL_PINNEDPUBKEYNOTMATCH: ("the certificate's key is another than the one expected", "certificate"),
    pycurl.E_SSL_INVALIDCERTSTATUS: ("the certificate's issuer does not vouch for it any more", "certificate"),
    pycurl.E_CHUNK_FAILED: ("the body's chunks are broken", "broken"),
    pycurl.E_NO_CONNECTION_AVAILABLE: (_OURS + "no connection was free", "own"),
    _HTTP2_STREAM: ("the server broke off the answer (HTTP/2)", "broken"),
    _AUTH: ("the sign-in could not be made", "broken"),
    _HTTP3: ("the server breaks the rules of HTTP/3", "broken"),
    _QUIC: ("no connection by QUIC: does the server speak HTTP/3 on that port?", "unreachable"),
    _PROXY: ("the proxy did not connect us to the target", "proxy"),
    _CLIENT_CERTIFICATE: ("the server asks for a client certificate", "tls"),
    _UNRECOVERABLE_POLL: (_OURS + "it could not wait on its connections", "own"),
    _TOO_LARGE: ("the headers are larger than can be read", "broken"),
}

_OWN_ERRNOS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EPERM, errno.EACCES)
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)

# What libcurl says inside a code that means several things.
_SIGNS: Sequence[tuple[int, str, Told]] = (
    (pycurl.E_UNSUPPORTED_PROTOCOL, "HTTP/0.9", (_NOT_HTTP, "broken")),
    (pycurl.E_UNSUPPORTED_PROTOCOL, "in response", ("the server answers in an unknown version of HTTP", "broken")),
    (pycurl.E_RECV_ERROR, "chunk", ("the body's chunks are broken", "broken")),
    (_PROXY, "rejected", ("the proxy refused the sign-in", "proxy")),
    (_PROXY, "authentication", ("the proxy refused the sign-in", "proxy")),
    (_PROXY, "No authentication method", ("the proxy refused the sign-in", "proxy")),
)


def in_words(failure: Failure) -> Told:
    """What happened, in one sentence, and whose trouble it was."""
    if failure.refused:
        return REFUSED, "denied"
    if failure.own_trouble:
        return f"Vedette could not open a socket: {failure.own_trouble}", "own"
    if failure.proxy_status >= 400:
        return f"the proxy did not connect us to the target: HTTP {failure.proxy_status}", "proxy"
    match failure.code:
        case pycurl.E_COULDNT_RESOLVE_HOST:
            return f"name not found: {_host(failure)}", "dns"
        case pycurl.E_COULDNT_CONNECT:
            return _no_connection(failure)
        case pycurl.E_OPERATION_TIMEDOUT:
            return _too_late(failure)
        case pycurl.E_PEER_FAILED_VERIFICATION | pycurl.E_SSL_CACERT:
            return certificate_fault(failure.text, _host(failure)), "certificate"
        case pycurl.E_SSL_CONNECT_ERROR:
            return handshake_fault(failure.text, _host(failure)), "tls"
        case pycurl.E_SEND_ERROR if not failure.connected:
            return _no_connection(failure)
    return _by_code(failure)


def _by_code(failure: Failure) -> Told:
    for code, sign, told in _SIGNS:
        if code == failure.code and sign in failure.text:
            return told
    unknown = f"the exchange failed in a way nobody foresaw (libcurl's number {failure.code})"
    return _SENTENCES.get(failure.code, (unknown, "broken"))


def _no_connection(failure: Failure) -> Told:
    place = _place(failure)
    if failure.errno == errno.ECONNREFUSED:
        return f"connection refused by {place}", "refused"
    if failure.errno in _OWN_ERRNOS:
        return f"Vedette could not connect to {place}: {os.strerror(failure.errno).lower()}", "own"
    reason = f": {os.strerror(failure.errno).lower()}" if failure.errno else ""
    timed_out = failure.errno == errno.ETIMEDOUT
    return f"no connection to {place}{reason}", "timeout" if timed_out else "unreachable"


def _too_late(failure: Failure) -> Told:
    limit = f"within {failure.timeout:g} s"
    if not failure.remote:
        return f"name not resolved {limit}: {_host(failure)}", "resolver"
    if not failure.connected:
        return f"no connection to {_place(failure)} {limit}", "timeout"
    if failure.answered:
        return f"the answer had not come whole {limit}", "timeout"
    return f"no answer {limit}", "timeout"


def _place(failure: Failure) -> str:
    if not failure.remote:
        return _host(failure)
    address, port = failure.remote[0], failure.remote[1]
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return f"the proxy {place}" if failure.proxied else place + " by QUIC" * failure.by_quic


def _host(failure: Failure) -> str:
    try:
        return urlsplit(failure.url).hostname or "?"
    except ValueError:
        return "?"
