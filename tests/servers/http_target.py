"""A real HTTP server, with or without TLS, that behaves as its paths say: well, badly or with ill will."""

import gzip
import ipaddress
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class RawJson(str):
    """A text that is answered as it is, under the name of JSON."""


class HttpTarget:
    """The server; `url(path)` names it. `documents[path]` is answered as JSON, `hits` lists the paths asked for.

    asked: each request as {"method", "path", "headers", "body", "version"}
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.documents: dict[str, Any] = {"/ok": {"status": "ok", "queue": {"length": 3}, "nodes": ["a", "b"]}}
        self.hits: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.target = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "http" if tls is None else "https"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "/ok") -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    target: HttpTarget

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is what half of these paths are for."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.target.hits.append(parts.path)
        self.server.target.asked.append(self._asked())
        behave = getattr(self, "at_" + parts.path.strip("/").split("/")[0], None)
        if parts.path in self.server.target.documents:
            self._json(self.server.target.documents[parts.path])
        elif behave is None:
            self._send(404, b"no such path")
        else:
            behave({name: values[0] for name, values in parse_qs(parts.query).items()})

    do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = do_GET

    def _asked(self) -> dict[str, Any]:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        headers = dict(self.headers)
        about = {"method": self.command, "path": self.path, "version": self.request_version}
        return {**about, "headers": headers, "body": body}

    def at_status(self, _: dict[str, str]) -> None:
        self._send(int(self.path.rsplit("/", 1)[1]), b"as asked")

    def at_slow(self, query: dict[str, str]) -> None:
        self.server.target.closing.wait(float(query["seconds"]))
        self._send(200, b"late")

    def at_hang(self, _: dict[str, str]) -> None:
        self.server.target.closing.wait()

    def at_headerdrip(self, _: dict[str, str]) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.server.target.closing.wait(0.1):
            self.wfile.write(b"X")

    def at_bodydrip(self, _: dict[str, str]) -> None:
        self._head(200, {"Content-Length": "1000000"})
        while not self.server.target.closing.wait(0.1):
            self.wfile.write(b"x")

    def at_endless(self, _: dict[str, str]) -> None:
        self._head(200, {"Content-Type": "text/plain"})
        while not self.server.target.closing.is_set():
            self.wfile.write(b"x" * 65536)

    def at_bomb(self, _: dict[str, str]) -> None:
        body = gzip.compress(b"0" * 50_000_000, 9)
        self._send(200, body, {"Content-Encoding": "gzip"})

    def at_redirect(self, query: dict[str, str]) -> None:
        self._send(int(query.get("status", 302)), b"", {"Location": query["to"]})

    def at_loop(self, _: dict[str, str]) -> None:
        self._send(302, b"", {"Location": "/loop"})

    def at_latin(self, _: dict[str, str]) -> None:
        self._send(200, "café".encode("latin-1"), {"Content-Type": "text/plain; charset=latin-1"})

    def at_binary(self, _: dict[str, str]) -> None:
        self._send(200, b'{"status": "\xff\xfe"}', {"Content-Type": "application/json"})

    def at_deep(self, _: dict[str, str]) -> None:
        self._send(200, b"[" * 100_000)

    def at_gone(self, _: dict[str, str]) -> None:
        self.close_connection = True

    def at_short(self, _: dict[str, str]) -> None:
        self._head(200, {"Content-Length": "100"})
        self.wfile.write(b"only so much")

    def at_echo(self, _: dict[str, str]) -> None:
        self._json(self.server.target.asked[-1])

    def at_digest(self, _: dict[str, str]) -> None:
        """Signed in is who knows that alice's password is s3cr3t, by MD5 as RFC 2069 has it."""
        said = dict(re.findall(r'(\w+)="?([^",]+)', self.headers.get("Authorization", "")))
        secret = md5(b"alice:here:s3cr3t").hexdigest()
        asked = md5(f"{self.command}:{said.get('uri')}".encode()).hexdigest()
        if said.get("response") == md5(f"{secret}:n0nce:{asked}".encode()).hexdigest():
            self._send(200, b"welcome")
        else:
            self._send(401, b"who are you?", {"WWW-Authenticate": 'Digest realm="here", nonce="n0nce"'})

    def at_headers(self, query: dict[str, str]) -> None:
        self._send(200, b"see above", query)

    def at_says(self, query: dict[str, str]) -> None:
        self._send(200, query["text"].encode("latin-1"), {"Content-Type": query.get("type", "text/plain")})

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def _json(self, document: Any) -> None:
        text = document if isinstance(document, RawJson) else json.dumps(document)
        self._send(200, text.encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, {"Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def make_certificate(folder: Path, days: float, host: str = "127.0.0.1") -> Path:
    """A certificate that signed itself, with its key, in one PEM file; it ends in `days` (below 0: it has)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    ends = datetime.now(UTC) + timedelta(days=days)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=400))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"certificate-{time.monotonic_ns()}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return path


def tls_target(pem: Path) -> HttpTarget:
    """A target that shows the certificate in `pem`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return HttpTarget(context)


@pytest.fixture
def http_target() -> Iterator[HttpTarget]:
    """A plain HTTP target."""
    target = HttpTarget()
    yield target
    target.close()
