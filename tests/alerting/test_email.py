"""Email: one conversation an incident, nothing injected, and every reply of the mail server has its consequence."""

import logging
import socket
import threading
import traceback
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.headerregistry import Address
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from alerting.channels import email
from alerting.channels._email_parts import mail, subject
from alerting.channels._email_session import server_of
from alerting.channels.outcome import DeliveryError, Receipt
from alerting.messages import Message
from tests.alerting.told import AT, cpu, item, message
from tests.servers import smtp
from tests.servers.smtp import PASSWORD, USER, SmtpServer

OPS, DEV = "ops@acme.example", "dev@acme.example"


def settings_for(server: SmtpServer, *to: str, **changes: Any) -> dict[str, Any]:
    """A channel's settings for that server."""
    return {"url": server.url, "from": "Vedette <vedette@acme.example>", "to": list(to or (OPS,)), **changes}


def failing(server_settings: dict[str, Any], told: Message | None = None, **rest: Any) -> DeliveryError:
    """The error of a delivery that must fail."""
    with pytest.raises(DeliveryError) as raised:
        email.deliver(server_settings, told or message(), **rest)
    return raised.value


def test_a_mail_says_everything_twice_as_text_and_as_html(smtp_server: SmtpServer) -> None:
    receipt = email.deliver(settings_for(smtp_server, OPS, DEV), message(cpu()))
    (sent,) = smtp_server.wait_for(1)
    head = sent.message
    assert (sent.sender, sent.recipients) == ("vedette@acme.example", (OPS, DEV))
    assert head["Subject"] == "[WARNING] High CPU on prod-1 (Acme watch)"
    assert (head["From"], head["To"]) == ("Vedette <vedette@acme.example>", f"{OPS}, {DEV}")
    assert head["Auto-Submitted"] == "auto-generated"
    assert head["List-Id"] == "<alerts.vedette.acme.example>"
    assert head["X-Vedette-Fingerprint"] == "cpu_high:prod-1:cpu_percent"
    assert head["Date"].datetime.timestamp() == AT
    assert receipt == Receipt(head["Message-ID"])
    for body in (sent.text, sent.html):
        for part in ("High CPU on prod-1", "over 80 % for 10 minutes", "21 Nov 2026, 04:10 CET", "prod-1", "24"):
            assert part in body
        assert "https://watch.example/alerts/8" in body
    assert sent.ehlo == "acme.example"


def test_plain_means_no_html(smtp_server: SmtpServer) -> None:
    email.deliver(settings_for(smtp_server), message(), plain=True)
    (sent,) = smtp_server.wait_for(1)
    assert sent.html == ""
    assert "HTTP 500 (expected 200)" in sent.text


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (message(), "[CRITICAL] HTTP down: website (Acme watch)"),
        (
            message(item(told="resolved", resolved_at=AT), reason="resolved"),
            "[RESOLVED] HTTP down: website (Acme watch)",
        ),
        (message(reason="drill"), "[TEST] HTTP down: website (Acme watch)"),
        (message(reason="reminder"), "[CRITICAL] HTTP down: website, for 12 minutes now (Acme watch)"),
        (message(item(), cpu()), "[CRITICAL] 2 alerts (1 critical, 1 warning) (Acme watch)"),
        (message(service="\n"), "[CRITICAL] HTTP down: website (Vedette)"),
    ],
)
def test_a_subject_sorts_by_state(told: Message, words: str) -> None:
    assert subject(told) == words


def headers(told: Message, *to: str) -> Any:
    """A mail's headers as a reader of it has them."""
    made = mail(told, Address("", "v", "acme.example"), [Address(addr_spec=one) for one in to or (OPS,)], False, False)
    return message_from_bytes(made.as_bytes(), policy=policy.default)


def test_an_incident_is_one_conversation() -> None:
    first = headers(message(key="a"))
    later = headers(message(item(told="resolved", resolved_at=AT), reason="resolved", key="b", first_in_thread=False))
    assert first["In-Reply-To"] is None
    assert later["In-Reply-To"] == later["References"] == first["Message-ID"]
    assert later["Message-ID"] != first["Message-ID"]


