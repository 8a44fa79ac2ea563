"""Wake-ups: news from another process is heard at once, and a listener outlives what it listens to."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alerting.store import database, events, wakeup
from alerting.store.database import transaction
from alerting.store.events import NewEvent
from alerting.store.wakeup import Listener, PostgresListener, RedisListener, SqliteListener
from tests.alerting import racing
from tests.databases import opened
from tests.waiting import wait_until

LONG = 20.0  # seconds: a wait that was woken takes nowhere near as long


@pytest.fixture
def listener(store: str) -> Iterator[Listener]:
    with closing(wakeup.listener()) as heard:
        assert heard.wait(LONG), "whoever connects is told to read the log"
        yield heard


def append() -> None:
    with transaction():
        events.append([NewEvent("task_status", {})], 1.0)


def woken(listener: Listener) -> float:
    """Seconds until news was heard."""
    began = time.monotonic()
    assert listener.wait(LONG)
    return time.monotonic() - began


def quiet(listener: Listener) -> None:
    """Until a wait hears nothing: what was announced before is then behind us."""
    wait_until(lambda: not listener.wait(0.2), LONG, "the listener to hear nothing")


def test_each_database_has_its_listener(store: str) -> None:
    expected = SqliteListener if store.startswith("sqlite") else PostgresListener
    assert isinstance(wakeup.listener(), expected)
    assert isinstance(wakeup.listener("redis://127.0.0.1:1/0"), RedisListener)


def test_without_news_a_wait_ends_in_its_time(listener: Listener) -> None:
    quiet(listener)
    began = time.monotonic()
    assert not listener.wait(0.3)
    assert 0.25 <= time.monotonic() - began < 5


def test_news_of_another_process_is_heard_at_once(store: str, listener: Listener) -> None:
    quiet(listener)
    process = racing.start(racing.append_events, store, 0.0, 1, 1)
    try:
        assert woken(listener) < LONG / 2
    finally:
        process.join(30)


def test_news_that_came_before_the_wait_is_heard(listener: Listener) -> None:
    quiet(listener)
    append()
    assert woken(listener) < LONG / 2


def test_a_transaction_that_failed_is_no_news(listener: Listener) -> None:
    quiet(listener)
    with pytest.raises(RuntimeError), transaction():
        events.append([NewEvent("task_status", {})], 1.0)
        raise RuntimeError
    assert not listener.wait(0.3)


def test_a_cut_postgresql_connection_is_made_anew(postgres_pair: Any) -> None:
    url = postgres_pair.primary.new_database("heard")
    with opened(url):
        database.migrate()
        with closing(wakeup.listener()) as heard:
            heard.wait(LONG)
            quiet(heard)
            cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'heard'"
            assert postgres_pair.primary.sql(f"{cut} and query like 'listen%'") == [(True,)]
            assert heard.wait(LONG), "a broken listener says that there may be news"
            quiet(heard)
            append()
            assert woken(heard) < LONG / 2


def test_a_postgresql_that_is_away_wakes_often_enough_to_look() -> None:
    with opened("postgresql://vedette@127.0.0.1:1/none"), closing(wakeup.listener()) as heard:
        began = time.monotonic()
        assert heard.wait(0.2)
        assert 0.15 <= time.monotonic() - began < 10


def test_a_sqlite_file_that_cannot_be_read_wakes_often_enough_to_look(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path / 'vedette.db'}"), closing(wakeup.listener()) as heard:
        (tmp_path / "vedette.db").write_bytes(b"this is no database at all, whatever it is called" * 100)
        began = time.monotonic()
        assert heard.wait(0.2)
        assert 0.15 <= time.monotonic() - began < 10


def test_redis_tells_of_news_of_other_machines(redis_url: str) -> None:
    with closing(wakeup.listener(redis_url)) as heard, closing(wakeup.redis_client(redis_url)) as other:
        assert heard.wait(LONG)
        quiet(heard)
        other.publish(wakeup.REDIS_CHANNEL, '{"id": 1}')
        assert woken(heard) < LONG / 2
        assert not heard.wait(0.3)


def test_a_cut_redis_connection_is_made_anew(redis_url: str) -> None:
    with closing(wakeup.listener(redis_url)) as heard, closing(wakeup.redis_client(redis_url)) as other:
        heard.wait(LONG)
        quiet(heard)
        other.client_kill_filter(_type="pubsub")
        assert heard.wait(LONG)
        quiet(heard)
        other.publish(wakeup.REDIS_CHANNEL, "{}")
        assert woken(heard) < LONG / 2


def test_a_redis_that_is_away_wakes_often_enough_to_look() -> None:
    with closing(wakeup.listener("redis://127.0.0.1:1/0")) as heard:
        began = time.monotonic()
        assert heard.wait(0.2)
        assert 0.15 <= time.monotonic() - began < 10
