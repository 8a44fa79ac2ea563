"""No failure of libcurl is told in its own words, in none at all, or with a secret in it."""

import errno

import pycurl
import pytest

from probes._machinery.curl_errors import Failure, in_words
from probes._machinery.tls_errors import certificate_fault, handshake_fault

CLASSES = (
    "denied own config resolver dns refused unreachable timeout tls certificate proxy redirect broken".split()  # noqa: SIM905
)
CODES = sorted({getattr(pycurl, name) for name in dir(pycurl) if name.startswith("E_")} | set(range(1, 110)))
SECRET = "s3cr3t"
TEXTS = (
    "",
    f"Could not do it: https://alice:{SECRET}@a.example/?token={SECRET}",
    f"error:0A000126:SSL routines::{SECRET}-is not a reason\r\nX-Header: {SECRET}",
    f"HTTP/0.9 chunk rejected in response {SECRET}\x1b[31m\n\n",
)


def failure(code: int, text: str = "", **more: object) -> Failure:
    about: dict[str, object] = {
        "errno": 0,
        "refused": False,
        "own_trouble": "",
        "remote": ("192.0.2.1", 443),
        "connected": True,
        "answered": False,
        "url": f"https://alice:{SECRET}@a.example/{SECRET}?token={SECRET}",
        "timeout": 5.0,
    }
    return Failure(code=code, text=text, **(about | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("remote", [(), ("2001:db8::1", 443, 0, 0)])
def test_every_code_has_one_line_of_plain_words(text: str, connected: bool, remote: tuple[object, ...]) -> None:
    for code in CODES:
        for number in (0, errno.ECONNREFUSED, errno.EMFILE, errno.ENETUNREACH, errno.ETIMEDOUT):
            said, error_class = in_words(failure(code, text, connected=connected, remote=remote, errno=number))
            assert said and said.isprintable() and len(said) < 200
            assert SECRET not in said
            assert "curl" not in said.lower() or "libcurl" in said
            assert "error:" not in said and not said.endswith(".")
            assert error_class in CLASSES


@pytest.mark.parametrize(
    ("code", "more", "said", "error_class"),
    [
        (7, {"errno": errno.ECONNREFUSED}, "connection refused by 192.0.2.1:443", "refused"),
        (7, {"errno": errno.ENETUNREACH}, "no connection to 192.0.2.1:443: network is unreachable", "unreachable"),
        (7, {"errno": errno.EADDRNOTAVAIL}, "Vedette could not connect to 192.0.2.1:443", "own"),
        (7, {"proxied": True}, "no connection to the proxy 192.0.2.1:443", "unreachable"),
        (7, {"proxy_status": 407}, "the proxy did not connect us to the target: HTTP 407", "proxy"),
        (28, {"remote": ()}, "name not resolved within 5 s: a.example", "resolver"),
        (28, {"answered": True}, "the answer had not come whole within 5 s", "timeout"),
        (27, {}, "Vedette itself is in trouble: out of memory", "own"),
        (6, {}, "name not found: a.example", "dns"),
        (6, {"own_trouble": "too many open files"}, "Vedette could not open a socket: too many open files", "own"),
        (12345, {}, "the exchange failed in a way nobody foresaw (libcurl's number 12345)", "broken"),
    ],
)
def test_whose_trouble_it_was_is_told(code: int, more: dict[str, object], said: str, error_class: str) -> None:
    words, whose = in_words(failure(code, **more))
    assert words.startswith(said)
    assert whose == error_class


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("error:0A00010B:SSL routines::wrong version number", "no TLS is spoken on that port"),
        ("error:0A000412:SSL routines::ssl/tls alert bad certificate", "does not take the client certificate"),
        ("error:0A00045C:SSL routines::tlsv13 alert certificate required", "asks for a client certificate"),
        ("error:0A000458:SSL routines::tlsv1 unrecognized name", "does not know the name a.example"),
        ("error:0A0000CA:SSL routines::unexpected thing", "the TLS handshake failed: unexpected thing"),
        ("what a stranger sent", "the TLS handshake failed"),
    ],
)
def test_handshakes_are_told_in_words(text: str, said: str) -> None:
    assert handshake_fault(f"TLS connect error: {text}", "a.example").endswith(said)


def test_certificates_are_told_in_words() -> None:
    unknown = certificate_fault("SSL certificate OpenSSL verify result: a new thing (99)", "a.example")
    assert unknown == "the certificate cannot be trusted"
    named = certificate_fault("SSL: no alternative certificate subject name matches target host name 'x'", "a.example")
    assert named == "the certificate is for another name than a.example"
