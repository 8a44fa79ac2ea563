"""The database itself: its tables, its file, its transactions, and what happens when it goes away."""

import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alerting.store import database, events, settings_table
from alerting.store.database import reading, taking_turns, transaction
from alerting.store.events import NewEvent
from tests.alerting import racing
from tests.databases import opened


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'vedette.db'}"


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[str]:
    with opened(sqlite_url):
        database.migrate()
        yield sqlite_url


def put(name: str, value: Any) -> None:
    settings_table.put(name, value)


def got(name: str) -> Any:
    with reading():
        return settings_table.get(name)


def test_migrations_are_applied_once(database_url: str) -> None:
    with opened(database_url):
        pending = database.pending_migrations()
        assert pending
        assert database.migrate() == pending
        assert database.pending_migrations() == []
        assert database.migrate() == []
        assert abs(got("migrated_at") - time.time()) < 60


@pytest.mark.timeout(180)
def test_four_processes_may_migrate_at_once(database_url: str) -> None:
    at = time.time() + 2.0
    applied = racing.race(racing.migrate, [(database_url, at)] * 4, 120.0)
    names = [name for one in applied for name in one]
    assert names
    assert len(names) == len(set(names))


def test_only_the_owner_may_read_the_file_and_what_lies_beside_it(sqlite_store: str, tmp_path: Path) -> None:
    with transaction():
        put("secret_key", "s3cret")
    written = [path for path in tmp_path.glob("vedette.db*") if "lock" not in path.name]
    assert {path.name for path in written} >= {"vedette.db", "vedette.db-wal"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}


def test_a_transaction_that_reads_first_is_a_writer_from_its_beginning(sqlite_store: str) -> None:
    path = sqlite_store.removeprefix("sqlite:///")
    with transaction():
        settings_table.get("anything")
        other = sqlite3.connect(path, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("begin immediate")
        other.close()


def test_all_of_a_transaction_or_nothing(store: str) -> None:
    with pytest.raises(RuntimeError), transaction():
        put("one", 1)
        events.append([NewEvent("task_status", {})], 1.0)
        raise RuntimeError
    assert got("one") is None
    with reading():
        assert events.after(0) == []


def test_a_transaction_within_another_is_part_of_it(store: str) -> None:
    with pytest.raises(RuntimeError), transaction():
        with transaction():
            put("inner", 1)
        put("outer", 2)
        raise RuntimeError
    assert (got("inner"), got("outer")) == (None, None)


def test_what_is_not_committed_is_not_read_by_others(store: str) -> None:
    seen: list[Any] = []
    with transaction():
        put("one", 1)
        reader = threading.Thread(target=lambda: seen.append(got("one")))
        reader.start()
        reader.join(10)
    assert seen == [None]
    assert got("one") == 1


def add_one() -> None:
    for _ in range(25):
        with taking_turns():
            before = settings_table.get("count", 0)
            time.sleep(0.0005)
            put("count", before + 1)


def test_who_takes_turns_loses_no_update(store: str) -> None:
    threads = [threading.Thread(target=add_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got("count") == 150


def test_more_readers_than_connections_wait_for_one(database_url: str) -> None:
    with opened(database_url):
        database.open_database(database_url, connections=3)
        database.migrate()
        barrier, failures = threading.Barrier(12), []

        def read() -> None:
            barrier.wait(10)
            try:
                with reading():
                    settings_table.get("migrated_at")
                    time.sleep(0.02)
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=read) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert failures == []


def test_nobody_is_kept_from_reading_by_a_writer(sqlite_store: str) -> None:
    with transaction():
        put("one", 1)
        began = time.monotonic()
        reader = threading.Thread(target=got, args=("one",))
        reader.start()
        reader.join(10)
        assert time.monotonic() - began < 2


def test_connections_the_server_cut_are_made_anew(postgres_pair: Any) -> None:
    url = postgres_pair.primary.new_database("cut")
    with opened(url):
        database.migrate()
        cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'cut'"
        postgres_pair.primary.sql(cut)
        failures = 0
        for number in range(5):
            try:
                with transaction():
                    put("number", number)
            except database.Unavailable as error:
                failures += 1
                assert "odoo" not in database.describe(error)
        assert failures <= 1
        assert got("number") == 4


def test_a_database_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    with opened("postgresql://vedette:hunter2secret@127.0.0.1:1/none"):
        with pytest.raises(database.Unavailable) as caught, reading():
            pass
        assert "hunter2secret" not in database.describe(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://vedette:hunter2@db.example:6432/watch", "db.example:6432/watch"),
        ("postgres://vedette:hunter2@db.example/watch", "db.example:5432/watch"),
        ("sqlite:////var/lib/vedette.db", "sqlite:////var/lib/vedette.db"),
    ],
)
def test_where_the_database_is_can_be_said_without_its_password(url: str, said: str) -> None:
    assert database.location(url) == said


def test_the_signing_key_is_made_once_and_kept(store: str) -> None:
    made = settings_table.secret_key(None)
    assert len(made) >= 48
    assert settings_table.secret_key(None) == made
    assert settings_table.secret_key("configured") == "configured"
