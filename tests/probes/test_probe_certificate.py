"""Kind `certificate`: sound, ending, ended, early, strange and misnamed certificates, with TLS at once or asked for."""

import datetime
import os
import pwd
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from probes import Observation, find
from probes._machinery.questions import TlsRequest
from probes._machinery.runner import check_config, run
from tests.servers.http_target import HttpTarget
from tests.servers.postgres import PostgresPair
from tests.servers.smtp import SmtpServer, running
from tests.servers.tls import Authority, authority, showing
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def root() -> Authority:
    return authority()


def look(port: int, root: Authority | None = None, **config: object) -> Observation:
    trusted = {"ca": root.pem} if root else {}
    return run("certificate", {"host": "127.0.0.1", "port": port, "timeout": 3, **trusted, **config})


def test_a_sound_certificate_is_ok_and_tells_its_days(tmp_path: Path, root: Authority) -> None:
    with showing(root.leaf(tmp_path / "pem", ("127.0.0.1", "www.example.test"), days=90)) as port:
        seen = look(port, root)
    assert seen.status == "ok", seen.message
    day = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=90)).date().isoformat()
    said = f"the certificate ends in 90.0 days ({day}); for www.example.test, 127.0.0.1, issued by Test Root"
    assert seen.message == said
    days, handshake = seen.values["certificate_days"], seen.values["tls_seconds"]
    assert days and 89.9 < days <= 90
    assert handshake and handshake > 0
    assert seen.facts["names"] == ["www.example.test", "127.0.0.1"]
    assert (seen.facts["subject"], seen.facts["issuer"]) == ("127.0.0.1", "Test Root")
    assert seen.facts["not_after"].startswith(day) and seen.facts["protocol"] == "TLSv1.3"


def test_an_ending_certificate_is_a_warning_then_critical(tmp_path: Path, root: Authority) -> None:
    with showing(root.leaf(tmp_path / "pem", days=10)) as port:
        default = look(port, root)
        assert default.status == "warning"
        assert default.message.startswith("the certificate ends in 10.0 days (")
        assert "), expected at least 14; for 127.0.0.1, issued by Test Root" in default.message
        assert look(port, root, days=5).status == "ok"
        critical = look(port, root, days=30, critical_days=20)
        assert critical.status == "critical" and "expected at least 20" in critical.message


def test_an_ended_certificate_is_critical_and_says_since_when(tmp_path: Path, root: Authority) -> None:
    with showing(root.leaf(tmp_path / "pem", days=-3, begins=-30)) as port:
        seen = look(port, root)
        assert seen.status == "critical"
        assert seen.message.startswith("the certificate expired 3.0 days ago (")
        days = seen.values["certificate_days"]
        assert days and -3.1 < days <= -3.0
        assert look(port, root, verify=False).status == "critical"


def test_a_certificate_of_the_future_is_critical(tmp_path: Path, root: Authority) -> None:
    with showing(root.leaf(tmp_path / "pem", begins=2, days=90)) as port:
        seen = look(port, root)
    assert seen.status == "critical"
    assert seen.message.startswith("the certificate is not valid before 20")
    assert seen.values["certificate_days"]


def test_a_certificate_of_a_stranger_is_critical_and_read_all_the_same(tmp_path: Path, root: Authority) -> None:
    with showing(root.leaf(tmp_path / "pem")) as port:
        strange = look(port, authority("Another Root"))
        assert strange.status == "critical"
        assert "signed by nobody this machine trusts" in strange.message
        assert strange.message.endswith("issued by Test Root; 90.0 days left")
        assert strange.values["certificate_days"]
        by_default = look(port)
        assert by_default.status == "critical"
        assert look(port, verify=False).status == "ok"


def test_a_chain_is_followed_and_told_where_it_is_not_whole(tmp_path: Path, root: Authority) -> None:
    between = root.below("Between")
    with showing(between.leaf(tmp_path / "whole")) as port:
        assert look(port, root).status == "ok"
        assert look(port, root, issuer="between").status == "ok"
        other = look(port, root, issuer="Let's")
        assert (other.status, other.message) == ("critical", "issued by Between, expected Let's")
    with showing(between.leaf(tmp_path / "part", whole=False)) as port:
        part = look(port, root)
        assert part.status == "critical" and "the server does not send the whole chain" in part.message
    with showing(root.below("Ended", days=-1).leaf(tmp_path / "ended")) as port:
        ended = look(port, root)
        assert ended.status == "critical"
        assert ended.message.startswith("a certificate of its chain has expired; for 127.0.0.1, issued by Ended")


def test_a_certificate_for_another_name_is_critical_and_names_both(tmp_path: Path, root: Authority) -> None:
    with showing(root.leaf(tmp_path / "pem", ("www.example.test", "*.api.example.test"))) as port:
        wrong = look(port, root)
        assert wrong.status == "critical"
        names = "www.example.test, *.api.example.test"
        assert wrong.message == f"the certificate is for {names}, not for 127.0.0.1; 90.0 days left"
        assert look(port, root, server_name="v1.api.example.test").status == "ok"
        assert look(port, root, server_name="example.test").status == "critical"


def test_the_servers_own_certificate_may_be_what_is_trusted(tmp_path: Path) -> None:
    alone = authority("alone")
    pem = alone.leaf(tmp_path / "pem")
    leaf = pem.read_text()[pem.read_text().index("-----BEGIN CERTIFICATE") :]
    with showing(pem) as port:
        assert look(port, ca=leaf).status == "ok"


