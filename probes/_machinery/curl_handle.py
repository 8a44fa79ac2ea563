"""One reusable libcurl handle: a request's options in, what came back out."""

import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from socket import SocketType
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import pycurl

from probes._machinery.curl_errors import Failure, in_words
from probes._machinery.requests import HttpReply, HttpRequest

_WEB = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
_MOST_REDIRECTS = 5
_OBEY_STATUS_CODE = 2  # CURLFOLLOW_OBEYCODE: a 303 after a POST is fetched with GET, whatever the method was
_WITH_BODY = ("POST", "PUT", "PATCH")
_VERSIONS = {
    "1.0": pycurl.CURL_HTTP_VERSION_1_0,
    "1.1": pycurl.CURL_HTTP_VERSION_1_1,
    "2": pycurl.CURL_HTTP_VERSION_2_0,
}
_CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class Wishes(NamedTuple):
    """All of a request that must be set on a handle anew when it differs from the handle's last one."""

    method: str
    headers: Mapping[str, str]
    body: bytes | None
    follow_redirects: bool
    basic_auth: tuple[str, str] | None
    http_version: str | None
    proxy: str | None
    want_certificate: bool


def ca_bundle() -> str:
    """The path of the certificates to trust: the system's, else certifi's."""
    for path in _CA_BUNDLES:
        if Path(path).exists():
            return path
    import certifi

    return certifi.where()


class _Lent:
    """A descriptor that pycurl copies and lets go of: it must end with this object, and without a complaint."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __del__(self) -> None:
        os.close(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor


class HeaderLines(Mapping[str, str]):
    """An answer's headers, lower-case names, read only when somebody asks; repeated ones are joined by ", "."""

    __slots__ = ("_lines", "_read")

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines
        self._read: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, str]:
        if self._read is None:
            self._read = _parse_headers(self._lines)
        return self._read


