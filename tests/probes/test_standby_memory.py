"""What is kept of the looks at a standby, and the age of its data that follows from it."""

from dataclasses import replace

import pytest

from probes._machinery.standby import Standby
from probes._machinery.standby_memory import Memory, heard, recalled, remembered, seconds_behind, written

MIB = 1_048_576
ONE = Standby("7@1.5", "streaming", "async", 0, 0, None, 100.0, 0.1, None, None)


def behind(lacks: int, said: float | None = None, reported: float = 360.0) -> float | None:
    """How old the data is of a standby that lacks so many MB of a primary that wrote one a minute from 0 on."""
    history = [(60.0 * minute, minute * MIB) for minute in range(6)]
    standby = replace(ONE, replay_bytes=lacks * MIB, replay_lag=said)
    return seconds_behind(standby, 6 * MIB, history, reported)


@pytest.mark.parametrize(("lacks", "age"), [(0, 0.0), (1, 0.0), (2, 60.0), (4, 180.0), (6, 300.0)])
def test_the_age_is_bound_by_where_the_primary_was_when(lacks: int, age: float) -> None:
    assert behind(lacks) == age


@pytest.mark.parametrize(("said", "age"), [(10.0, 60.0), (90.0, 90.0), (4000.0, 120.0)])
def test_what_postgresql_measured_is_believed_within_the_bounds(said: float, age: float) -> None:
    assert behind(2, said) == age


def test_a_left_over_of_an_outage_that_is_over_is_no_age() -> None:
    assert behind(0, said=44.0) == 0.0
    assert behind(1, said=44.0) == 0.0


def test_a_report_tells_of_the_moment_it_was_sent() -> None:
    assert behind(4, reported=200.0) == 20.0  # it may have replayed all since


def test_where_nothing_is_known_there_is_no_age() -> None:
    assert seconds_behind(replace(ONE, replay_bytes=5), 9, (), 60.0) is None
    assert seconds_behind(replace(ONE, replay_bytes=None), 9, [(0.0, 1)], 60.0) is None


def test_positions_of_another_life_of_the_server_are_forgotten() -> None:
    assert remembered([(0.0, 0x1000), (120.0, 0x9000)], 0x2000, 240.0) == ((0.0, 0x1000), (240.0, 0x2000))
    assert remembered([(500.0, 0x1000)], 0x2000, 240.0) == ((240.0, 0x2000),)  # a clock that was set back


def test_the_history_reaches_far_back_with_few_entries() -> None:
    history: tuple[tuple[float, int], ...] = ()
    for second in range(10_000):
        history = tuple(remembered(history, second, float(second)))
    assert len(history) <= 61
    assert history[0] == (0.0, 0)
    assert [at for at, _ in history[-20:]] == [float(second) for second in range(9980, 10_000)]


def test_silence_is_counted_from_the_first_look_that_heard_that_report() -> None:
    first = heard(Memory(), [ONE], 10.0)
    assert first == {"7@1.5": (100.0, 10.0)}
    again = heard(Memory(heard=first), [ONE], 20.0)
    assert again == {"7@1.5": (100.0, 10.0)}
    assert heard(Memory(heard=again), [replace(ONE, reply_time=101.0)], 30.0) == {"7@1.5": (101.0, 30.0)}
    assert heard(Memory(heard=again), [replace(ONE, key="7@2.5")], 30.0) == {
        "7@2.5": (100.0, 30.0)
    }  # another connection


def test_a_memory_is_kept_as_json_and_nothing_else_is_taken_for_one() -> None:
    memory = Memory(5.0, {"7@1.5": (None, 5.0)}, ((5.0, 77),), "warning", 12, True, ("old",), "mine")
    assert recalled({"memory": written(memory)}) == memory
    assert recalled({}) == recalled({"memory": None}) == Memory()
