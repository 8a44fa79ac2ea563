"""Events on Redis: each committed one, once, in order, in the documented form."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from alerting.announcer import Announcer
from alerting.store import events
from alerting.store.database import transaction
from alerting.store.events import NewEvent
from alerting.store.wakeup import REDIS_CHANNEL, redis_client
from tests.waiting import wait_until


@pytest.fixture
def channel(redis_url: str) -> Iterator[Any]:
    """A foreign program's subscription."""
    with closing(redis_client(redis_url)) as client, closing(client.pubsub(ignore_subscribe_messages=True)) as found:
        found.subscribe(REDIS_CHANNEL)
        found.get_message(timeout=1)
        yield found


def hear(channel: Any, count: int) -> list[Any]:
    found: list[Any] = []

    def enough() -> bool:
        message = channel.get_message(timeout=0.05)
        if message is not None:
            found.append(json.loads(message["data"]))
        return len(found) >= count

    wait_until(enough, 15, f"{count} announcements")
    return found


def commit(*kinds: str) -> list[int]:
    with transaction():
        return events.append([NewEvent(kind, {"alert_id": 1}, "acme") for kind in kinds], 1_000_000.0)


def test_committed_events_are_announced_once_and_in_order(store: str, redis_url: str, channel: Any) -> None:
    commit("check.updated")
    announcer = Announcer(redis_url)
    announcer.start()
    wait_until(lambda: announcer._last is not None, 10, "the announcer to have found its place")
    ids = commit("alert_triggered", "alert_acknowledged") + commit("alert_resolved")
    kinds = ("alert_triggered", "alert_acknowledged", "alert_resolved")
    expected = [
        {"org_id": "acme", "type": kind, "data": {"alert_id": 1}, "id": number}
        for kind, number in zip(kinds, ids, strict=True)
    ]
    try:
        assert hear(channel, 3) == expected
        assert channel.get_message(timeout=0.7) is None
    finally:
        announcer.stop()
        announcer._thread.join(10)


def test_a_redis_that_is_away_costs_nothing_but_a_line(store: str, caplog: pytest.LogCaptureFixture) -> None:
    announcer = Announcer("redis://127.0.0.1:1/0")
    announcer._last = 0
    commit("alert_triggered")
    announcer.start()
    wait_until(lambda: "not announced" in caplog.text, 15, "the line")
    announcer.stop()
    announcer._thread.join(10)
    assert announcer._last == 0, "an event was passed over"
