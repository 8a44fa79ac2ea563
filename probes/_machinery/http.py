"""All HTTP in one loop: libcurl's multi interface, told by epoll which sockets are ready."""

import select
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pycurl

from probes._machinery.curl_handle import CurlHandle, ca_bundle
from probes._machinery.requests import HttpReply, HttpRequest

_WATCHED = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}
_SLOW_NAME_MULTIS = 8


class HttpLoop:
    """Exchanges under way. The owner polls `epoll` and hands over what it says; nothing here blocks.

    libcurl resolves names in at most 20 threads a multi handle, so ten names whose servers are silent would make
    every other name late. A name that was not resolved in time is therefore asked for apart from the rest.
    """

    def __init__(self, epoll: select.epoll, allowed: Callable[[str], bool], ca_file: str | None = None) -> None:
        self._epoll = epoll
        self._allowed = allowed
        self._ca_file = ca_file or ca_bundle()
        self._owners: dict[int, _Multi] = {}
        self._multis: dict[int, _Multi] = {}
        self._free: list[CurlHandle] = []
        self._running: dict[object, tuple[CurlHandle, _Multi]] = {}
        self._slow_names: set[str] = set()
        self._unsent: list[tuple[Any, HttpReply]] = []

    def start(self, request: HttpRequest, token: object) -> None:
        """Begin an exchange; its reply comes with `token` from `finished`."""
        handle = self._free.pop() if self._free else CurlHandle(self._allowed, self._ca_file)
        try:
            handle.prepare(request, token)
        except (pycurl.error, ValueError, TypeError, KeyError) as trouble:
            self._free.append(handle)
            self._unsent.append((token, HttpReply(error=f"this request cannot be sent: {trouble}")))
            return
        multi = self._multi_for(request.url)
        self._running[token] = handle, multi
        multi.curl.add_handle(handle.curl)

    def cancel(self, token: object) -> bool:
        """Forget an exchange; nothing comes of it. False where there is none."""
        if token not in self._running:
            return False
        handle, multi = self._running.pop(token)
        multi.curl.remove_handle(handle.curl)
        self._free.append(handle)
        return True

    def on_event(self, descriptor: int, events: int) -> None:
        """Epoll said `events` of a socket."""
        multi = self._owners.get(descriptor)
        if multi is not None:
            multi.act(descriptor, _selected(events))

    def on_time(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        for multi in self._multis.values():
            if multi.due is not None and multi.due <= now:
                multi.due = None
                multi.act(pycurl.SOCKET_TIMEOUT, 0)

    def next_due(self) -> float | None:
        """The moment (time.monotonic) libcurl wants `on_time`, None for never."""
        if self._unsent:
            return 0.0
        return min((multi.due for multi in self._multis.values() if multi.due is not None), default=None)

    def finished(self) -> list[tuple[Any, HttpReply]]:
        """The exchanges that have ended since the last call, with their tokens."""
        ended, self._unsent = self._unsent, []
        for multi in self._multis.values():
            if multi.acted:
                multi.acted = False
                ended += [self._end(multi, *outcome) for outcome in multi.outcomes()]
        return ended

    def close(self) -> None:
        """Break off everything."""
        for token in list(self._running):
            self.cancel(token)
        for handle in self._free:
            handle.curl.close()
        for multi in self._multis.values():
            multi.close()

    def _end(self, multi: "_Multi", curl: Any, code: int, text: str) -> tuple[object, HttpReply]:
        handle: CurlHandle = curl.handle
        reply = handle.reply(code, text)
        multi.curl.remove_handle(curl)
        del self._running[handle.token]
        self._free.append(handle)
        if handle.name_was_late(code):
            self._slow_names.add(_host(handle.request.url))
        elif self._slow_names:
            self._slow_names.discard(_host(handle.request.url))
        return handle.token, reply

    def _multi_for(self, url: str) -> "_Multi":
        slow = bool(self._slow_names) and _host(url) in self._slow_names
        number = 1 + hash(_host(url)) % _SLOW_NAME_MULTIS if slow else 0
        if number not in self._multis:
            self._multis[number] = _Multi(self._epoll, self._owners)
        return self._multis[number]


class _Multi:
    """One multi handle, its timer, and its sockets in the shared epoll."""

    __slots__ = ("_closed", "_epoll", "_owners", "acted", "curl", "due")

    def __init__(self, epoll: select.epoll, owners: dict[int, "_Multi"]) -> None:
        self._epoll = epoll
        self._owners = owners
        self._closed = False
        self.acted = False
        self.due: float | None = None
        self.curl = pycurl.CurlMulti()
        self.curl.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self.curl.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)

    def act(self, descriptor: int, selected: int) -> None:
        self.acted = True
        self.curl.socket_action(descriptor, selected)

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


def _selected(events: int) -> int:
    selected = 0
    if events & (select.EPOLLIN | select.EPOLLHUP):
        selected |= pycurl.CSELECT_IN
    if events & select.EPOLLOUT:
        selected |= pycurl.CSELECT_OUT
    if events & select.EPOLLERR:
        selected |= pycurl.CSELECT_ERR
    return selected


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