def test_a_repeat_is_the_same_mail_and_another_list_gets_another() -> None:
    for first in (True, False):
        once, again = (headers(message(first_in_thread=first, repeated=repeated)) for repeated in (False, True))
        assert once["Message-ID"] == again["Message-ID"]
        assert headers(message(first_in_thread=first), OPS, DEV)["Message-ID"] != once["Message-ID"]
    assert headers(message(), OPS, DEV)["Message-ID"] == headers(message(), DEV, OPS)["Message-ID"]
    other = headers(message(first_in_thread=False, key="alert-7-escalated-2"))
    assert other["Message-ID"] != headers(message(first_in_thread=False))["Message-ID"]


def test_a_resolve_that_comes_first_is_not_taken_for_the_trigger_that_may_have_arrived() -> None:
    over = message(item(told="resolved", resolved_at=AT), reason="resolved", key="b", first_in_thread=True)
    assert headers(over)["Message-ID"] != headers(message())["Message-ID"]
    assert headers(over)["References"] == headers(message())["Message-ID"]


HOSTILE = 'x\r\nBcc: evil@evil.example\r\n\r\n<script>alert(1)</script> "\u202e é & \x00'


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.links: set[str | None] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links |= {value for name, value in attrs if name in ("href", "src")}
        assert not any(name.startswith("on") for name, _ in attrs)


@settings(max_examples=30, deadline=None)
@given(st.one_of(st.text(), st.just(HOSTILE)), st.one_of(st.text(), st.just(HOSTILE * 50)), st.sampled_from((1, 2, 15)))
def test_nothing_an_alert_says_becomes_a_header_or_a_tag(title: str, words: str, times: int) -> None:
    hostile = item(title=title, message=words, server=words, fingerprint=words)
    read = headers(message(*[hostile] * times, service=title, key=words, thread_key=words, first_in_thread=False))
    assert read["Bcc"] is None
    assert read["To"] == OPS
    # The standard library may add a space where words beyond ASCII meet a quote; nothing else may differ.
    told = subject(message(*[hostile] * times, service=title))
    assert read["Subject"].replace(" ", "") == told.replace(" ", "")
    assert not read.defects
    tags = _Tags()
    tags.feed(read.get_body(("html",)).get_content())
    assert "script" not in tags.seen
    assert tags.links <= {"https://watch.example/alerts/7", "https://watch.example/monitoring"}


@pytest.mark.parametrize("name", ["caffè", "größe-über-alles " * 6, "日本語のサーバー", "🚀 rocket", "a, b; <c>"])
def test_a_subject_arrives_as_it_was_written(name: str) -> None:
    told = message(item(title=f"HTTP down: {name}"), service="Wächter")
    assert headers(told)["Subject"] == subject(told)


def test_lines_and_size_are_within_what_mail_programs_show() -> None:
    made = mail(
        message(*[item()] * 100), Address("", "v", "a.example"), [Address(addr_spec=OPS)], False, False
    ).as_bytes()
    assert max(len(line) for line in made.split(b"\r\n")) <= 998
    assert len(made) < 100_000


def test_many_are_named_in_both_parts() -> None:
    read = headers(message(*[item(title=f"HTTP down: site-{number}") for number in range(100)]))
    for kind in ("plain", "html"):
        body = read.get_body((kind,)).get_content()
        assert all(f"HTTP down: site-{number}" in body for number in range(100))


@pytest.mark.parametrize(
    "address",
    ["a@b.example, evil@x.example", "a@b.example\nBcc: evil@x.example", "nobody", "", "a b@c.example", "a@b@c.example"],
)
def test_an_address_that_is_not_one_stops_the_mail(smtp_server: SmtpServer, address: str) -> None:
    error = failing(settings_for(smtp_server, OPS, address))
    assert (error.action, error.reason, error.field) == ("give_up", "invalid_address", "to")
    assert not smtp_server.mails
    assert failing(settings_for(smtp_server, **{"from": f"x <{address}>"})).action == "give_up"