def test_ports_without_tls_and_without_anybody_are_told(http_target: HttpTarget, silent_port: int) -> None:
    plain = look(http_target.port)
    assert (plain.status, plain.message) == ("critical", "no TLS is spoken on that port")
    assert plain.values["certificate_days"] is None
    gone = look(1)
    assert (gone.status, gone.message) == ("critical", "connection refused by 127.0.0.1:1")
    began = time.monotonic()
    mute = look(silent_port, timeout=0.4)
    assert mute.message == "the TLS handshake was not done within 0.4 s"
    assert time.monotonic() - began < 5
    with showing(None) as port:
        assert look(port).message in (
            "the server closed the connection during the TLS handshake",
            "the TLS handshake broke off: the other side reset it",
        )


def test_a_mail_server_is_asked_to_go_over_to_tls(tmp_path: Path, root: Authority, smtp_server: SmtpServer) -> None:
    with running(certificate=root.leaf(tmp_path / "pem", days=20)) as server:
        seen = look(server.port, root, starttls="smtp")
        assert seen.status == "ok", seen.message
        assert look(server.port, root, starttls="smtp", days=30).status == "warning"
        assert look(server.port, starttls="smtp").values["certificate_days"]
    without = look(smtp_server.port, starttls="smtp")
    assert without.status == "critical"
    assert without.message.startswith("the server does not go over to TLS: it answered ")


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ("imap", [(b"", b"* OK [CAPABILITY IMAP4rev1] ready\r\n"), (b"STARTTLS\r\n", b"* a word\r\na OK begin\r\n")]),
        ("pop3", [(b"", b"+OK ready\r\n"), (b"STLS\r\n", b"+OK begin\r\n")]),
    ],
)
def test_mailboxes_are_asked_too(
    tmp_path: Path, root: Authority, protocol: str, words: list[tuple[bytes, bytes]]
) -> None:
    with showing(root.leaf(tmp_path / "pem"), words) as port:
        assert look(port, root, starttls=protocol).status == "ok"
    refusal = words[1][1].replace(b"OK", b"NO" if protocol == "imap" else b"ERR")
    with showing(None, [words[0], (words[1][0], refusal)]) as port:
        refused = look(port, root, starttls=protocol)
        assert refused.status == "critical"
        assert "the server does not go over to TLS: it answered " in refused.message
    with showing(None, [(b"", b"half a gre")]) as port:
        broken = look(port, starttls=protocol)
        assert broken.message == 'the server closed the connection before TLS began after "half a gre"'


@pytest.fixture
def postgres_with_tls(postgres_pair: PostgresPair, root: Authority) -> Iterator[int]:
    primary = postgres_pair.primary
    pem = root.leaf(primary.data / "server.crt", days=40)
    key = primary.data / "server.key"
    key.write_bytes(pem.read_bytes())
    for path in (pem, key):
        path.chmod(0o600)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    primary.sql("ALTER SYSTEM SET ssl = on")
    primary.sql("SELECT pg_reload_conf()")
    wait_until(lambda: primary.sql("SHOW ssl") == [("on",)], 10, "PostgreSQL to take its certificate")
    yield primary.port
    primary.sql("ALTER SYSTEM RESET ssl")
    primary.sql("SELECT pg_reload_conf()")
    wait_until(lambda: primary.sql("SHOW ssl") == [("off",)], 10, "PostgreSQL to let it go")


def test_postgresql_is_asked_to_go_over_to_tls(postgres_with_tls: int, root: Authority) -> None:
    seen = look(postgres_with_tls, root, starttls="postgres")
    assert seen.status == "ok", seen.message
    assert seen.message.startswith("the certificate ends in 40.0 days")


def test_postgresql_without_tls_is_told(postgres_pair: PostgresPair) -> None:
    seen = look(postgres_pair.primary.port, starttls="postgres")
    assert (seen.status, seen.message) == ("critical", 'the server does not go over to TLS: it answered "N"')


@pytest.mark.parametrize(
    ("config", "pointer", "named"),
    [
        ({}, "", "host"),
        ({"host": "https://a.example"}, "/host", "not a host"),
        ({"host": "169.254.169.254"}, "/host", "may not be probed"),
        ({"host": "a.example", "starttls": "ftp"}, "/starttls", "ftp"),
        ({"host": "a.example", "days": 7, "critical_days": 10}, "/critical_days", "more than days"),
        ({"host": "a.example", "ca": "-----BEGIN"}, "/ca", "not a certificate in PEM"),
        ({"host": "a.example", "day": 7}, "", "'day'"),
    ],
)
def test_a_faulty_configuration_is_named(config: dict[str, object], pointer: str, named: str) -> None:
    faults = check_config("certificate", config)
    assert any(fault.pointer == pointer and named in fault.message for fault in faults), faults
    assert run("certificate", config).status == "unknown"


@pytest.mark.parametrize(("config", "port"), [({}, 443), ({"starttls": "pop3"}, 110), ({"port": 8443}, 8443)])
def test_the_port_is_443_or_the_protocols_own(config: dict[str, object], port: int) -> None:
    asked = next(find("certificate")({"host": "a.example", **config}, 0.0, None))
    assert isinstance(asked, TlsRequest) and asked.port == port
