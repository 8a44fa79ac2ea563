"""Asking Netdata from a web worker: one JSON document, within strict bounds of time, size and place."""

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from probes._machinery.guard import REFUSED

Allowed = Callable[[str], bool]

_CONNECT, _READ = 2.0, 4.0  # seconds
_MOST_BYTES = 1_048_576
_PIECE = 65_536
_REFUSALS = (401, 403, 412, 451, 503)


class NoAnswer(Exception):
    """Netdata could not be asked, or would not say; the text is one sentence without a secret."""


class Agent:
    """Netdata at an address. `headers` go with every question; no question follows a redirect with them.

    allowed: whether an address (text) may be connected to
    """

    def __init__(self, url: str, headers: Mapping[str, str], allowed: Allowed) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = ssl.get_default_verify_paths().cafile or True
        self._session.headers.update(headers)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Guarded(allowed))

    def get(self, path: str) -> Any:
        """The document at a path; None where Netdata knows none (404). Raises NoAnswer."""
        try:
            with self._session.get(
                self._url + path, timeout=(_CONNECT, _READ), allow_redirects=False, stream=True
            ) as reply:
                return _document(reply)
        except _NotAllowed:
            raise NoAnswer(REFUSED) from None
        except requests.Timeout:
            raise NoAnswer("Netdata does not answer in time") from None
        except requests.RequestException:
            raise NoAnswer("no connection to Netdata") from None

    def close(self) -> None:
        """Let its connections go."""
        self._session.close()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """All that is asked inside ends in time, however slowly it drips. Raises NoAnswer."""
    from gevent import Timeout, monkey

    if not monkey.is_module_patched("socket"):
        yield
        return
    with Timeout(seconds, NoAnswer("Netdata does not answer in time")):
        yield


def _document(reply: requests.Response) -> Any:
    if reply.status_code == 404:
        return None
    if reply.status_code in _REFUSALS:
        raise NoAnswer(f"Netdata refused: HTTP {reply.status_code}")
    if reply.status_code != 200:
        raise NoAnswer(f"Netdata answered HTTP {reply.status_code}, expected 200")
    body = bytearray()
    for piece in reply.iter_content(_PIECE):
        body += piece
        if len(body) > _MOST_BYTES:
            raise NoAnswer("the answer is too long to be Netdata's")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise NoAnswer("the answer is not Netdata's") from None


class _NotAllowed(Exception):
    """Where this address leads, nobody may go."""


def _guarded(sort: type[HTTPConnection], allowed: Allowed) -> type[HTTPConnection]:
    """Connections that look where they have come to before a word is said: no name leads elsewhere in between."""

    class Connection(sort):  # type: ignore[valid-type,misc]
        def _new_conn(self) -> Any:
            made = super()._new_conn()
            if not allowed(made.getpeername()[0]):
                made.close()
                raise _NotAllowed
            return made

    return Connection


class _Guarded(HTTPAdapter):
    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        super().__init__(max_retries=0)

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        plain = type("Pool", (HTTPConnectionPool,), {"ConnectionCls": _guarded(HTTPConnection, self._allowed)})
        secure = type("Pool", (HTTPSConnectionPool,), {"ConnectionCls": _guarded(HTTPSConnection, self._allowed)})
        self.poolmanager.pool_classes_by_scheme = {"http": plain, "https": secure}