def test_without_a_server_or_a_sender_it_says_what_is_missing(smtp_server: SmtpServer) -> None:
    for key, variable in (("url", "SMTP_URL"), ("from", "MAIL_FROM")):
        error = failing(settings_for(smtp_server, **{key: None}))
        assert (error.action, error.reason) == ("give_up", "not_configured")
        assert variable in error.message
    assert failing(settings_for(smtp_server, url="http://x")).reason == "invalid_address"
    assert failing(settings_for(smtp_server, url="smtp://[::1")).reason == "invalid_address"


def test_some_recipients_refused_is_delivered_and_tells_which(smtp_server: SmtpServer) -> None:
    smtp_server.replies[DEV] = "550 5.1.1 no such user"
    receipt = email.deliver(settings_for(smtp_server, OPS, DEV, OPS), message())
    assert receipt.refused == (DEV,)
    assert smtp_server.wait_for(1)[0].recipients == (OPS,)


@pytest.mark.parametrize(
    ("replies", "action", "reason"),
    [
        ({OPS: "550 5.1.1 no such user", DEV: "553 no"}, "give_up", "recipient_refused"),
        ({OPS: "550 5.1.1 no such user", DEV: "450 4.2.1 later"}, "retry", "recipient_refused"),
        ({OPS: "451 4.7.1 greylisted", DEV: "451 4.7.1 greylisted"}, "retry", "recipient_refused"),
        ({"MAIL": "550 5.7.1 not you"}, "give_up", "smtp_550"),
        ({"MAIL": "421 4.3.2 closing"}, "retry", "smtp_421"),
        ({"DATA": "451 4.3.0 disk"}, "retry", "smtp_451"),
        ({"DATA": "554 5.6.0 looks like spam"}, "plain", "smtp_554"),
    ],
)
def test_every_reply_has_its_consequence(
    smtp_server: SmtpServer, replies: dict[str, str], action: str, reason: str
) -> None:
    smtp_server.replies = replies
    error = failing(settings_for(smtp_server, OPS, DEV))
    assert (error.action, error.reason, error.arrived) == (action, reason, "no")


def test_content_refused_as_plain_text_is_the_end(smtp_server: SmtpServer) -> None:
    smtp_server.replies = {"DATA": "554 5.6.0 looks like spam"}
    assert failing(settings_for(smtp_server), plain=True).action == "give_up"


@pytest.mark.parametrize(("stage", "arrived"), [("MAIL", "no"), ("RCPT", "no"), ("DATA", "unknown")])
def test_a_cut_connection_says_how_far_things_came(smtp_server: SmtpServer, stage: str, arrived: str) -> None:
    smtp_server.cut = stage
    error = failing(settings_for(smtp_server))
    assert (error.action, error.reason, error.arrived) == ("retry", "connection", arrived)


def test_no_answer_to_a_mail_handed_over_means_nobody_knows(smtp_server: SmtpServer) -> None:
    smtp_server.hold = 30.0
    error = failing(settings_for(smtp_server), timeout=0.3)
    assert (error.action, error.reason, error.arrived) == ("retry", "timeout", "unknown")
    assert len(smtp_server.mails) == 1


def test_nobody_listening_means_nobody_was_told(smtp_server: SmtpServer) -> None:
    error = failing(settings_for(smtp_server, url="smtp://127.0.0.1:1"))
    assert (error.action, error.reason, error.arrived) == ("retry", "connection_refused", "no")


@pytest.fixture
def mute() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held: list[socket.socket] = []
        thread = threading.Thread(target=lambda: held.append(listening.accept()[0]))
        thread.start()
        yield f"smtp://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()
        for connection in held:
            connection.close()


