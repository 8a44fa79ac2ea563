"""Kind `tcp`: ports that answer, say something else, hang or refuse; and none of them in another's way."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from probes import Observation, find
from probes._machinery.connecting import Trouble, connected
from probes._machinery.runner import Runner, check_config, run
from tests.servers.http_target import HttpTarget, make_certificate, tls_target
from tests.servers.smtp import SmtpServer


def look(port: int, **config: object) -> Observation:
    return run("tcp", {"host": "127.0.0.1", "port": port, "timeout": 3, **config})


@contextmanager
def saying(*pieces: bytes) -> Iterator[int]:
    """A port that says these, one by one, and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            caller, _ = listener.accept()
            with caller:
                for piece in pieces:
                    caller.sendall(piece)
                    time.sleep(0.05)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_a_port_that_takes_connections_is_ok_with_its_times(smtp_server: SmtpServer) -> None:
    seen = look(smtp_server.port)
    assert seen.status == "ok", seen.message
    assert seen.message.startswith("connected in 0.")
    total, connected = seen.values["total_seconds"], seen.values["connect_seconds"]
    assert total and connected and 0 < connected < total < 1
    assert seen.values["dns_seconds"] is not None
    assert seen.values["tls_seconds"] is None and seen.values["first_byte_seconds"] is None


def test_what_the_server_says_first_is_held_to_what_is_expected(smtp_server: SmtpServer) -> None:
    seen = look(smtp_server.port, expect="220 ")
    assert seen.status == "ok", seen.message
    assert seen.message.startswith("answered as expected in 0.")
    first = seen.values["first_byte_seconds"]
    assert first and first > 0
    assert look(smtp_server.port, pattern=r"^220 \w+ test").status == "ok"


def test_what_is_sent_is_answered(redis_url: str) -> None:
    port = urlsplit(redis_url).port or 0
    assert look(port, send="PING\r\n", expect="+PONG").status == "ok"
    assert look(port, send="PING\r\n").status == "ok"
    other = look(port, send="PING\r\n", expect="+PING", timeout=0.5)
    assert other.status == "critical"
    assert other.message == 'the whole answer had not come within 0.5 s; received "+PONG\\r\\n", expected "+PING"'


def test_an_answer_that_comes_in_pieces_is_put_together() -> None:
    with saying(b"220-", b"mail.exam", b"ple ES", b"MTP\r\n") as port:
        assert look(port, expect="mail.example ESMTP").status == "ok"


def test_another_answer_than_expected_is_shown() -> None:
    with saying(b"554 go away\r\n") as port:
        seen = look(port, expect="220 ")
    assert seen.status == "critical"
    assert seen.message == 'the server closed the connection after "554 go away\\r\\n", expected "220 "'
    with saying() as port:
        mute = look(port, pattern="^220")
    assert mute.message == 'the server closed the connection without a word, expected a match of "^220"'


def test_an_endless_answer_is_read_no_further_than_needed(http_target: HttpTarget) -> None:
    seen = look(http_target.port, send="GET /endless HTTP/1.0\r\n\r\n", expect="never said", timeout=10)
    assert seen.status == "critical"
    assert 'expected "never said" among the first 65536 bytes' in seen.message
    assert "\n" not in seen.message and len(seen.message) < 300


def test_refused_unknown_and_forbidden_are_told_apart() -> None:
    refused = look(1)
    assert (refused.status, refused.message) == ("critical", "connection refused by 127.0.0.1:1")
    assert refused.values["connect_seconds"] is None
    unknown = run("tcp", {"host": "nowhere.invalid", "port": 80})
    assert unknown.status in ("critical", "unknown")  # unknown where this machine has no name server that answers
    assert unknown.message.startswith("the name nowhere.invalid cannot be resolved: ")
    denied = run("tcp", {"host": "localhost", "port": 80}, denied_networks=["127.0.0.0/8", "::1/128"])
    assert denied.status == "unknown" and "may not be probed" in denied.message


def test_a_silent_port_is_told_after_the_timeout(silent_port: int, full_port: int) -> None:
    began = time.monotonic()
    mute = look(silent_port, expect="220", timeout=0.4)
    assert (mute.status, mute.message) == ("critical", 'no answer within 0.4 s, expected "220"')
    dropped = look(full_port, timeout=0.4)
    assert (dropped.status, dropped.message) == ("critical", f"no connection to 127.0.0.1:{full_port} within 0.4 s")
    assert 0.7 < time.monotonic() - began < 5


def test_the_second_address_is_tried_when_the_first_refuses_or_is_silent(full_port: int) -> None:
    async def reached(*places: str, port: int) -> str:
        made = await connected(places, port)
        with made:
            return str(made.getpeername()[0])

    with socket.create_server(("127.0.0.2", full_port)):
        began = time.monotonic()
        assert asyncio.run(reached("127.0.0.1", "127.0.0.2", port=full_port)) == "127.0.0.2"
        assert 0.2 < time.monotonic() - began < 2
    with socket.create_server(("127.0.0.2", 0)) as listener:
        port = listener.getsockname()[1]
        assert asyncio.run(reached("127.0.0.1", "127.0.0.3", "127.0.0.2", port=port)) == "127.0.0.2"
    with pytest.raises(Trouble, match=r"refused by 127\.0\.0\.1:1$"):
        asyncio.run(reached("127.0.0.1", "127.0.0.2", port=1))


