"""The event log: ids in the order of commits, so that a reader who goes by them misses nothing."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from alerting.store import events
from alerting.store.database import reading, transaction
from alerting.store.events import NewEvent
from tests.alerting import racing

WRITERS, EACH = 4, 60


def append(*types: str, at: float = 1.0) -> list[int]:
    with transaction():
        return events.append([NewEvent(kind, {"of": kind}, "acme") for kind in types], at)


def test_what_is_appended_is_read_in_order(store: str) -> None:
    first = append("task_status", "alert_triggered")
    with reading():
        logged = events.after(0)
        rest = events.after(first[0])
        one = events.after(0, limit=1)
    assert [event.id for event in logged] == first
    assert [event.type for event in logged] == ["task_status", "alert_triggered"]
    assert (json.loads(logged[0].data), logged[0].organization, logged[0].at) == ({"of": "task_status"}, "acme", 1.0)
    assert rest == logged[1:]
    assert one == logged[:1]


def test_an_event_may_concern_the_whole_installation(store: str) -> None:
    with transaction():
        events.append([NewEvent("config.reloaded", {})], 1.0)
    with reading():
        assert events.after(0)[0].organization is None


def test_nothing_appended_is_nothing_done(store: str) -> None:
    assert append() == []
    with reading():
        assert events.bounds() == (0, 0)


def test_an_event_of_a_transaction_that_failed_was_never_there(store: str) -> None:
    with pytest.raises(RuntimeError), transaction():
        events.append([NewEvent("task_status", {})], 1.0)
        raise RuntimeError
    with reading():
        assert events.after(0) == []


def test_what_json_cannot_say_is_refused(store: str) -> None:
    with pytest.raises(ValueError, match="JSON"), transaction():
        events.append([NewEvent("task_status", {"value": float("nan")})], 1.0)


def test_pruning_keeps_the_newest_and_no_id_is_given_twice(store: str) -> None:
    ids = append("a", "b", "c")
    with transaction():
        assert events.prune(before=100.0) == 2
        assert events.bounds() == (ids[-1], ids[-1])
    with transaction():
        assert events.prune(before=100.0) == 0
    assert append("d")[0] > ids[-1]


def test_pruning_keeps_what_is_young(store: str) -> None:
    append("a", at=1.0)
    append("b", "c", at=50.0)
    with transaction():
        assert events.prune(before=50.0) == 1


@pytest.mark.timeout(180)
def test_no_reader_misses_an_event_of_four_writers(store: str) -> None:
    at = time.time() + 3.0
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(racing.race, racing.read_events, [(store, at, WRITERS * EACH, 90.0)], 120.0)
        written = racing.race(racing.append_events, [(store, at, writer, EACH) for writer in range(WRITERS)], 120.0)
        (seen,) = reader.result()
    assert sorted(seen) == sorted(number for ids in written for number in ids)
    assert seen == sorted(seen)
