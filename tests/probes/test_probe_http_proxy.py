"""HTTP through proxies: by HTTP, CONNECT, TLS and SOCKS, with a password that nobody sees."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from probes import Observation
from probes._machinery.guard import REFUSED
from probes._machinery.runner import run
from tests.servers.http_target import HttpTarget
from tests.servers.nginx import Nginx
from tests.servers.proxies import PASSWORD, USER
from tests.servers.tcp_proxy import TcpProxy


def through(scheme: str, port: int, url: str, sign_in: str = f"{USER}:{PASSWORD}@", **config: Any) -> Observation:
    return run("http", {"url": url, "proxy": f"{scheme}://{sign_in}127.0.0.1:{port}", "timeout": 5} | config)


def test_plain_http_goes_through_an_http_proxy(http_proxy: int, http_target: HttpTarget) -> None:
    seen = through("http", http_proxy, http_target.url("/echo"), headers={"X-Own": "1"})
    assert seen.status == "ok", seen.message
    headers = http_target.asked[0]["headers"]
    assert "tinyproxy" in headers["Via"] and headers["X-Own"] == "1"
    assert "Proxy-Authorization" not in headers


def test_tls_goes_through_its_tunnel(http_proxy: int, nginx: Nginx) -> None:
    seen = through("http", http_proxy, f"https://127.0.0.1:{nginx.tls}/", ca=nginx.authority.pem, headers={"X": "1"})
    assert seen.status == "ok", seen.message
    assert seen.values["http_version"] == 2.0 and seen.values["tls_seconds"]


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_carries_names_to_be_resolved_there(scheme: str, socks_proxy: int, http_target: HttpTarget) -> None:
    seen = through(scheme, socks_proxy, http_target.url("/ok").replace("127.0.0.1", "localhost"))
    assert seen.status == "ok", seen.message


def test_a_wrong_password_is_told_and_never_shown(http_proxy: int, socks_proxy: int, nginx: Nginx) -> None:
    secure, plain = f"https://127.0.0.1:{nginx.tls}/", f"http://127.0.0.1:{nginx.plain}/"
    wrong = f"{USER}:wr0ng@"
    tunnel = through("http", http_proxy, secure, wrong)
    assert (tunnel.status, tunnel.message) == ("critical", "the proxy did not connect us to the target: HTTP 401")
    socks = through("socks5", socks_proxy, plain, wrong)
    assert (socks.status, socks.message) == ("critical", "the proxy refused the sign-in")
    nobody = through("socks5", socks_proxy, plain, "")
    assert nobody.status == "critical" and "proxy" in nobody.message
    assert "wr0ng" not in tunnel.message + socks.message


def test_a_proxy_that_is_not_there_is_not_the_target(http_target: HttpTarget) -> None:
    seen = through("http", 1, http_target.url())
    assert seen.message == "connection refused by the proxy 127.0.0.1:1"
    unknown = run("http", {"url": http_target.url(), "proxy": "http://nowhere.invalid:3128"})
    assert unknown.message == "the proxy's name was not found"


def test_a_target_that_is_not_there_is_told_by_the_proxy(http_proxy: int) -> None:
    assert through("http", http_proxy, "https://127.0.0.1:1/").message.startswith("the proxy did not connect us")


def test_a_proxy_leads_nowhere_a_probe_may_not_go(http_proxy: int, http_target: HttpTarget) -> None:
    url = http_target.url().replace("127.0.0.1", "127.0.0.2")
    seen = run("http", {"url": url, "proxy": f"http://127.0.0.1:{http_proxy}"}, denied_networks=["127.0.0.2/32"])
    assert (seen.status, seen.message) == ("unknown", REFUSED)
    proxied = run("http", {"url": url, "proxy": f"http://127.0.0.1:{http_proxy}"}, denied_networks=["127.0.0.1/32"])
    assert (proxied.status, proxied.message) == ("unknown", REFUSED)
    away = http_target.url("/redirect?to=http://169.254.169.254/")
    assert through("http", http_proxy, away).message.startswith(REFUSED)
    assert http_target.hits == ["/redirect"]


@pytest.fixture
def tls_proxy(http_proxy: int, nginx: Nginx, tmp_path: Path) -> Iterator[int]:
    """The same proxy behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(nginx.authority.leaf(tmp_path / "proxy.pem"))
    line = TcpProxy(http_proxy, context)
    yield line.port
    line.close()


def test_a_proxy_may_speak_tls_itself(tls_proxy: int, nginx: Nginx) -> None:
    seen = through("https", tls_proxy, f"https://127.0.0.1:{nginx.tls}/", ca=nginx.authority.pem)
    assert seen.status == "ok", seen.message
    assert "signed by nobody" in through("https", tls_proxy, f"http://127.0.0.1:{nginx.plain}/").message
