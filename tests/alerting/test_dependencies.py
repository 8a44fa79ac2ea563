"""Dependencies: while a parent is in trouble its children's triggers are not told; their ends always are."""

from dataclasses import replace

import pytest

from alerting import dispatch, pipeline
from alerting.channels.outcome import Receipt
from alerting.config import Channel, Config, Organization, Rule, Watch
from alerting.messages import Message
from probes import Observation

SERVER, SITE = "server/prod-1", "check/web"
CONFIG = Config(
    organizations=(Organization("acme", "Acme"),),
    watches=(
        Watch(SERVER, "netdata", "acme", 30.0, {}, server="prod-1"),
        Watch(SITE, "http", "acme", 10.0, {}, server="prod-1", parents=(SERVER,)),
    ),
    rules=(
        Rule("HTTP down", "http_down", "critical", "status", ">=", 2, 0, 300, ("ops",), kinds=("http",)),
        Rule("Server down", "server_down", "critical", "status", ">=", 2, 0, 300, ("ops",)),
    ),
    channels=(Channel("ops", "slack", "acme", {}),),
)
Told = list[tuple[str, str]]


@pytest.fixture
def told(store: str, monkeypatch: pytest.MonkeyPatch) -> Told:
    """(fingerprint, state) of every alert in every message, in order."""
    heard: Told = []

    class Provider:
        def deliver(self, settings: object, message: Message, *, plain: bool, timeout: float) -> Receipt:
            heard.extend((item.fingerprint, item.told) for item in message.items)
            return Receipt(None)

    monkeypatch.setattr(dispatch.channels, "find", lambda kind: Provider())
    return heard


def observe(subject: str, status: str, at: float) -> None:
    seen = Observation("ok", {}, "", {}, subject, at)
    pipeline.ingest(CONFIG, [replace(seen, status=status)], at)  # type: ignore[arg-type]


def deliver(at: float) -> None:
    dispatch.deliver_due(CONFIG, "http://here", "me", lambda: at)


def test_a_child_waits_one_interval_of_its_parent_and_is_then_told(told: Told) -> None:
    observe(SERVER, "ok", 100)
    observe(SITE, "critical", 110)
    deliver(139)
    assert told == []
    deliver(140)
    assert told == [("http_down:web:status", "triggered")]


def test_the_parent_stands_for_its_child_until_it_is_mended(told: Told) -> None:
    observe(SITE, "critical", 110)
    observe(SERVER, "critical", 120)
    for at in (120, 150, 400):
        deliver(at)
    assert told == [("server_down:prod-1:status", "triggered")]
    observe(SERVER, "ok", 410)
    for at in (411, 413):
        deliver(at)
    assert set(told[1:]) == {("server_down:prod-1:status", "resolved"), ("http_down:web:status", "triggered")}


def test_a_child_mended_before_its_parent_was_never_worth_a_word(told: Told) -> None:
    observe(SITE, "critical", 110)
    observe(SERVER, "critical", 120)
    observe(SITE, "ok", 130)
    observe(SERVER, "ok", 140)
    for at in (150, 200):
        deliver(at)
    assert {fingerprint for fingerprint, _ in told} <= {"server_down:prod-1:status"}


def test_the_end_of_what_was_told_passes_a_troubled_parent(told: Told) -> None:
    observe(SITE, "critical", 110)
    deliver(140)
    observe(SERVER, "critical", 150)
    observe(SITE, "ok", 160)
    for at in (160, 162):
        deliver(at)
    assert ("http_down:web:status", "resolved") in told
