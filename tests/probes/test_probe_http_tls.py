"""HTTP over TLS and QUIC: versions, authorities, certificates of both sides, each fault in words."""

import socket
from pathlib import Path
from typing import Any

import pytest

from probes import Observation
from probes._machinery.runner import check_config, run
from tests.servers.http_target import HttpTarget
from tests.servers.nginx import Nginx
from tests.servers.tls import authority, showing


def look(nginx: Nginx, port: int = 0, host: str = "127.0.0.1", **config: Any) -> Observation:
    return run(
        "http", {"url": f"https://{host}:{port or nginx.tls}/", "ca": nginx.authority.pem, "timeout": 5} | config
    )


@pytest.mark.parametrize(
    ("asked", "spoken", "answered"), [("1.0", "HTTP/1.0", 1.1), ("1.1", "HTTP/1.1", 1.1), ("2", "HTTP/2.0", 2.0)]
)
def test_the_version_asked_for_is_spoken(nginx: Nginx, asked: str, spoken: str, answered: float) -> None:
    seen = look(nginx, http_version=asked, json={"version": spoken})
    assert seen.status == "ok", seen.message
    assert seen.values["http_version"] == answered


def test_by_default_both_agree_upon_the_best(nginx: Nginx) -> None:
    assert look(nginx).values["http_version"] == 2.0
    assert run("http", {"url": f"http://127.0.0.1:{nginx.plain}/"}).values["http_version"] == 1.1


def test_http_3_goes_out_by_quic_and_nothing_else() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        seen = run("http", {"url": url, "http_version": "3", "timeout": 0.6})
        packet = listening.recv(2048)
    assert packet[0] & 0xF0 == 0xC0 and packet[1:5] == b"\x00\x00\x00\x01"  # QUIC's first, version 1
    assert seen.status == "critical"
    assert seen.message == f"no connection to {url[8:-1]} by QUIC within 0.6 s"


def test_where_no_quic_is_spoken_that_is_told(nginx: Nginx) -> None:
    seen = look(nginx, http_version="3")
    assert (seen.status, seen.message) == ("critical", f"no connection to 127.0.0.1:{nginx.tls} by QUIC")
    denied = run("http", {"url": f"https://127.0.0.1:{nginx.tls}/", "http_version": "3"}, denied_networks=["127.0.0.1"])
    assert denied.status == "unknown" and "may not be probed" in denied.message


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"url": "http://a.example/"}, "TLS alone"),
        ({"url": "https://a.example/", "proxy": "http://p.example:3128"}, "no proxy"),
    ],
)
def test_http_3_where_it_cannot_be_is_refused(config: dict[str, Any], named: str) -> None:
    (fault,) = check_config("http", {**config, "http_version": "3"})
    assert fault.pointer == "/http_version" and named in fault.message


def test_an_authority_of_ones_own_is_trusted_alone(nginx: Nginx) -> None:
    assert look(nginx).status == "ok"
    strange = look(nginx, ca=authority("Another").pem)
    assert strange.status == "critical"
    assert strange.message.startswith("the certificate is signed by nobody this machine trusts")
    assert run("http", {"url": f"https://127.0.0.1:{nginx.tls}/"}).message == strange.message


def test_the_certificates_own_faults_are_told_apart(nginx: Nginx, tmp_path: Path) -> None:
    with showing(nginx.authority.leaf(tmp_path / "name.pem", ("other.example",))) as port:
        assert look(nginx, port).message == "the certificate is for another name than 127.0.0.1"
    with showing(nginx.authority.leaf(tmp_path / "old.pem", days=-1)) as port:
        assert look(nginx, port).message == "the certificate has expired"
    with showing(nginx.authority.leaf(tmp_path / "young.pem", begins=2)) as port:
        assert look(nginx, port).message == "the certificate is not valid yet"
    below = nginx.authority.below("In Between")
    with showing(below.leaf(tmp_path / "half.pem", whole=False)) as port:
        assert "does not send the whole chain" in look(nginx, port).message


