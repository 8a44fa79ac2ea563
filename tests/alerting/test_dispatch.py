"""The door out, against a strict Slack: what a provider's answer leads to, and that nothing is lost or said in vain."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import pytest

import schemas
from alerting import dispatch, pipeline
from alerting.config import Channel, Config
from alerting.dispatcher import Dispatcher
from alerting.store import channel_states, database, events, outbox
from alerting.store.database import reading, transaction
from alerting.store.models import Attempt, Notification
from alerting.store.outbox import LEASE
from tests.alerting.heart import CONFIG, DOWN, MAIL, NOW, WEBSITE, every_alert, seen
from tests.servers.slack import CUT, SECRET_PATH, Answer, Received, SlackServer, limited, running, silence
from tests.waiting import wait_until

SELF = replace(DOWN, name="Vedette Itself", alert_type="self", kinds=(), notify_channels=())
TROUBLE = [Answer(500, "oops"), Answer(503, "no"), CUT]
REPEATED = "may be repeated"


class Crash(BaseException):
    """The process dies here."""


@dataclass
class Story:
    """An installation with two Slack channels, told in seconds from its beginning."""

    ops: SlackServer
    boss: SlackServer
    config: Config
    at: float = 0.0
    broken: list[str] = field(default_factory=list)

    def look(self, status: str, *names: str) -> None:
        """Look at the websites of these names."""
        found = [seen(f"check/{name}", self.at, status, f"{name} is {status}") for name in names or ("website",)]
        pipeline.ingest(self.config, found, NOW + self.at)

    def deliver(self, at: float | None = None) -> int:
        """Everything that is due at a moment, one message a channel. How many were tried."""
        self.at = self.at if at is None else at
        return dispatch.deliver_due(self.config, "http://here", "me", lambda: NOW + self.at)

    def reload(self, **changed: object) -> None:
        self.config = replace(self.config, **changed)  # type: ignore[arg-type]
        pipeline.reconcile(self.config, NOW + self.at)
        dispatch.refresh(self.config)


def channel(name: str, server: SlackServer, **more: str) -> Channel:
    return Channel(name, "slack", "acme", {"webhook_url": server.url, **more})


@pytest.fixture
def story(store: str) -> Iterator[Story]:
    """Only ops is told of the websites, everybody of Vedette itself."""
    websites = tuple(replace(WEBSITE, subject=f"check/{name}") for name in ("website", "shop", "blog"))
    down = replace(DOWN, notify_channels=("ops",))
    with ExitStack() as stack:
        ops, boss = (stack.enter_context(running()) for _ in range(2))
        channels = (channel("ops", ops), channel("boss", boss))
        yield Story(ops, boss, replace(CONFIG, watches=websites, rules=(down, SELF), channels=channels))


def attempts() -> list[tuple[str, str]]:
    """Every attempt so far: its outcome and reason."""
    with reading():
        return [(row.outcome, row.reason) for row in Attempt.select().order_by(Attempt.id)]


def logged(kind: str) -> list[dict[str, object]]:
    with reading():
        found = [json.loads(event.data) for event in events.after(0) if event.type == kind]
    for data in found:
        assert schemas.faults(f"events/{kind}", data) == []
    return found


def texts(messages: list[Received]) -> list[str]:
    return [message.text for message in messages]


def own_alerts() -> list[tuple[str, str]]:
    return [(alert.subject, alert.status) for alert in every_alert() if alert.alert_type == "self"]


def test_a_yes_is_the_end_of_it(story: Story) -> None:
    story.look("critical")
    assert story.deliver() == 1
    (message,) = story.ops.messages
    assert "HTTP down: website" in message.text
    assert "website is critical" in message.everything
    assert REPEATED not in message.everything
    assert (attempts(), story.deliver(5000)) == ([("delivered", "")], 0)
    (sent,) = logged("notification.sent")
    assert sent == {"channel": "ops", "alert_ids": [every_alert()[0].id], "reason": "triggered"}


def test_a_channel_is_paced(story: Story) -> None:
    story.look("critical", "website", "shop")
    assert [story.deliver(at) for at in (0, 0.9, 1.0)] == [1, 0, 1]


def test_429_waits_exactly_and_what_gathered_is_one_message_naming_all(story: Story) -> None:
    story.ops.answer(limited(30))
    story.look("critical", "website")
    story.deliver()
    story.at = 5
    story.look("critical", "shop", "blog")
    assert [story.deliver(at) for at in (10, 29.9)] == [0, 0]
    assert story.deliver(30) == 1
    (message,) = story.ops.messages
    for name in ("website", "shop", "blog"):
        assert f"HTTP down: {name}" in message.everything
    assert REPEATED not in message.everything
    assert [sent["reason"] for sent in logged("notification.sent")] == ["catch_up"]
    assert story.deliver(1000) == 0


def test_after_a_catch_up_messages_leave_one_by_one_again(story: Story) -> None:
    story.ops.answer(limited(30))
    story.look("critical", "website")
    story.deliver()
    story.deliver(30)
    story.at = 60
    story.look("critical", "shop", "blog")
    assert [story.deliver(at) for at in (60, 61)] == [1, 1]
    assert len(story.ops.messages) == 3


def test_a_catch_up_larger_than_one_message_is_several(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "CATCH_UP", 2)
    names = [f"site-{number}" for number in range(5)]
    story.config = replace(story.config, watches=tuple(replace(WEBSITE, subject=f"check/{name}") for name in names))
    story.ops.answer(limited(30))
    story.look("critical", *names)
    story.deliver()
    for at in (30, 31, 32):
        story.deliver(at)
    assert [len(sent["alert_ids"]) for sent in logged("notification.sent")] == [2, 2, 1]  # type: ignore[arg-type]


def test_a_limited_channel_delays_no_other(story: Story) -> None:
    story.reload(rules=(replace(DOWN, notify_channels=("ops", "boss")), SELF))
    story.ops.answer(limited(30))
    story.look("critical")
    story.deliver()
    assert (len(story.ops.messages), len(story.boss.messages)) == (0, 1)


@pytest.mark.parametrize("answer", TROUBLE, ids=["500", "503", "cut"])
def test_trouble_of_the_provider_backs_off_and_the_repeat_is_marked(story: Story, answer: Answer) -> None:
    story.ops.answer(answer)
    story.look("critical")
    assert story.deliver() == 1
    assert story.deliver(3.9) == 0
    assert story.deliver(6.1) == 1
    (message,) = story.ops.messages
    assert message.text.endswith(f"({REPEATED})")
    assert [outcome for outcome, _ in attempts()] == ["retry", "delivered"]


def test_a_provider_that_took_it_and_said_no_gets_it_twice_and_marked(story: Story) -> None:
    story.ops.answer(Answer(500, "oops", also_accept=True))
    story.look("critical")
    story.deliver()
    story.deliver(10)
    assert [REPEATED in text for text in texts(story.ops.messages)] == [False, True]


def test_a_timeout_is_trouble(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "TIMEOUT", 0.2)
    story.ops.answer(silence(30))
    story.look("critical")
    story.deliver()
    assert attempts() == [("retry", "timeout")]
    story.deliver(10)
    assert REPEATED in story.ops.messages[0].text


def test_a_refused_connection_surely_did_not_arrive(story: Story) -> None:
    with running() as gone:
        nobody = channel("ops", gone)
    story.reload(channels=(nobody, *story.config.channels[1:]))
    story.look("critical")
    story.deliver()
    assert [outcome for outcome, _ in attempts()] == ["retry"]
    story.reload(channels=(channel("ops", story.ops), *story.config.channels[1:]))
    story.deliver(20)
    assert REPEATED not in story.ops.messages[0].everything


def test_the_wait_doubles_to_ten_minutes() -> None:
    for attempt, expected in ((1, 5), (2, 10), (3, 20), (7, 320), (8, 600), (50, 600)):
        waits = [dispatch.backoff(attempt) for _ in range(50)]
        assert expected * 0.8 <= min(waits) <= max(waits) <= expected * 1.2
        assert len(set(waits)) > 1, "channels march in step"


def test_a_refused_form_goes_once_more_as_plain_text(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    story.ops.answer(Answer(400, "invalid_blocks"))
    story.look("critical")
    with caplog.at_level(logging.WARNING, "vedette.delivery"):
        story.deliver()
    assert "field blocks" in caplog.text
    story.deliver(1)
    (message,) = story.ops.messages
    assert set(message.payload) & {"blocks", "attachments"} == set()
    assert "HTTP down: website" in message.text
    assert REPEATED not in message.text
    assert attempts() == [("plain", "invalid_blocks"), ("delivered", "")]


def test_a_plain_form_refused_too_is_the_end(story: Story) -> None:
    story.ops.answer(Answer(400, "invalid_blocks"), Answer(400, "invalid_payload"))
    story.look("critical")
    story.deliver()
    story.deliver(1)
    assert [outcome for outcome, _ in attempts()] == ["plain", "give_up"]
    assert [story.deliver(at) for at in (2, 3)] == [1, 1]  # to the other channel: the message and our own alert
    assert len(story.boss.messages) == 2


@pytest.mark.parametrize(
    "answer", [Answer(404, "no_service"), Answer(410, "channel_is_archived"), Answer(403, "invalid_token")]
)
def test_a_permanent_refusal_breaks_the_channel_and_others_speak(story: Story, answer: Answer) -> None:
    story.ops.answer(answer)
    story.look("critical")
    story.deliver()
    with reading():
        assert set(channel_states.broken()) == {"ops"}
    assert own_alerts() == [("self/channel.ops", "triggered")]
    for at in (1, 2, 3):
        story.deliver(at)
    said = "\n".join(texts(story.boss.messages))
    assert len(story.boss.messages) == 2
    assert "HTTP down: website" in said
    assert "Vedette itself: channel.ops" in said
    assert (len(story.ops.attempts), logged("notification.failed")[0]["channel"]) == (1, "ops")


def break_ops(story: Story) -> None:
    """Ops is broken and boss has been told all there is."""
    story.ops.answer(Answer(404, "no_service"))
    story.look("critical")
    for at in (0, 1, 2):
        story.deliver(at)


def test_a_broken_channel_is_tried_again_after_a_while_and_its_recovery_is_told(story: Story) -> None:
    story.ops.answer(Answer(404, "no_service"), Answer(404, "no_service"))
    story.look("critical")
    for at in (0, 1, 2, 31):
        story.deliver(at)
    assert [story.deliver(at) for at in (32, 300, 630)] == [0, 0, 0]
    assert story.deliver(640) == 1
    assert "HTTP down: website" in "\n".join(texts(story.ops.messages))
    assert own_alerts() == [("self/channel.ops", "resolved")]
    with reading():
        assert channel_states.broken() == {}
    story.deliver(642)
    assert "esolved" in story.boss.messages[-1].text


def test_what_was_refused_may_have_been_one_message_so_another_is_tried_soon(story: Story) -> None:
    break_ops(story)
    assert story.deliver(29) == 0
    assert story.deliver(31) == 1
    assert "channel.ops" in "\n".join(texts(story.ops.messages)), "the message that was refused went first again"
    with reading():
        assert channel_states.broken() == {}
    assert own_alerts() == [("self/channel.ops", "resolved")]


def test_a_provider_that_drips_is_given_up_in_time(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "LONGEST", 0.2)
    story.ops.answer(silence(3.0))
    story.look("critical")
    began = time.monotonic()
    story.deliver()
    assert time.monotonic() - began < 2.0
    assert ("retry", "timeout") in attempts()


def test_a_channel_with_new_settings_speaks_at_once(story: Story) -> None:
    break_ops(story)
    story.at = 10
    story.reload(channels=(channel("ops", story.ops, note="new"), story.config.channels[1]))
    assert story.deliver(10) == 1
    assert len(story.ops.messages) == 1


def test_an_unchanged_configuration_mends_nothing(story: Story) -> None:
    break_ops(story)
    story.at = 10
    story.reload()
    assert story.deliver(10) == 0


def test_whoever_was_told_by_fallback_is_told_the_end(story: Story) -> None:
    break_ops(story)
    told = len(story.boss.messages)
    story.at = 20
    story.look("ok")
    story.deliver(20)
    assert len(story.boss.messages) == told + 1
    assert "HTTP down: website" in story.boss.messages[-1].text


def test_a_fallback_says_nothing_of_what_is_over(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alert is resolved while its trigger is on its way to a channel that will refuse it for good."""
    send = dispatch.channels.find("slack").deliver

    def meanwhile_resolved(*arguments: object, **named: object) -> object:
        if not story.ops.attempts:
            story.at = 1
            story.look("ok")
        return send(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(dispatch.channels.find("slack"), "deliver", meanwhile_resolved)
    story.ops.answer(Answer(404, "no_service"))
    story.look("critical")
    story.deliver()
    with reading():
        waiting = Notification.select().where(Notification.status == "pending")
        assert [row.channel for row in waiting if row.reason == "triggered" and "website" in row.fingerprint] == []


def test_a_crash_before_the_message_left_repeats_it_after_the_lease(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.look("critical")
    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "_compose", crash)
        with pytest.raises(Crash):
            story.deliver()
    assert [story.deliver(at) for at in (1, LEASE - 1)] == [0, 0]
    assert story.deliver(LEASE + 1) == 1
    assert REPEATED in story.ops.messages[0].text


def test_a_crash_after_the_yes_repeats_it_marked_and_never_loses_it(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.look("critical")
    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "_record_success", crash)
        with pytest.raises(Crash):
            story.deliver()
    story.deliver(LEASE + 1)
    assert [REPEATED in text for text in texts(story.ops.messages)] == [False, True]
    assert story.deliver(5000) == 0


def crash(*_: object) -> None:
    raise Crash


def test_a_fault_of_our_own_is_tried_again_and_named_in_the_log(
    story: Story, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    story.look("critical")
    with monkeypatch.context() as patch:
        patch.setattr(dispatch.channels.find("slack"), "deliver", broken)
        story.deliver()
    assert "ZeroDivisionError" in caplog.text
    story.deliver(10)
    assert len(story.ops.messages) == 1


def test_no_database_connection_is_held_while_the_network_answers(story: Story) -> None:
    story.ops.answer(Answer(hold=2.0))
    story.look("critical")
    thread = threading.Thread(target=story.deliver)
    thread.start()
    try:
        wait_until(lambda: story.ops.attempts, 10, "the message to be on its way")
        with transaction():
            pass
        assert not database.database.obj._in_use
        assert thread.is_alive()
    finally:
        thread.join(20)
    assert attempts() == [("delivered", "")]


def test_a_channel_that_is_gone_is_not_written_to_and_back_again_says_the_end(story: Story) -> None:
    whole = story.config.channels
    story.look("critical")
    story.deliver()
    story.reload(channels=whole[1:])
    story.at = 30
    story.look("ok")
    story.deliver(30)
    assert len(story.ops.messages) == 1
    story.reload(channels=whole)
    story.deliver(60)
    assert len(story.ops.messages) == 2
    assert "esolved" in story.ops.messages[-1].text


def test_the_ledger_knows_the_severity_that_was_told(story: Story) -> None:
    """The row was made for a critical alert; it had eased by the time it left, and rises again later."""
    high = replace(DOWN, alert_type="cpu_high", metric_name="cpu_percent", kinds=(), threshold=80.0, severity="warning")
    story.reload(rules=(replace(high, notify_channels=("ops",)),
                        replace(high, notify_channels=("ops",), threshold=95.0, severity="critical")),
                 watches=CONFIG.watches)  # fmt: skip
    for at, percent in ((0, 97.0), (1, 85.0)):
        pipeline.ingest(story.config, [seen("server/prod-1", at, cpu_percent=percent)], NOW + at)
    story.deliver(2)
    pipeline.ingest(story.config, [seen("server/prod-1", 60, cpu_percent=97.0)], NOW + 60)
    story.deliver(61)
    assert len(story.ops.messages) == 2
    assert "Now critical" in story.ops.messages[-1].text


def test_no_secret_is_recorded_or_logged(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    secret = SECRET_PATH.rpartition("/")[2]
    for answer in (Answer(404, f"no {SECRET_PATH}"), Answer(500, SECRET_PATH), CUT, Answer(400, story.ops.url)):
        story.ops.answer(answer)
        story.look("critical")
        for _ in range(3):
            story.deliver(story.at + 700)
    with reading():
        kept = [f"{row.reason} {row.detail}" for row in Attempt.select()]
        kept += [event.data for event in events.after(0)] + [alert.message for alert in every_alert()]
        kept += [state.broken_reason or "" for state in channel_states.broken().values()]
    assert len(kept) > 5
    assert secret not in "\n".join([*kept, caplog.text])


def test_a_partly_refused_message_is_told_and_the_refusal_kept(
    story: Story, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from alerting.channels.outcome import Receipt

    email = dispatch.channels.find("email")
    monkeypatch.setattr(email, "deliver", lambda *_, **__: Receipt("<1@here>", ("gone@acme.example",)))
    story.reload(channels=(MAIL,), rules=(replace(DOWN, notify_channels=("mail",)),))
    story.look("critical")
    story.deliver()
    with reading():
        (attempt,) = Attempt.select()
        (row,) = Notification.select()
    assert (attempt.outcome, row.status) == ("delivered", "delivered")
    assert "gone@acme.example" in attempt.detail
    assert "gone@acme.example" in caplog.text


def test_a_dispatcher_delivers_when_hinted_and_ends_when_told(story: Story) -> None:
    dispatcher = Dispatcher(lambda: story.config, "http://here", "me")
    dispatcher.start()
    try:
        story.at = time.time() - NOW
        story.look("critical")
        dispatcher.hint()
        story.ops.wait_for(1)
        assert dispatcher.alive
    finally:
        dispatcher.stop(5)
    assert not dispatcher.alive


def test_a_dispatcher_does_not_spin_on_what_waits_behind_another(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, tried = [], []
    due_channels, deliver_next = dispatch.due_channels, dispatch.deliver_next

    def looks(config: Config, now: float) -> list[str]:
        looked.append(now)
        return due_channels(config, NOW + 61)

    def tries(*arguments: object) -> bool:
        tried.append(arguments)
        return deliver_next(*arguments)  # type: ignore[arg-type]

    story.look("critical")
    story.deliver()
    story.at = 10
    story.look("ok")
    story.ops.answer(*[Answer(500, "oops")] * 4)
    for at in (10, 17, 30, 60):
        story.deliver(at)
    story.at = 61
    story.look("critical")  # behind the end of the one before, which waits for a minute or so
    with reading():
        assert outbox.oldest_waiting(NOW + 61) is not None
    monkeypatch.setattr(dispatch, "due_channels", looks)
    monkeypatch.setattr(dispatch, "deliver_next", tries)
    dispatcher = Dispatcher(lambda: story.config, "http://here", "me")
    dispatcher.start()
    try:
        wait_until(lambda: len(looked) >= 3, 20, "three looks at the outbox")
    finally:
        dispatcher.stop(5)
    assert tried == []
