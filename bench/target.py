"""What the checks ask: one small JSON answer a connection, from nginx where it is installed, else from a loop here."""

import select
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from harness import beside, wait_for

BODY = b'{"status": "ok", "version": "1.4.2", "uptime": 86400, "checks": {"database": "ok", "queue": 3}}'

_ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: target\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s"
) % (len(BODY), BODY)

_NGINX = """
daemon off; pid {home}/pid; error_log stderr; worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {home}; proxy_temp_path {home};
  fastcgi_temp_path {home}; uwsgi_temp_path {home}; scgi_temp_path {home};
  server {{ listen 127.0.0.1:{port} backlog=4096; default_type application/json; return 200 '{body}'; }}
}}
"""


@contextmanager
def target() -> Iterator[tuple[str, str]]:
    """A running target: its URL and what it is."""
    if nginx := shutil.which("nginx"):
        with _nginx(nginx) as url:
            yield url, "nginx"
    else:
        with beside(_serve) as connection:
            yield f"http://127.0.0.1:{connection.recv()}/health", "an epoll loop in Python"


def free_port() -> int:
    """A port nobody has just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _nginx(program: str) -> Iterator[str]:
    port = free_port()
    with tempfile.TemporaryDirectory() as home:
        written = Path(home, "nginx.conf")
        written.write_text(_NGINX.format(home=home, port=port, body=BODY.decode()))
        process = subprocess.Popen([program, "-c", str(written), "-p", home], stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: answers(port), "nginx takes connections")
            yield f"http://127.0.0.1:{port}/health"
        finally:
            process.terminate()
            process.wait(10)


def _serve(connection: Connection) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(False)
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    connection.send(listener.getsockname()[1])
    waiting: dict[int, socket.socket] = {}
    while True:
        for descriptor, _ in epoll.poll():
            if descriptor == listener.fileno():
                _accept(listener, epoll, waiting)
            else:
                _answer(waiting.pop(descriptor))


def _accept(listener: socket.socket, epoll: select.epoll, waiting: dict[int, socket.socket]) -> None:
    try:
        while True:
            one, _ = listener.accept()
            waiting[one.fileno()] = one
            epoll.register(one, select.EPOLLIN)
    except BlockingIOError:
        return


def _answer(one: socket.socket) -> None:
    with one:  # one that leaves without a word is let go like the rest
        try:
            if one.recv(65_536):
                one.send(_ANSWER)
        except OSError:
            return
