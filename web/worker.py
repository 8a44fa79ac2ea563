"""gunicorn's gevent worker, made to stop promptly, to be fair between connections, and to let go of a socket."""

import contextlib
import socket
import sys
from typing import Any, NoReturn

import gevent
from gevent import local, monkey
from gunicorn.workers.ggevent import GeventWorker

from web import hub

_PATCHED = ("socket", "ssl", "threading", "time", "select")
_WATCH = 0.05  # seconds between two looks at whether we are to stop: gunicorn has no hook for it


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn is untyped
    """One process that serves requests in greenlets."""

    def init_process(self) -> None:
        """Refuse to start where a library would block or share what it must not; then serve."""
        if fault := unpatched():
            self.log.error("Not started: %s", fault)
            sys.exit(4)  # gunicorn's word for "do not try again"
        self._idle: set[Any] = set()
        super().init_process()

    def run(self) -> None:
        """Serve until told to stop."""
        gevent.spawn(self._stop_when_told)
        super().run()

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """One connection, from its first request to its last."""
        self._idle.add(client)
        try:
            super().handle(listener, client, addr)
        finally:
            self._idle.discard(client)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """One request. Others go first: a connection that always has a next one would never let them in."""
        self._idle.discard(sock)
        gevent.sleep(0)
        try:
            return super().handle_request(listener_name, req, sock, addr)
        finally:
            self._idle.add(sock)

    def is_already_handled(self, respiter: Any) -> bool:
        """A socket that was handed over is no longer ours: end without a word, and wait for no next request."""
        if super().is_already_handled(respiter):
            raise StopIteration
        return False

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> None:
        """Answer a fault. Paths and query strings may hold keys and tokens, so they do not get as far as the log."""
        if getattr(req, "uri", None):
            req.uri = f"/{req.path.lstrip('/').partition('/')[0]}/…"
        super().handle_error(req, client, addr, exc)

    def _stop_when_told(self) -> NoReturn:
        while self.alive:
            gevent.sleep(_WATCH)
        hub.close_all()
        while True:  # until the process ends: a request that was under way may leave an idle connection behind
            for client in list(self._idle):
                self._idle.discard(client)
                _hear_no_more(client)
            gevent.sleep(_WATCH)


def unpatched() -> str | None:
    """What is wrong with how this process was prepared for greenlets, or None."""
    missing = [name for name in _PATCHED if not monkey.is_module_patched(name)]
    if missing:
        return f"gevent has not replaced {', '.join(missing)}; start with `vedette web` or deploy/gunicorn.conf.py"
    peewee = sys.modules.get("peewee")
    if peewee is not None and not issubclass(peewee._ConnectionLocal, local.local):
        return "peewee was imported before gevent replaced threading: all requests would share one connection"
    return None


def _hear_no_more(client: Any) -> None:
    """An idle connection reads its end. On the raw socket: gevent's own shutdown raises in whoever is reading."""
    with contextlib.suppress(OSError):
        getattr(client, "_sock", client).shutdown(socket.SHUT_RD)
