"""Checks lie on a fixed grid: stable over restarts, never drifting, spread over the interval."""

from hypothesis import example, given
from hypothesis import strategies as st

from alerting import grid

subjects = st.text(min_size=1, max_size=40)
intervals = st.floats(min_value=0.5, max_value=86_400)
moments = st.floats(min_value=0, max_value=4e9)


@given(subjects, intervals)
def test_a_phase_lies_within_the_interval_and_is_always_the_same(subject: str, every: float) -> None:
    assert 0 <= grid.phase(subject, every) <= every
    assert grid.phase(subject, every) == grid.phase(subject, every)


def test_phases_stay_what_they_were() -> None:
    """Another version, machine or start must look at the same moments."""
    assert round(grid.phase("check/website", 60.0), 6) == 44.780403


@given(subjects, intervals, moments)
@example("check/website", 0.7, 1_800_000_000.0)
def test_the_next_moment_is_later_and_less_than_an_interval_away(subject: str, every: float, after: float) -> None:
    due = grid.next_due(subject, every, after)
    assert after < due <= after + every * (1 + 1e-6)


@given(subjects, intervals, moments)
def test_a_look_at_its_moment_leads_to_the_one_after(subject: str, every: float, after: float) -> None:
    due = grid.next_due(subject, every, after)
    following = grid.next_due(subject, every, due)
    assert abs(following - due - every) < 1e-5 * max(1.0, every)


@given(subjects, intervals, moments, st.lists(st.floats(min_value=0, max_value=0.9), min_size=1, max_size=50))
def test_lateness_never_adds_up(subject: str, every: float, start: float, late: list[float]) -> None:
    first = moment = grid.next_due(subject, every, start)
    for share in late:
        moment = grid.next_due(subject, every, moment + share * every)
    turns = (moment - first) / every
    assert abs(turns - round(turns)) * every < 1e-4
    assert round(turns) == len(late)


@given(intervals, moments, st.integers(min_value=0, max_value=1000), st.floats(min_value=0.01, max_value=0.99))
def test_missed_moments_are_counted(every: float, due: float, whole: int, part: float) -> None:
    assert abs(grid.missed(every, due, due + (whole + part) * every) - whole) <= (1 if part in (0.01, 0.99) else 0)


def test_nothing_is_missed_early_or_on_time() -> None:
    assert grid.missed(60.0, 1000.0, 990.0) == 0
    assert grid.missed(60.0, 1000.0, 1000.0) == 0
    assert grid.missed(60.0, 1000.0, 1059.9) == 0
    assert grid.missed(60.0, 1000.0, 1060.0) == 1


def test_a_thousand_checks_do_not_bunch() -> None:
    seconds = [int(grid.phase(f"check/service-{number}", 60.0)) for number in range(1000)]
    assert max(seconds.count(second) for second in range(60)) < 50
    assert set(seconds) == set(range(60))
