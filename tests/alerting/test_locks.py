"""Row locks, on both databases: one holder, an end, and an event for each change."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import schemas
from alerting.store import events, locks
from alerting.store.database import reading
from tests.databases import database_url, store

__all__ = ["database_url", "store"]

NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _open(store: str) -> Iterator[None]:
    with reading():
        yield


def take(holder: str = "alice", now: float = NOW, organization: str = "acme", key: str = "ID=14") -> Any:
    return locks.acquire(organization, "crm", "customers", key, holder, now)


def told() -> list[str]:
    logged = events.after(0)
    for event in logged:
        assert schemas.faults(f"events/{event.type}", json.loads(event.data)) == []
        assert event.organization == "acme"
    return [event.type for event in logged]


def test_who_comes_second_learns_who_was_first() -> None:
    lock, token = take()
    assert token is not None
    assert take("bob") == (lock, None)
    assert take("alice") == (lock, None)
    assert told() == ["lock.acquired"]


def test_another_row_screen_or_organization_is_another_lock() -> None:
    take()
    assert take("bob", key="ID=15")[1] is not None
    assert locks.acquire("acme", "crm", "orders", "ID=14", "bob", NOW)[1] is not None
    assert take("bob", organization="globex")[1] is not None


def test_a_released_lock_is_free() -> None:
    lock, token = take()
    assert locks.opens(lock.id, token)
    assert not locks.opens(lock.id, token + "x")
    assert locks.release(lock.id, "alice", NOW)
    assert not locks.release(lock.id, "alice", NOW)
    assert take("bob")[1] is not None
    assert told() == ["lock.acquired", "lock.released", "lock.acquired"]


def test_an_expired_lock_is_taken_over_and_said_to_have_expired() -> None:
    lock, token = take()
    assert take("bob", NOW + locks.TTL - 1)[1] is None
    taken, _ = take("bob", NOW + locks.TTL)
    assert taken.holder == "bob"
    assert not locks.opens(lock.id, token)
    assert told() == ["lock.acquired", "lock.expired", "lock.acquired"]


def test_a_renewed_lock_lasts_another_hour_and_an_expired_one_is_gone() -> None:
    lock, _ = take()
    renewed = locks.renew(lock.id, NOW + 3000)
    assert renewed is not None
    assert renewed.expires_at == NOW + 3000 + locks.TTL
    assert locks.renew(lock.id, NOW + 10_000) is None
    assert locks.get(lock.id, NOW + 10_000) is None


def test_the_sweep_ends_what_has_expired_and_nothing_else() -> None:
    take()
    take("bob", NOW + 100, key="ID=15")
    assert locks.sweep(NOW + locks.TTL) == 1
    assert [lock.holder for lock in locks.held(None, NOW + locks.TTL)] == ["bob"]
    assert told() == ["lock.acquired", "lock.acquired", "lock.expired"]
    assert locks.sweep(NOW + locks.TTL) == 0


def test_held_locks_are_those_of_the_organizations() -> None:
    take()
    take("carol", NOW + 1, organization="globex")
    assert [lock.holder for lock in locks.held({"acme"}, NOW)] == ["alice"]
    assert [lock.holder for lock in locks.held(None, NOW)] == ["alice", "carol"]
    assert locks.held(set(), NOW) == []
    assert [lock.holder for lock in locks.matching("crm", "customers", "ID=14", NOW)] == ["alice", "carol"]


def test_of_many_at_once_one_gets_it() -> None:
    tokens: list[str | None] = []

    def try_it(name: str) -> None:
        with reading():
            tokens.append(take(name)[1])

    threads = [threading.Thread(target=try_it, args=(f"user{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([token for token in tokens if token is not None]) == 1
    assert told() == ["lock.acquired"]


def test_screens_that_held_locks_are_remembered() -> None:
    lock, _ = take()
    locks.release(lock.id, "alice", NOW)
    take()
    locks.acquire("acme", "shop", "orders", "ID=1", "bob", NOW)
    assert locks.screens() == [("crm", "customers"), ("shop", "orders")]


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("CUSTOMER_ID=14", "CUSTOMER_ID=14"),
        ({"CUSTOMER_ID": 14}, "CUSTOMER_ID=14"),
        ({"CUSTOMER_ID": "14"}, "CUSTOMER_ID=14"),
        ({"CUSTOMER_ID": 14.0}, "CUSTOMER_ID=14"),
        ({"B": 2, "A": 1}, "A=1&B=2"),
        ("B=2&A=1", "A=1&B=2"),
        ({"A": "1&B=2"}, "A=1%26B%3D2"),
        ({"A": True, "B": None}, "A=true&B=null"),
    ],
)
def test_one_row_has_one_key(given: Any, canonical: str) -> None:
    assert locks.canonical(given) == canonical


def test_a_value_with_an_equals_sign_is_one_row_however_it_is_written() -> None:
    assert locks.canonical({"K": "2=3"}) == locks.canonical("K=2=3") == locks.canonical(locks.canonical("K=2=3"))
