"""A request as options of libcurl."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pycurl

from probes._machinery.requests import HttpRequest

SetOption = Callable[[int, Any], object]

_WEB = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
_SUPPRESS_CONNECT_HEADERS = 265  # CURLOPT_: has no name in pycurl
_WITH_BODY = ("POST", "PUT", "PATCH")
_VERSIONS = {
    "1.0": pycurl.CURL_HTTP_VERSION_1_0,
    "1.1": pycurl.CURL_HTTP_VERSION_1_1,
    "2": pycurl.CURL_HTTP_VERSION_2_0,
    "3": pycurl.CURL_HTTP_VERSION_3ONLY,
}

_CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
wishes = attrgetter(
    "method",
    "headers",
    "body",
    "basic_auth",
    "digest_auth",
    "http_version",
    "proxy",
    "want_certificate",
    "ca",
    "client_certificate",
    "client_key",
    "client_key_password",
)
"""All of a request that must be set on a handle anew when it differs from the handle's last one."""


def ca_bundle() -> str:
    """The path of the certificates to trust: the system's, else certifi's."""
    for path in _CA_BUNDLES:
        if Path(path).exists():
            return path
    import certifi

    return certifi.where()


def set_options(setopt: SetOption, asked: HttpRequest, ca_file: str) -> None:
    """Set on a fresh handle what `wishes` names. Raises pycurl.error and the like where libcurl does not take it."""
    _set_always(setopt)
    setopt(pycurl.PROXY, _proxy(asked.proxy))
    setopt(pycurl.HTTPHEADER, _header_lines(asked.headers))
    _set_method(setopt, asked.method, asked.body)
    _set_trust(setopt, asked, ca_file)
    sign_in = asked.basic_auth or asked.digest_auth
    if sign_in:
        setopt(pycurl.HTTPAUTH, pycurl.HTTPAUTH_BASIC if asked.basic_auth else pycurl.HTTPAUTH_DIGEST)
        setopt(pycurl.USERNAME, sign_in[0])
        setopt(pycurl.PASSWORD, sign_in[1])
    if asked.http_version:
        setopt(pycurl.HTTP_VERSION, _VERSIONS[asked.http_version])
    if asked.want_certificate:
        setopt(pycurl.OPT_CERTINFO, 1)


def ascii_url(url: str) -> str:
    """The URL as it goes over the wire: a host in its xn-- form, the rest percent-encoded."""
    if url.isascii():
        return url
    parts = urlsplit(url)
    host = parts.netloc.encode("idna").decode("ascii")
    return parts._replace(netloc=host, path=_quoted(parts.path), query=_quoted(parts.query)).geturl()


def _set_always(setopt: SetOption) -> None:
    setopt(pycurl.NOSIGNAL, 1)
    setopt(pycurl.FRESH_CONNECT, 1)
    setopt(pycurl.FORBID_REUSE, 1)
    setopt(pycurl.PROTOCOLS, _WEB)
    setopt(pycurl.ACCEPT_ENCODING, "gzip")
    setopt(pycurl.USERAGENT, "vedette")
    setopt(pycurl.NOPROXY, "")  # the environment has no say in this
    setopt(_SUPPRESS_CONNECT_HEADERS, 1)


def _set_trust(setopt: SetOption, asked: HttpRequest, ca_file: str) -> None:
    """Whom to believe, the proxy too, and who we say we are. Nothing of it is ever written to a file."""
    for option, blob in ((pycurl.CAINFO, pycurl.CAINFO_BLOB), (pycurl.PROXY_CAINFO, pycurl.PROXY_CAINFO_BLOB)):
        if asked.ca:
            setopt(blob, asked.ca.encode())
        else:
            setopt(option, ca_file)
    setopt(pycurl.CAPATH, None)  # a build may have a folder of its own to trust besides
    if asked.client_certificate:
        setopt(pycurl.SSLCERT_BLOB, asked.client_certificate.encode())
        setopt(pycurl.SSLKEY_BLOB, (asked.client_key or asked.client_certificate).encode())
        setopt(pycurl.KEYPASSWD, asked.client_key_password or "")  # else OpenSSL would ask the terminal for it


def _set_method(setopt: SetOption, method: str, body: bytes | None) -> None:
    if body is None and method in _WITH_BODY:
        body = b""  # so that a Content-Length is sent: without one many servers answer 411
    if body is not None:
        setopt(pycurl.POSTFIELDS, body)
    if method == "HEAD":
        setopt(pycurl.NOBODY, 1)
    elif method != ("GET" if body is None else "POST"):
        setopt(pycurl.CUSTOMREQUEST, method)


def _header_lines(headers: Mapping[str, str]) -> list[bytes]:
    """Headers as libcurl wants them: "Name;" sends an empty one, "Name:" keeps it from adding its own."""
    lines = [f"{name}: {value}" if value else f"{name};" for name, value in headers.items()]
    given = {name.lower() for name in headers}
    lines += [f"{name}:" for name in ("Content-Type", "Expect") if name.lower() not in given]
    return [line.encode() for line in lines]


def _proxy(url: str | None) -> str:
    """An empty text: none, not even the environment's. By SOCKS names are resolved there, as by HTTP."""
    scheme, separator, rest = (url or "").partition("://")
    return f"socks5h://{rest}" if separator and scheme.lower() == "socks5" else url or ""


def _quoted(text: str) -> str:
    return quote(text, safe="/%:=&?~#+!$,;'@()*[]")
