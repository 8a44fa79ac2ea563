"""One reusable libcurl handle: a request's options in, what came back out."""

import ssl
from socket import SocketType
from typing import Any, NamedTuple

import pycurl

from probes._machinery.curl_errors import Failure, in_words
from probes._machinery.curl_options import ascii_url, set_options, wishes
from probes._machinery.guard import Allowed
from probes._machinery.header_lines import HeaderLines
from probes._machinery.redirects import STATUSES, Unfollowable, onward, origin
from probes._machinery.requests import HttpReply, HttpRequest

_ANSWERED_IN = {1: 1.0, 2: 1.1, 3: 2.0, 30: 3.0}


class Spent(NamedTuple):
    """Seconds that the requests before the last redirect took, in the sums that libcurl counts for one."""

    dns: float = 0.0
    connect: float = 0.0
    tls: float = 0.0
    total: float = 0.0


_NOTHING = Spent()


class CurlHandle:
    """A pycurl handle with its callbacks, made once and used for one exchange after another.

    lent            takes the sockets that were opened: pycurl copies their descriptors, then they are to be closed

    request, token  the exchange
    asked, hops     the request as it is now, after so many redirects
    resolved        whether there was an address for its name
    """

    __slots__ = (
        "_allowed",
        "_before",
        "_body",
        "_ca_file",
        "_headers",
        "_left",
        "_lent",
        "_own_trouble",
        "_refused",
        "_remote",
        "_status",
        "_truncated",
        "_wishes",
        "asked",
        "curl",
        "hops",
        "request",
        "resolved",
        "token",
    )

    def __init__(self, allowed: Allowed, ca_file: str, lent: list[SocketType]) -> None:
        self._allowed = allowed
        self._lent = lent
        self._ca_file = ca_file
        self._wishes: tuple[Any, ...] | None = None
        self._headers: list[bytes] = []
        self.curl = pycurl.Curl()
        self.curl.handle = self
        self.token: Any = None

    def take(self, request: HttpRequest, token: object) -> None:
        """Begin another exchange."""
        self.token, self.request, self.asked = token, request, request
        self._before, self.hops = _NOTHING, 0

    def prepare(self) -> None:
        """Make the handle ready for `asked`. Raises pycurl.error, ValueError and the like where libcurl will not."""
        self._body: list[bytes] = []
        self._headers.clear()
        self._left = self.request.max_bytes
        self._truncated = self._refused = self.resolved = False
        self._own_trouble = ""
        self._remote: tuple[Any, ...] = ()
        wanted = wishes(self.asked)
        if wanted != self._wishes:
            self._wishes = None  # so that a half-done setting is never taken for a done one
            self.curl.reset()
            set_options(self.curl.setopt, self.asked, self._ca_file)
            self._set_callbacks()
            self._wishes = wanted
        left = self.request.timeout - self._before.total
        self.curl.setopt(pycurl.URL, ascii_url(self.asked.url))
        self.curl.setopt(pycurl.TIMEOUT_MS, max(1, int(left * 1000)))

    def turn(self, code: int) -> bool:
        """Whether the answer is a redirect that is to be followed: `asked` is then what to ask. Raises Unfollowable."""
        self._status = status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        if status not in STATUSES or not self.request.follow_redirects or (code and not self._truncated):
            return False
        location = self.curl.getinfo_raw(pycurl.REDIRECT_URL)
        if not location:
            return False
        if self.hops >= self.request.max_redirects:
            raise Unfollowable(f"too many redirects (more than {self.request.max_redirects})")
        self.hops += 1
        try:
            asked = self.asked._replace(url=ascii_url(self.asked.url))
            self.asked = onward(asked, status, location.decode("ascii"))
        except ValueError:
            raise Unfollowable(f"the answer redirects (HTTP {status}) to what is no URL") from None
        self._before = self._spent(self.curl.getinfo(pycurl.APPCONNECT_TIME))
        return True

    def reply(self, code: int, text: str, unfollowed: str = "") -> HttpReply:
        """What came of the exchange, which does not `turn`; `code` and `text` are libcurl's, 0 for success."""
        get = self.curl.getinfo
        error, error_class = (unfollowed, "redirect") if unfollowed else (None, None)
        if code and not self._truncated:
            error, told_class = in_words(self._failure(code, text))
            error_class = self.whose(told_class)
        secured, first_byte = get(pycurl.APPCONNECT_TIME), get(pycurl.STARTTRANSFER_TIME)
        spent = self._spent(secured)
        return HttpReply(
            status=self._status,
            headers=HeaderLines(self._headers.copy()),
            body=b"".join(self._body),
            error=error,
            error_class=error_class,
            truncated=self._truncated,
            http_version=_ANSWERED_IN.get(get(pycurl.INFO_HTTP_VERSION)),
            elsewhere=self._elsewhere() if self.hops else "",
            dns_seconds=spent.dns,
            connect_seconds=spent.connect or None,
            tls_seconds=spent.tls if secured else None,
            first_byte_seconds=self._before.total + first_byte if first_byte else None,
            total_seconds=spent.total,
            certificate_expires_at=self._certificate() if self.request.want_certificate else None,
        )

    def whose(self, error_class: str) -> str:
        """The class of an error: a redirect to where we may not or cannot go is the server's doing, not ours."""
        return "redirect" if self.hops and error_class in ("denied", "config") else error_class

    def _spent(self, secured: float) -> Spent:
        """What all requests so far took. `secured`: the end of the last one's TLS handshake, 0 where there was none."""
        get, before = self.curl.getinfo, self._before
        connect = get(pycurl.CONNECT_TIME)
        return Spent(
            before.dns + get(pycurl.NAMELOOKUP_TIME),
            before.connect + connect,
            before.tls + (secured or connect),  # without TLS it takes no time
            before.total + get(pycurl.TOTAL_TIME),
        )

    def _elsewhere(self) -> str:
        here = origin(self.asked.url)
        return "" if here == origin(ascii_url(self.request.url)) else here

    def _failure(self, code: int, text: str) -> Failure:
        get = self.curl.getinfo
        return Failure(
            code=code,
            text=text,
            errno=get(pycurl.OS_ERRNO) if code in (pycurl.E_COULDNT_CONNECT, pycurl.E_SEND_ERROR) else 0,
            refused=self._refused,
            own_trouble=self._own_trouble,
            remote=self._remote,
            connected=get(pycurl.CONNECT_TIME) > 0,
            answered=bool(self._headers),
            url=self.asked.url,
            timeout=self.request.timeout,
            by_quic=self.asked.http_version == "3",
            proxied=bool(self.asked.proxy),
            proxy_status=get(pycurl.HTTP_CONNECTCODE) if self.asked.proxy else 0,
        )

    def _certificate(self) -> float | None:
        for chain in self.curl.getinfo(pycurl.INFO_CERTINFO)[:1]:
            for name, value in chain:
                if name == "Expire date":
                    return float(ssl.cert_time_to_seconds(value))
        return None

    def _set_callbacks(self) -> None:
        setopt = self.curl.setopt
        setopt(pycurl.WRITEFUNCTION, self._take_body)
        setopt(pycurl.HEADERFUNCTION, self._headers.append)  # libcurl bounds them: 300 KB in all
        setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)

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
        self._remote, self.resolved = address.addr, True
        self._refused = not self._allowed(address.addr[0])
        if self._refused:
            return pycurl.SOCKET_BAD
        try:
            opened = SocketType(address.family, address.socktype, address.protocol)
        except OSError as trouble:
            self._own_trouble = trouble.strerror or str(trouble)
            return pycurl.SOCKET_BAD
        self._lent.append(opened)
        return opened
