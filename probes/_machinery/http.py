"""All HTTP in one loop: libcurl's multi interface, told by epoll which sockets are ready."""

import select
import threading
import time
from collections import deque
from functools import lru_cache
from socket import SocketType
from typing import Any
from urllib.parse import urlsplit

import pycurl

from probes._machinery.curl_handle import CurlHandle
from probes._machinery.curl_options import ca_bundle
from probes._machinery.guard import REFUSED, Allowed, written_address
from probes._machinery.redirects import Unfollowable
from probes._machinery.requests import HttpReply, HttpRequest

_WATCHED = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}
_NAMES_AT_ONCE = 8  # in a multi handle: libcurl resolves in 20 threads there, and a name may take two of them
_STUCK = 30.0  # seconds a thread may go on asking for a name after we have given up
_MOST_MULTIS = 8  # so many names at once that no name server is overrun
_KEPT = 64  # handles that wait for their next exchange: after a burst the rest are let go, for each has its buffers
_Ended = tuple[Any, HttpReply, float]


class HttpLoop:
    """Exchanges under way. The owner polls `epoll` and hands over what it says; nothing here blocks.

    Names whose servers are silent hold libcurl's resolving threads, of which a multi handle has few. An exchange
    therefore begins in a multi handle that has a thread left for its name.
    """

    def __init__(self, epoll: select.epoll, allowed: Allowed, ca_file: str | None = None) -> None:
        self._epoll = epoll
        self._allowed = allowed
        self._ca_file = ca_file or ca_bundle()
        self._owners: dict[int, _Multi] = {}
        self._lent: list[SocketType] = []  # sockets whose descriptors libcurl has copied, or is just copying
        self._multis: list[_Multi] = []
        self._free: list[CurlHandle] = []
        self._running: dict[object, tuple[CurlHandle, _Multi]] = {}
        self._unsent: list[_Ended] = []
        self._ended: list[tuple[_Multi, tuple[Any, int, str], float]] = []

    def start(self, request: HttpRequest, token: object) -> None:
        """Begin an exchange; its reply comes with `token` from `finished`."""
        handle = self._free.pop() if self._free else CurlHandle(self._allowed, self._ca_file, self._lent)
        handle.take(request, token)
        trouble = self._send(handle)
        if trouble is not None:
            self._let_go(handle)
            self._unsent.append((token, trouble, time.monotonic()))

    def cancel(self, token: object) -> bool:
        """Forget an exchange; nothing comes of it. False where there is none."""
        if token not in self._running:
            return False
        handle, multi = self._running.pop(token)
        multi.let_go(handle, time.monotonic(), too_early=True)
        self._ended = [one for one in self._ended if one[1][0] is not handle.curl]
        self._let_go(handle)
        return True

    def on_event(self, descriptor: int, events: int) -> None:
        """Epoll said `events` of a socket."""
        multi = self._owners.get(descriptor)
        if multi is not None:
            multi.act(descriptor, _selected(events))

    def on_time(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        for multi in self._multis:
            if multi.due is not None and multi.due <= now:
                multi.due = None
                multi.act(pycurl.SOCKET_TIMEOUT, 0)

    @property
    def has_unsent(self) -> bool:
        """Whether some exchange could not even begin: `finished` says why."""
        return bool(self._unsent)

    def next_due(self) -> float | None:
        """The moment (time.monotonic) libcurl wants `on_time`, None for never."""
        if self._unsent:
            return 0.0
        dues = [multi.due for multi in self._multis if multi.due is not None]
        return min(dues) if dues else None

    def has_ended(self) -> bool:
        """Whether some exchange has ended for which `finished` was not called yet."""
        for multi in self._multis:
            if multi.acted:
                multi.acted = False
                if outcomes := multi.outcomes():
                    now = time.monotonic()
                    self._ended += [(multi, outcome, now) for outcome in outcomes]
        return bool(self._ended)

    def finished(self) -> list[_Ended]:
        """The exchanges that have ended since the last call: their tokens, replies, and moments (time.monotonic)."""
        if self.has_ended():
            outcomes, self._ended = self._ended, []
            for multi, outcome, moment in outcomes:
                self._end(multi, moment, *outcome)
        ended, self._unsent = self._unsent, []
        return ended

    def close(self) -> None:
        """Break off everything."""
        for token in list(self._running):
            self.cancel(token)
        for handle in self._free:
            handle.curl.close()
        for multi in self._multis:
            multi.close()

    def _send(self, handle: CurlHandle) -> HttpReply | None:
        """Send what it asks, or say why that cannot be sent."""
        try:
            handle.prepare()
            if handle.asked.proxy and self._is_out_of_bounds(handle.asked.url):
                return HttpReply(error=REFUSED, error_class=handle.whose("denied"))  # no socket of ours leads there
            multi = self._multi_for(handle)
        except (pycurl.error, ValueError, TypeError, KeyError) as trouble:
            error = f"this request cannot be sent: {_said(trouble)}"
            return HttpReply(error=error, error_class=handle.whose("config"))
        self._running[handle.token] = handle, multi
        multi.curl.add_handle(handle.curl)
        return None

    def _end(self, multi: "_Multi", moment: float, curl: Any, code: int, text: str) -> None:
        handle: CurlHandle = curl.handle
        del self._running[handle.token]
        multi.let_go(handle, moment, code == pycurl.E_OPERATION_TIMEDOUT)
        try:
            reply = self._send(handle) if handle.turn(code) else handle.reply(code, text)
        except Unfollowable as trouble:
            reply = handle.reply(code, text, str(trouble))
        if reply is not None:
            self._let_go(handle)
            self._unsent.append((handle.token, reply, moment))

    def _let_go(self, handle: CurlHandle) -> None:
        if len(self._free) < _KEPT:
            self._free.append(handle)
        else:
            handle.curl.close()
            handle.curl.handle = None  # each holds the other, and nobody would look for that for long

    def _multi_for(self, handle: CurlHandle) -> "_Multi":
        """Where the exchange can begin: for a name, where a thread is left to resolve it."""
        name = _name("/".join((handle.asked.proxy or handle.asked.url).split("/", 3)[:3]))
        if not name and self._multis:
            return self._multis[0]
        now = time.monotonic()
        multi = next((one for one in self._multis if one.has_room(now)), None)
        if multi is None and len(self._multis) >= _MOST_MULTIS:
            multi = min(self._multis, key=_Multi.names)
        if multi is None:
            multi = _Multi(self._epoll, self._owners, self._lent)
            self._multis.append(multi)
        if name:
            multi.asking.add(handle)
        return multi

    def _is_out_of_bounds(self, url: str) -> bool:
        address = written_address(urlsplit(url).hostname or "")
        return address is not None and not self._allowed(address)


class _Multi:
    """One multi handle, its timer, and its sockets in the shared epoll."""

    __slots__ = ("_closed", "_epoll", "_lent", "_owners", "_stuck", "acted", "asking", "curl", "due")

    def __init__(self, epoll: select.epoll, owners: dict[int, "_Multi"], lent: list[SocketType]) -> None:
        self._epoll = epoll
        self._owners = owners
        self._lent = lent
        self._closed = False
        self._stuck: deque[float] = deque()  # until when threads may still ask for names nobody waits for any more
        self.asking: set[CurlHandle] = set()
        self.acted = False
        self.due: float | None = None
        self.curl = pycurl.CurlMulti()
        self.curl.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self.curl.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)

    def names(self) -> int:
        """How many names it is resolving, at most."""
        return len(self.asking) + len(self._stuck)

    def has_room(self, now: float) -> bool:
        """Whether a name would not have to wait for others."""
        if self.names() >= _NAMES_AT_ONCE:
            self.asking = {handle for handle in self.asking if not handle.resolved}
            while self._stuck and self._stuck[0] <= now:
                self._stuck.popleft()
        return self.names() < _NAMES_AT_ONCE

    def let_go(self, handle: CurlHandle, now: float, too_early: bool) -> None:
        """The exchange has ended here; `too_early`: perhaps before its name was resolved."""
        self.curl.remove_handle(handle.curl)
        if handle in self.asking:
            self.asking.remove(handle)
            if too_early and not handle.resolved:
                self._stuck.append(now + _STUCK)

    def act(self, descriptor: int, selected: int) -> None:
        self.acted = True
        self.curl.socket_action(descriptor, selected)
        while self._lent:  # a connection ends with its last descriptor
            self._lent.pop().close()

    def outcomes(self) -> list[tuple[Any, int, str]]:
        """(handle, libcurl's code, its text) of every exchange that has ended."""
        ended: list[tuple[Any, int, str]] = []
        queued = 1
        while queued:
            queued, succeeded, failed = self.curl.info_read()
            ended += [(curl, 0, "") for curl in succeeded]
            ended += failed
        return ended

    def close(self) -> None:
        # libcurl waits here for names still being resolved, up to the resolver's own limit: not on our time.
        self._closed = True
        threading.Thread(target=self.curl.close, daemon=True).start()

    def _watch(self, what: int, descriptor: int, _multi: Any, _data: Any) -> None:
        if self._closed:
            return
        if what == pycurl.POLL_REMOVE:
            self._owners.pop(descriptor, None)
            self._forget(descriptor)
        elif what in _WATCHED:
            if descriptor in self._owners:
                self._epoll.modify(descriptor, _WATCHED[what])
            else:
                self._epoll.register(descriptor, _WATCHED[what])
            self._owners[descriptor] = self

    def _forget(self, descriptor: int) -> None:
        try:
            self._epoll.unregister(descriptor)
        except OSError:
            return  # closed already, and with that forgotten by the kernel

    def _set_timer(self, milliseconds: int) -> None:
        self.due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000


@lru_cache
def _selected(events: int) -> int:
    selected = 0
    if events & (select.EPOLLIN | select.EPOLLHUP):
        selected |= pycurl.CSELECT_IN
    if events & select.EPOLLOUT:
        selected |= pycurl.CSELECT_OUT
    if events & select.EPOLLERR:
        selected |= pycurl.CSELECT_ERR
    return selected


@lru_cache(4096)  # thousands of paths, but few origins to remember
def _name(origin: str) -> str:
    """The name that must be resolved to go there; none for an address."""
    host = urlsplit(origin).hostname or ""
    return "" if written_address(host) else host


def _said(trouble: Exception) -> str:
    """What libcurl would not take; never its own words for it, which may quote a password."""
    return "its HTTP version is not spoken here" if isinstance(trouble, KeyError) else "libcurl does not take it"
