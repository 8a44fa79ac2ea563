"""A service that exposes metrics with Prometheus' own client: fixture `exposed`, which can be started anew."""

import threading
from collections.abc import Iterator
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer


class Exposed:
    """The service, on one port all its life. `registry` is that of the process as it is now."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._serve(0)
        self.port = int(self._server.server_port)
        self.url = f"http://127.0.0.1:{self.port}/metrics"

    def restart(self) -> None:
        """The process ends, and another takes its place, its counters at nothing."""
        self.close()
        self.registry = CollectorRegistry()
        self._serve(self.port)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _serve(self, port: int) -> None:
        app = make_wsgi_app(self.registry)
        # In threads: a stranger's connection that says nothing must not keep our own waiting.
        self._server = make_server("127.0.0.1", port, app, ThreadingWSGIServer, _Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def exposed() -> Iterator[Exposed]:
    """A service with an empty registry."""
    service = Exposed()
    yield service
    service.close()