def test_a_plain_port_speaks_no_tls(nginx: Nginx, http_target: HttpTarget) -> None:
    assert look(nginx, http_target.port).message == "no TLS is spoken on that port"
    with showing(None) as port:
        assert look(nginx, port).message == "the server closed the connection during the TLS handshake"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"220 mail.example ESMTP\r\n", "the server does not answer in HTTP"),
        (b"HTTP/9.9 200 OK\r\n\r\n", "the server answers in an unknown version of HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n", "the server's answer breaks the rules of HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "the body's chunks are broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nzz", "the body is not in the encoding its headers name"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 400_000 + b"\r\n\r\n", "the headers are larger than can be read"),
    ],
)
def test_what_breaks_the_rules_is_told(answer: bytes, said: str) -> None:
    with showing(None, ((b"\r\n\r\n", answer),)) as port:
        seen = run("http", {"url": f"http://127.0.0.1:{port}/", "timeout": 3})
    assert (seen.status, seen.message) == ("critical", said)


def test_the_days_left_are_a_value_and_few_of_them_a_warning(nginx: Nginx) -> None:
    seen = look(nginx, certificate_days=30)
    assert seen.status == "ok"
    days = seen.values["certificate_days"]
    assert days and 89 < days <= 90
    assert "the certificate ends in" in look(nginx, certificate_days=100).message


def test_days_of_a_certificate_that_was_not_shown_are_no_success(nginx: Nginx) -> None:
    seen = run("http", {"url": f"http://127.0.0.1:{nginx.plain}/", "certificate_days": 10})
    assert (seen.status, seen.message) == ("critical", "no certificate was shown: the answer came without TLS")


@pytest.fixture
def identity(nginx: Nginx, tmp_path: Path) -> dict[str, str]:
    """A client certificate and its key, as two texts."""
    key, begin, certificate = (
        nginx.authority.leaf(tmp_path / "client.pem", ("watchman",)).read_text().partition("-----BEGIN CERTIFICATE")
    )
    return {"client_certificate": begin + certificate, "client_key": key}


def test_a_client_certificate_opens_the_door(nginx: Nginx, identity: dict[str, str]) -> None:
    seen = look(nginx, nginx.asking, **identity, json={"client": "CN=watchman"})
    assert seen.status == "ok", seen.message
    together = "".join(identity.values())
    assert look(nginx, nginx.asking, client_certificate=together).status == "ok"
    assert look(nginx, nginx.asking).message == "HTTP 400, expected 200-299"


def test_an_encrypted_key_opens_with_its_password(nginx: Nginx, identity: dict[str, str]) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(identity["client_key"].encode(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"opened")
    ).decode()
    identity["client_key"] = encrypted
    assert look(nginx, nginx.asking, **identity, client_key_password="opened").status == "ok"
    for password, said in (("wrong", "cannot be read with this password"), (None, "the key is encrypted")):
        given = identity | ({"client_key_password": password} if password else {})
        (fault,) = check_config("http", {"url": "https://a.example/", **given})
        assert fault.pointer == "/client_key_password" and said in fault.message


@pytest.mark.parametrize(
    ("change", "pointer", "named"),
    [
        ({"client_certificate": "nonsense"}, "/client_certificate", "not a certificate in PEM"),
        ({"client_key": "nonsense"}, "/client_key", "not a private key in PEM"),
        ({"client_certificate": None}, "/client_key", "no client_certificate"),
        ({"client_key": None}, "/client_certificate", "not a private key in PEM"),
        ({"ca": "nonsense"}, "/ca", "not a certificate in PEM"),
    ],
)
def test_what_is_no_identity_is_refused_when_it_is_read(
    identity: dict[str, str], change: dict[str, Any], pointer: str, named: str
) -> None:
    config = {key: value for key, value in ({"url": "https://a.example/"} | identity | change).items() if value}
    (fault,) = check_config("http", config)
    assert fault.pointer == pointer and named in fault.message
    assert "nonsense" not in fault.message and "PRIVATE" not in fault.message.replace("BEGIN PRIVATE KEY", "")


def test_a_key_of_another_certificate_is_refused(nginx: Nginx, identity: dict[str, str], tmp_path: Path) -> None:
    other = nginx.authority.leaf(tmp_path / "other.pem").read_text()
    (fault,) = check_config("http", {"url": "https://a.example/", **identity, "client_key": other})
    assert (fault.pointer, fault.message) == ("/client_key", "the key belongs to another certificate")


def test_a_client_certificate_of_strangers_is_told(nginx: Nginx, tmp_path: Path) -> None:
    stranger = authority("Stranger").leaf(tmp_path / "stranger.pem").read_text()
    assert look(nginx, nginx.asking, client_certificate=stranger).status == "critical"