class CurlHandle:
    """A pycurl handle with its callbacks, made once and used for one exchange after another."""

    __slots__ = (
        "_allowed",
        "_body",
        "_ca_file",
        "_headers",
        "_left",
        "_own_trouble",
        "_refused",
        "_remote",
        "_truncated",
        "_url",
        "_wishes",
        "curl",
        "request",
        "token",
    )

    def __init__(self, allowed: Callable[[str], bool], ca_file: str) -> None:
        self._allowed = allowed
        self._ca_file = ca_file
        self._wishes: Wishes | None = None
        self._headers: list[bytes] = []
        self.curl = pycurl.Curl()
        self.curl.handle = self
        self.token: Any = None

    def prepare(self, request: HttpRequest, token: object) -> None:
        """Make the handle ready for `request`. Raises pycurl.error or ValueError on what libcurl will not take."""
        self.token, self.request = token, request
        self._body: list[bytes] = []
        self._headers.clear()
        self._left = request.max_bytes
        self._truncated = self._refused = False
        self._own_trouble = ""
        self._remote: tuple[Any, ...] = ()
        wishes = Wishes(
            request.method,
            request.headers,
            request.body,
            request.follow_redirects,
            request.basic_auth,
            request.http_version,
            request.proxy,
            request.want_certificate,
        )
        if wishes != self._wishes:
            self._wishes = None  # so that a half-done setting is never taken for a done one
            self.curl.reset()
            self._set_always()
            self._set_wishes(wishes)
            self._wishes = wishes
        self.curl.setopt(pycurl.URL, _ascii_url(request.url))
        self.curl.setopt(pycurl.TIMEOUT_MS, max(1, int(request.timeout * 1000)))

    def reply(self, code: int, text: str) -> HttpReply:
        """What came of the exchange; `code` and `text` are libcurl's, 0 for success."""
        get = self.curl.getinfo
        error = None if code == 0 or self._truncated else self._error(code, text)
        return HttpReply(
            status=get(pycurl.RESPONSE_CODE),
            headers=HeaderLines(self._headers.copy()),
            body=b"".join(self._body),
            error=error,
            truncated=self._truncated,
            dns_seconds=get(pycurl.NAMELOOKUP_TIME),
            connect_seconds=get(pycurl.CONNECT_TIME) or None,
            tls_seconds=get(pycurl.APPCONNECT_TIME) or None,
            first_byte_seconds=get(pycurl.STARTTRANSFER_TIME) or None,
            total_seconds=get(pycurl.TOTAL_TIME),
            certificate_expires_at=self._certificate() if self.request.want_certificate else None,
        )

    def name_was_late(self, code: int) -> bool:
        """The exchange ran out of time before the name was resolved."""
        return code == pycurl.E_OPERATION_TIMEDOUT and not self._remote

    def _error(self, code: int, text: str) -> str:
        return in_words(
            Failure(
                code=code,
                text=text,
                errno=self.curl.getinfo(pycurl.OS_ERRNO) if code == pycurl.E_COULDNT_CONNECT else 0,
                refused=self._refused,
                own_trouble=self._own_trouble,
                remote=self._remote,
                connected=self.curl.getinfo(pycurl.CONNECT_TIME) > 0,
                answered=bool(self._headers),
                url=self.request.url,
                timeout=self.request.timeout,
            )
        )

    def _certificate(self) -> float | None:
        for chain in self.curl.getinfo(pycurl.INFO_CERTINFO)[:1]:
            for name, value in chain:
                if name == "Expire date":
                    return float(ssl.cert_time_to_seconds(value))
        return None

    def _set_always(self) -> None:
        setopt = self.curl.setopt
        setopt(pycurl.NOSIGNAL, 1)
        setopt(pycurl.FRESH_CONNECT, 1)
        setopt(pycurl.FORBID_REUSE, 1)
        setopt(pycurl.PROTOCOLS, _WEB)
        setopt(pycurl.REDIR_PROTOCOLS, _WEB)
        setopt(pycurl.MAXREDIRS, _MOST_REDIRECTS)
        setopt(pycurl.ACCEPT_ENCODING, "gzip")
        setopt(pycurl.USERAGENT, "vedette")
        setopt(pycurl.CAINFO, self._ca_file)
        setopt(pycurl.WRITEFUNCTION, self._take_body)
        setopt(pycurl.HEADERFUNCTION, self._headers.append)  # libcurl bounds them: 300 KB in all
        setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)

    def _set_wishes(self, wishes: Wishes) -> None:
        setopt = self.curl.setopt
        setopt(pycurl.PROXY, wishes.proxy or "")  # an empty text: not the environment's proxy either
        setopt(pycurl.FOLLOWLOCATION, _OBEY_STATUS_CODE if wishes.follow_redirects else 0)
        setopt(pycurl.HTTPHEADER, _header_lines(wishes))
        self._set_method(wishes.method, wishes.body)
        if wishes.basic_auth:
            setopt(pycurl.USERNAME, wishes.basic_auth[0])
            setopt(pycurl.PASSWORD, wishes.basic_auth[1])
        if wishes.http_version:
            setopt(pycurl.HTTP_VERSION, _VERSIONS[wishes.http_version])
        if wishes.want_certificate:
            setopt(pycurl.OPT_CERTINFO, 1)

    def _set_method(self, method: str, body: bytes | None) -> None:
        setopt = self.curl.setopt
        if body is None and method in _WITH_BODY:
            body = b""  # so that a Content-Length is sent: without one many servers answer 411
        if body is not None:
            setopt(pycurl.POSTFIELDS, body)
        if method == "HEAD":
            setopt(pycurl.NOBODY, 1)
        elif method != ("GET" if body is None else "POST"):
            setopt(pycurl.CUSTOMREQUEST, method)

    def _take_body(self, chunk: bytes) -> int | None:
        if len(chunk) <= self._left:
            self._left -= len(chunk)
            self._body.append(chunk)
            return None
        self._body.append(chunk[: self._left])
        self._left = 0
        self._truncated = True
        return 0  # fewer than offered: libcurl ends the exchange here

    def _open_socket(self, _purpose: int, address: Any) -> Any:
        self._remote = address.addr
        if not self._allowed(address.addr[0]):
            self._refused = True
            return pycurl.SOCKET_BAD
        try:
            return _Lent(SocketType(address.family, address.socktype, address.protocol).detach())
        except OSError as trouble:
            self._own_trouble = trouble.strerror or str(trouble)
            return pycurl.SOCKET_BAD


def _header_lines(wishes: Wishes) -> list[bytes]:
    """Headers as libcurl wants them: "Name;" sends an empty one, "Name:" keeps it from adding its own."""
    lines = [f"{name}: {value}" if value else f"{name};" for name, value in wishes.headers.items()]
    given = {name.lower() for name in wishes.headers}
    lines += [f"{name}:" for name in ("Content-Type", "Expect") if name.lower() not in given]
    return [line.encode() for line in lines]


def _ascii_url(url: str) -> str:
    """The URL as it goes over the wire: a host in its xn-- form, the rest percent-encoded."""
    if url.isascii():
        return url
    parts = urlsplit(url)
    host = parts.netloc.encode("idna").decode("ascii")
    return parts._replace(netloc=host, path=_quoted(parts.path), query=_quoted(parts.query)).geturl()


def _quoted(text: str) -> str:
    return quote(text, safe="/%:=&?~#+!$,;'@()*[]")


def _parse_headers(lines: list[bytes]) -> dict[str, str]:
    """The last answer's headers (a redirect has several), lower-case names; repeated ones joined by ", "."""
    headers: dict[str, str] = {}
    for line in lines:
        if line.startswith(b"HTTP/"):
            headers = {}
            continue
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
