"""A real nginx: plain, with TLS and HTTP/2, and one door that wants a client certificate."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.needing import need
from tests.servers.tls import Authority, authority
from tests.waiting import free_port, listens, wait_until

_CONFIGURATION = """
daemon off; master_process off; worker_processes 1; pid {home}/pid; error_log {home}/log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  default_type application/json;
  ssl_certificate {pem}; ssl_certificate_key {pem};
  server {{ listen 127.0.0.1:{plain}; {answer} }}
  server {{ listen 127.0.0.1:{tls} ssl http2; {answer} }}
  server {{
    listen 127.0.0.1:{asking} ssl; ssl_client_certificate {clients}; ssl_verify_client on; {answer}
  }}
}}
"""
_ANSWER = """location / { return 200 '{"version": "$server_protocol", "client": "$ssl_client_s_dn"}'; }"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """Its ports; `asking` wants a client certificate. `authority` signed all of them."""

    plain: int
    tls: int
    asking: int
    authority: Authority


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """One for the whole run, known as 127.0.0.1 and localhost."""
    program, home = need("nginx")["nginx"], tmp_path_factory.mktemp("nginx")
    ours, ports = authority(), [free_port() for _ in range(3)]
    made = Nginx(*ports, ours)
    ours.leaf(home / "server.pem", ("127.0.0.1", "localhost"))
    (home / "clients.pem").write_text(ours.pem)
    (home / "nginx.conf").write_text(_written(home, made))
    with (home / "out").open("wb") as out:
        command = [str(program), "-p", str(home), "-e", str(home / "log"), "-c", str(home / "nginx.conf")]
        server = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        wait_until(lambda: all(map(listens, ports)) or server.poll() is not None, 10, "nginx to listen")
        assert server.poll() is None, (home / "log").read_text() + (home / "out").read_text()
        yield made
    finally:
        server.terminate()
        server.wait(10)


def _written(home: Path, about: Nginx) -> str:
    return _CONFIGURATION.format(
        home=home,
        pem=home / "server.pem",
        clients=home / "clients.pem",
        plain=about.plain,
        tls=about.tls,
        asking=about.asking,
        answer=_ANSWER,
    )
