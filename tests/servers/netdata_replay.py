"""A server that answers as a Netdata once did, byte for byte, for versions that no package here has."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

ANSWERS = Path(__file__).parent.parent / "probes" / "netdata_answers"
_NOTHING = (
    b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 34\r\n\r\nNo metrics where matched to query."
)


class NetdataReplay:
    """`answers[path without its query]` is what is sent, head and body; `asked` lists the paths as they came."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.replay = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, path: str, name: str) -> None:
        """Answer a path as was captured under that name: "v2.10/v1_info"."""
        head, body = ((ANSWERS / f"{name}.{part}").read_bytes() for part in ("head", "body"))
        # Machine names and paths were cut out of some bodies, and the length is theirs.
        self.answers[path] = re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % len(body), head) + body

    def say(self, path: str, status: int, body: bytes, date: str = "Fri, 20 Nov 2026 20:39:04 GMT") -> None:
        """Answer a path with a body of the test's own."""
        head = f"HTTP/1.1 {status} As Asked\r\nDate: {date}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        self.answers[path] = head.encode() + body

    def count(self, part: str) -> int:
        """How often a path with this part was asked for."""
        return sum(part in path for path in self.asked)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    replay: NetdataReplay

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is none of a test's business."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        replay = self.server.replay
        replay.asked.append(unquote(self.path))
        replay.headers.append({name.lower(): value for name, value in self.headers.items()})
        found = replay.answers.get(self.path.partition("?")[0], _NOTHING)
        self.wfile.write(found)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def netdata_replay() -> Iterator[NetdataReplay]:
    """A server that knows no answer yet: `answer(path, name)` gives it one."""
    replay = NetdataReplay()
    yield replay
    replay.close()
