"""A service that exposes metrics with Prometheus' own client: fixture `exposed`, which can be started anew."""

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, start_http_server


class Exposed:
    """The service, on one port all its life. `registry` is that of the process as it is now."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._server, self._thread = self._serve(0)
        self.port = int(self._server.server_port)
        self.url = f"http://127.0.0.1:{self.port}/metrics"

    def restart(self) -> None:
        """The process ends, and another takes its place, its counters at nothing."""
        self.close()
        self.registry = CollectorRegistry()
        self._server, self._thread = self._serve(self.port)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _serve(self, port: int) -> tuple[Any, Any]:
        return start_http_server(port, "127.0.0.1", self.registry)


@pytest.fixture
def exposed() -> Iterator[Exposed]:
    """A service with an empty registry."""
    service = Exposed()
    yield service
    service.close()