def test_slow_is_a_warning(http_target: HttpTarget) -> None:
    asked = "GET /slow?seconds=0.2 HTTP/1.0\r\n\r\n"
    seen = look(http_target.port, send=asked, expect="200 OK", max_seconds=0.1)
    assert seen.status == "warning"
    assert "expected at most 0.1 s" in seen.message


def test_tls_is_spoken_and_its_certificate_held_to_the_name(tmp_path: Path, http_target: HttpTarget) -> None:
    pem = make_certificate(tmp_path, days=20)
    target = tls_target(pem)
    try:
        asked = {"tls": True, "send": "GET /ok HTTP/1.0\r\n\r\n", "expect": "200 OK"}
        sound = look(target.port, **asked, ca=pem.read_text())
        assert sound.status == "ok", sound.message
        assert sound.values["tls_seconds"]
        strange = look(target.port, **asked)
        assert strange.status == "critical"
        assert strange.message == "the certificate is signed by nobody this machine trusts (self-signed)"
        other = look(target.port, **asked, ca=pem.read_text(), server_name="other.test")
        assert other.message == "the certificate is for another name"
    finally:
        target.close()
    plain = look(http_target.port, tls=True)
    assert (plain.status, plain.message) == ("critical", "no TLS is spoken on that port")


def test_hundreds_of_hanging_targets_delay_no_other(silent_port: int, smtp_server: SmtpServer) -> None:
    runner, done = Runner(), {}
    hanging = {"host": "127.0.0.1", "port": silent_port, "expect": "never", "timeout": 20}
    healthy = {"host": "127.0.0.1", "port": smtp_server.port, "expect": "220"}
    try:
        for number in range(200):
            runner.start(find("tcp")(hanging, time.time(), None), number, 60)
        runner.run_once(0.1)
        began = time.monotonic()
        runner.start(find("tcp")(healthy, time.time(), None), "healthy", 60)
        while not done:
            done = dict(runner.run_once(1.0))
        assert done["healthy"].status == "ok", done
        assert time.monotonic() - began < 5
        assert runner.in_flight == 200
    finally:
        runner.close()


# Opens what it may, and then looks at a port that is open.
_NONE_LEFT = """
import resource, sys, time
from probes import find
from probes._machinery.connecting import Trouble, connected
from probes._machinery.runner import Runner
runner, config = Runner(), {"host": "127.0.0.1", "port": int(sys.argv[1])}

def look():
    runner.start(find("tcp")(config, time.time(), None), "one", 10)
    while not (done := runner.run_once(1)):
        pass
    return done[0][1]

assert look().status == "ok"
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(open("/dev/null"))
except OSError:
    seen = look()
print(seen.status, seen.message)
"""


def test_running_out_of_descriptors_is_our_own_trouble(smtp_server: SmtpServer) -> None:
    command = [sys.executable, "-c", _NONE_LEFT, str(smtp_server.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])
    assert done.stdout == "unknown Vedette could not open a socket: too many open files\n", done.stderr


@pytest.mark.parametrize(
    ("config", "pointer", "named"),
    [
        ({"host": "a.example"}, "", "port"),
        ({"host": "a.example", "port": 0}, "/port", "0"),
        ({"host": "a.example", "port": 65536}, "/port", "65536"),
        ({"host": "a.example:80", "port": 80}, "/host", "not a host"),
        ({"host": "https://a.example", "port": 80}, "/host", "not a host"),
        ({"host": "a b", "port": 80}, "/host", "not a host"),
        ({"host": "169.254.169.254", "port": 80}, "/host", "may not be probed"),
        ({"host": "fe80::1", "port": 80}, "/host", "may not be probed"),
        ({"host": "a.example", "port": 80, "banner": "x"}, "", "'banner'"),
        ({"host": "a.example", "port": 80, "pattern": "("}, "/pattern", "not a regular expression"),
        ({"host": "a.example", "port": 80, "pattern": "(?=a)"}, "/pattern", "not a regular expression"),
        ({"host": "a.example", "port": 80, "pattern": "a", "expect": "a"}, "/pattern", "not both"),
        ({"host": "a.example", "port": 80, "ca": "x"}, "/ca", "not a certificate in PEM"),
        ({"host": "a.example", "port": 80, "ca": "ü"}, "/ca", "not a certificate in PEM"),
        ({"host": "a.example", "port": 80, "timeout": "soon"}, "/timeout", "soon"),
    ],
)
def test_a_faulty_configuration_is_named(config: dict[str, object], pointer: str, named: str) -> None:
    faults = check_config("tcp", config)
    assert any(fault.pointer == pointer and named in fault.message for fault in faults), faults
    assert run("tcp", config).status == "unknown"


@pytest.mark.parametrize(
    "host", ["a", "a.example.", "192.0.2.1", "2001:db8::1", "under_score.example", "bücher.example"]
)
def test_hosts_as_they_are_written(host: str) -> None:
    assert check_config("tcp", {"host": host, "port": 80}) == []