def test_a_server_that_says_nothing_is_left_in_time(mute: str, smtp_server: SmtpServer) -> None:
    error = failing(settings_for(smtp_server, url=mute), timeout=0.3)
    assert (error.action, error.reason, error.arrived) == ("retry", "timeout", "no")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return smtp.make_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


def test_starttls_and_a_password(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with smtp.running(auth=True, certificate=certificate) as server:
        for query in ("?starttls=1", ""):  # asked for, and taken up where there is a password to protect
            email.deliver(settings_for(server, url=server.login_url + query), message())
        assert [(sent.tls, sent.user) for sent in server.wait_for(2)] == [(True, USER)] * 2


def test_tls_from_the_first_byte(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with smtp.running(auth=True, certificate=certificate, wrapped=True) as server:
        email.deliver(settings_for(server, url=server.login_url.replace("smtp:", "smtps:")), message())
        assert server.wait_for(1)[0].tls


def test_a_certificate_nobody_vouches_for_is_refused(certificate: Path) -> None:
    with smtp.running(auth=True, certificate=certificate) as server:
        error = failing(settings_for(server, url=server.login_url + "?starttls=1"))
        assert (error.action, error.reason, error.arrived) == ("retry", "tls", "no")
        assert not server.mails


def test_starttls_asked_for_and_not_offered_sends_nothing(smtp_server: SmtpServer) -> None:
    error = failing(settings_for(smtp_server, url=smtp_server.url + "?starttls=1"))
    assert (error.action, error.reason) == ("give_up", "starttls_unavailable")
    assert not smtp_server.mails


def test_no_secret_is_in_an_error_or_a_log(caplog: pytest.LogCaptureFixture, certificate: Path) -> None:
    caplog.set_level(logging.DEBUG, "vedette")
    with smtp.running(auth=True) as server:
        wrong = server.login_url.replace(PASSWORD, "planted-Wrong-77aa")
        bad = [
            wrong,
            server.url,
            wrong.replace("planted-Wrong-77aa", "planted-é-77aa"),
            "smtp://u:planted-77aa@127.0.0.1:1",
        ]
        errors = [failing(settings_for(server, url=url)) for url in bad]
        server.replies["MAIL"] = f"550 echo {PASSWORD}"
        errors.append(failing(settings_for(server, url=server.login_url)))
    assert [error.reason for error in errors] == [
        "auth_failed",
        "smtp_530",
        "auth_failed",
        "connection_refused",
        "smtp_550",
    ]
    for error in errors:
        told = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)) + caplog.text
        assert "planted" not in told
    assert "planted" not in repr(server_of(wrong))


def test_addresses_beyond_ascii_are_written_where_the_server_can(smtp_server: SmtpServer) -> None:
    receipt = email.deliver(settings_for(smtp_server, "ops@bücher.example", "josé@acme.example"), message())
    assert receipt.refused == ("josé@acme.example",)
    assert smtp_server.wait_for(1)[0].recipients == ("ops@xn--bcher-kva.example",)
    with smtp.running(utf8=True) as server:
        email.deliver(settings_for(server, "josé@acme.example", **{"from": "Wächter <v@acme.example>"}), message())
        (sent,) = server.wait_for(1)
        assert sent.recipients == ("josé@acme.example",)
        assert sent.message["From"].addresses[0].display_name == "Wächter"
    error = failing(settings_for(smtp_server, "josé@acme.example"))
    assert (error.action, error.reason) == ("give_up", "recipient_refused")


def test_its_settings_have_a_schema() -> None:
    good = {"to": [OPS], "url": "smtp://u:p@host:587?starttls=1", "from": "Vedette <v@acme.example>"}
    assert not schemas.faults("channels/email", good)
    assert not schemas.faults("channels/email", {"to": [OPS]})
    for bad in (
        {},
        {"to": []},
        {"to": ["a@b, c@d"]},
        {**good, "url": "http://x"},
        {**good, "from": "me"},
        {**good, "cc": []},
    ):
        assert schemas.faults("channels/email", bad)
