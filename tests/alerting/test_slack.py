"""Slack: what is posted is within Slack's limits whatever an alert says, and every answer has its consequence."""

import json
import logging
import traceback
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from alerting import messages
from alerting.channels import slack
from alerting.channels._slack_payload import fit, payload
from alerting.channels.outcome import DeliveryError
from alerting.messages import Item, Message
from tests.alerting.told import AT, cpu, item, message
from tests.servers.slack import CUT, SECRET_PATH, Answer, Refused, SlackServer, check, limited, silence, unescape

HOSTILE = (
    "<!channel> <@U123> <https://evil.example|click> & && &amp; &lt; *bold* `code` :fire: "
    '"quotes" \\ \u202egpj \x00\x1b[31m'
)


def checked(told: Message, plain: bool = False) -> dict[str, Any]:
    """The payload as the strict server takes it."""
    return check(json.dumps(payload(told, plain)).encode())


def shown(body: dict[str, Any]) -> str:
    """Everything in the blocks, as a person reads it."""
    texts = []
    for block in body["attachments"][0]["blocks"]:
        parts = [block.get("text"), *block.get("fields", []), *block.get("elements", [])]
        texts += [unescape(part["text"]) for part in parts if part]
    return "\n".join(texts)


def told_items() -> st.SearchStrategy[Item]:
    words = st.one_of(st.text(max_size=200), st.text(max_size=40).map(lambda text: text * 200), st.just(HOSTILE * 30))
    names = st.one_of(st.none(), words)
    return st.builds(
        item,
        told=st.sampled_from(("triggered", "resolved")),
        severity=st.sampled_from(("info", "warning", "critical", "odd & <new>")),
        title=words,
        message=words,
        server=names,
        environment=names,
        project=names,
        metric_name=st.one_of(st.sampled_from(("status", "cpu_percent", "lag_bytes")), words),
        metric_value=st.one_of(st.none(), st.floats()),
        operator=st.sampled_from((None, ">", ">=", "~")),
        threshold=st.one_of(st.none(), st.floats()),
        started_at=st.floats(0, AT + 1e6),
        resolved_at=st.one_of(st.none(), st.floats(0, AT + 1e6)),
        occurrences=st.integers(0, 10**9),
        link=st.one_of(st.just("https://watch.example/alerts/1?a=1&b=2"), words),
    )


def told_messages() -> st.SearchStrategy[Message]:
    items = st.lists(told_items(), min_size=1, max_size=12)
    return st.builds(
        lambda chosen, times, **rest: message(*(chosen * times), **rest),
        items,
        st.sampled_from((1, 1, 5, 40)),
        reason=st.sampled_from(("triggered", "resolved", "reminder", "flapping", "catch_up", "drill")),
        service=st.text(max_size=300),
        repeated=st.booleans(),
        link=st.one_of(st.just("https://watch.example/monitoring"), st.text()),
    )


@settings(max_examples=30, deadline=None)
@given(told_messages(), st.booleans())
def test_slack_takes_whatever_an_alert_says(told: Message, plain: bool) -> None:
    body = checked(told, plain)
    assert ("attachments" in body) is not plain
    assert "\n" not in body["text"] or plain


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=100), min_size=2, max_size=100)
)
def test_up_to_a_hundred_alerts_are_all_named(names: list[str]) -> None:
    told = message(*(item(title=messages.alert_title("certificate_expiry", name)) for name in names))
    lines = shown(checked(told))
    for name in names:
        start = messages.alert_title("certificate_expiry", name)[: 21 + min(len(name), 12)]
        assert start.replace("|", "¦") in lines.replace("|", "¦")


def test_a_hundred_alerts_of_long_names_are_named_one_by_one() -> None:
    names = [f"{number:03} " + "&" * 96 for number in range(100)]
    lines = shown(checked(message(*(item(title=name) for name in names))))
    assert all(name[:12] in lines for name in names)


def test_beyond_a_hundred_the_worst_are_named_and_the_rest_counted() -> None:
    crowd = [cpu(title=f"High CPU on the machine called node-{number:04}" + "x" * 40) for number in range(500)]
    lines = shown(checked(message(*crowd, item(title="the one critical"))))
    assert "the one critical" in lines
    named = lines.count("High CPU on")
    assert 80 < named < 500
    assert f"and {501 - named - 1} more" in lines


def test_one_alert_is_told_in_full() -> None:
    body = checked(message(cpu(environment="shop-prod")))
    assert body["text"] == "🟠 Warning: High CPU on prod-1: CPU 97.2 %, over 80 % for 10 minutes"
    (attachment,) = body["attachments"]
    assert attachment["color"] == "#daa038"
    said = shown(body)
    for part in (
        "High CPU on prod-1",
        "CPU 97.2 %, over 80 % for 10 minutes",
        "prod-1",
        "shop-prod",
        "21 Nov 2026, 04:10 CET (10 minutes ago)",
        "Occurrences*\n24",
        "Open the alert",
        "Acme watch",
    ):
        assert part in said
    assert "<https://watch.example/alerts/8|" in json.dumps(body)


@pytest.mark.parametrize(
    ("severity", "told", "colour"),
    [
        ("critical", "triggered", "#a30200"),
        ("warning", "triggered", "#daa038"),
        ("info", "triggered", "#439fe0"),
        ("critical", "resolved", "#2eb886"),
    ],
)
def test_the_colour_tells_the_state(severity: str, told: str, colour: str) -> None:
    body = checked(message(item(severity=severity, told=told, resolved_at=AT)))
    assert body["attachments"][0]["color"] == colour


def test_nobody_is_mentioned_and_nothing_is_a_link_that_is_not_ours() -> None:
    raw = json.dumps(payload(message(item(title=HOSTILE, message=HOSTILE, server=HOSTILE)), plain=False))
    assert "<!" not in raw
    assert "<@" not in raw
    assert "<https://evil" not in raw
    assert "\\u202e" not in raw


@given(st.text(), st.integers(1, 60))
def test_cut_text_is_never_cut_in_an_escape(text: str, limit: int) -> None:
    made = fit(text, limit)
    assert len(made) <= limit
    assert "&" not in made.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    assert not made.endswith("…") or unescape(made)[:-1].rstrip() in messages.one_line(text)


def test_a_repeat_is_marked_wherever_it_is_read() -> None:
    for plain in (False, True):
        assert "(may be repeated)" in checked(message(repeated=True), plain)["text"]
    assert "repeated" in shown(checked(message(repeated=True)))


def test_plain_text_names_every_alert_too() -> None:
    text = unescape(checked(message(*(item(title=f"HTTP down: site-{n}") for n in range(100))), plain=True)["text"])
    assert all(f"HTTP down: site-{n}" in text for n in range(100))


def test_a_message_is_delivered_when_slack_says_ok(slack_server: SlackServer) -> None:
    assert slack.deliver({"webhook_url": slack_server.url}, message()).provider_id is None
    (received,) = slack_server.wait_for(1)
    assert received.text == "🔴 Critical: HTTP down: website: HTTP 500 (expected 200)"


def test_another_host_can_stand_in_for_slack(slack_server: SlackServer) -> None:
    hook = f"https://hooks.slack.com{SECRET_PATH}"
    slack.deliver({"webhook_url": hook, "api_url": f"{slack_server.origin}/api/"}, message())
    assert len(slack_server.messages) == 1


HTML = Answer(200, "<html>Please sign in to the guest network</html>")

TABLE = [
    (limited(30), "wait", "no", "rate_limited", 30.0),
    (Answer(429, "", retry_after="7"), "wait", "no", "http_429", 7.0),
    (Answer(429, ""), "wait", "no", "http_429", None),
    (Answer(503, "", retry_after="12"), "wait", "unknown", "http_503", 12.0),
    (Answer(500, "rollup_error"), "retry", "unknown", "rollup_error", None),
    (Answer(502, "<html>bad gateway</html>"), "retry", "unknown", "http_502", None),
    (HTML, "retry", "unknown", "http_200", None),
    (Answer(200, ""), "retry", "unknown", "http_200", None),
    (Answer(302, "", headers={"Location": "http://127.0.0.1:1/"}), "retry", "no", "http_302", None),
    (CUT, "retry", "unknown", "connection", None),
    (silence(5.0), "retry", "unknown", "timeout", None),
    (Answer(400, "invalid_blocks"), "plain", "no", "invalid_blocks", None),
    (Answer(400, "invalid_attachments"), "plain", "no", "invalid_attachments", None),
    (Answer(400, "msg_blocks_too_long"), "plain", "no", "msg_blocks_too_long", None),
    (Answer(400, "invalid_payload"), "plain", "no", "invalid_payload", None),
    (
        Answer(500, "missing_text_or_fallback_or_attachments"),
        "plain",
        "no",
        "missing_text_or_fallback_or_attachments",
        None,
    ),
    (Answer(400, "invalid_token"), "give_up", "no", "invalid_token", None),
    (Answer(401, ""), "give_up", "no", "http_401", None),
    (Answer(403, "action_prohibited"), "give_up", "no", "action_prohibited", None),
    (Answer(404, "channel_not_found"), "give_up", "no", "channel_not_found", None),
    (Answer(404, "no_service"), "give_up", "no", "no_service", None),
    (Answer(410, "channel_is_archived"), "give_up", "no", "channel_is_archived", None),
    (Answer(200, '{"ok": false, "error": "account_inactive"}'), "give_up", "no", "account_inactive", None),
]


@pytest.mark.parametrize(("answer", "action", "arrived", "reason", "wait"), TABLE, ids=lambda value: str(value)[:40])
def test_every_answer_has_its_consequence(
    slack_server: SlackServer, answer: Answer, action: str, arrived: str, reason: str, wait: float | None
) -> None:
    slack_server.answer(answer)
    with pytest.raises(DeliveryError) as raised:
        slack.deliver({"webhook_url": slack_server.url}, message(), timeout=0.5)
    error = raised.value
    assert (error.action, error.arrived, error.reason, error.retry_after) == (action, arrived, reason, wait)
    assert len(slack_server.attempts) == 1  # never tried again here


def test_a_refused_part_is_named_and_plain_text_refused_is_the_end(slack_server: SlackServer) -> None:
    slack_server.always = Answer(400, "invalid_attachments")
    with pytest.raises(DeliveryError, match="attachments") as raised:
        slack.deliver({"webhook_url": slack_server.url}, message())
    assert raised.value.field == "attachments"
    with pytest.raises(DeliveryError) as raised:
        slack.deliver({"webhook_url": slack_server.url}, message(), plain=True)
    assert raised.value.action == "give_up"


def test_nobody_listening_means_nobody_was_told(slack_server: SlackServer) -> None:
    with pytest.raises(DeliveryError) as raised:
        slack.deliver({"webhook_url": "http://127.0.0.1:1/services/x"}, message())
    assert (raised.value.action, raised.value.arrived, raised.value.reason) == ("retry", "no", "connection_refused")


def test_a_proxy_of_the_environment_is_not_used(slack_server: SlackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    slack.deliver({"webhook_url": slack_server.url}, message())
    assert len(slack_server.messages) == 1


@pytest.mark.parametrize(
    "answer", [Answer(404, "planted-secret"), Answer(500, SECRET_PATH), CUT, HTML, Answer(403, "secret")]
)
def test_the_address_is_in_no_error_and_no_log(
    slack_server: SlackServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], answer: Answer
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("slack_sdk").setLevel(logging.DEBUG)
    slack_server.answer(answer)
    try:
        slack.deliver({"webhook_url": slack_server.url.replace("planted", "secret")}, message())
    except DeliveryError as error:
        told = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    told += caplog.text + "".join(capfd.readouterr())
    for secret in ("T0ACMEXYZ", "B0HOOKXYZ", "8fQ2"):
        assert secret not in told


@pytest.mark.parametrize("address", ["https://hooks.slack.com/ser vices/8fQ2", "ftp://x/8fQ2", "http://[::1/8fQ2"])
def test_an_address_that_is_none_gives_up_without_showing_it(address: str) -> None:
    with pytest.raises(DeliveryError) as raised:
        slack.deliver({"webhook_url": address}, message())
    assert raised.value.action == "give_up"
    assert "8fQ2" not in "".join(traceback.format_exception(raised.value))


def test_its_settings_have_a_schema() -> None:
    good = {"webhook_url": "https://hooks.slack.com/services/T/B/X", "api_url": "http://127.0.0.1:9/"}
    assert not schemas.faults("channels/slack", good)
    for bad in (
        {},
        {"webhook_url": "hooks.slack.com"},
        {**good, "webhok_url": 1},
        {"webhook_url": "https://x.example"},
    ):
        assert schemas.faults("channels/slack", bad)


def block(**fields: Any) -> bytes:
    return json.dumps({"text": "x", "blocks": [{"type": "section", **fields}]}).encode()


def attachment(**fields: Any) -> bytes:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}
    return json.dumps({"text": "x", "attachments": [{"blocks": [section], **fields}]}).encode()


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{", "invalid_payload"),
        (b"{}", "no_text"),
        (b'{"text": "a & b"}', "invalid_payload"),
        (b'{"text": "a <!channel> b"}', "invalid_payload"),
        (b'{"text": "x", "colour": 1}', "invalid_payload"),
        (block(text={"type": "mrkdwn", "text": "x" * 3001}), "invalid_blocks"),
        (block(text={"type": "mrkdwn", "text": ""}), "invalid_blocks"),
        (block(text={"type": "markdown", "text": "x"}), "invalid_blocks"),
        (block(fields=[{"type": "mrkdwn", "text": "x"}] * 11), "invalid_blocks"),
        (block(fields=[{"type": "mrkdwn", "text": "x" * 2001}]), "invalid_blocks"),
        (block(), "invalid_blocks"),
        (attachment(color="a30200"), "invalid_attachments"),
        (attachment(title="with blocks"), "invalid_attachments"),
        (attachment(blocks=[{"type": "divider"}] * 21), "invalid_attachments"),
        (
            attachment(blocks=[{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]),
            "invalid_attachments",
        ),
        (
            attachment(blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}] * 5),
            "msg_blocks_too_long",
        ),
    ],
)
def test_the_server_is_as_strict_as_slack(body: bytes, word: str) -> None:
    with pytest.raises(Refused) as raised:
        check(body)
    assert raised.value.word == word


def test_the_server_limits_to_one_message_a_second(slack_server: SlackServer) -> None:
    slack_server.per_second = True
    slack.deliver({"webhook_url": slack_server.url}, message())
    with pytest.raises(DeliveryError) as raised:
        slack.deliver({"webhook_url": slack_server.url}, message())
    assert (raised.value.action, raised.value.retry_after) == ("wait", 1.0)


def test_an_answer_that_repeats_the_address_is_not_quoted(slack_server: SlackServer) -> None:
    slack_server.answer(Answer(404, "plantedword"))
    with pytest.raises(DeliveryError) as raised:
        slack.deliver({"webhook_url": f"{slack_server.origin}/services/T/B/plantedword"}, message())
    assert raised.value.reason == "http_404"
    assert "plantedword" not in raised.value.message
