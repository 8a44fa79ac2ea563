"""When an alert flaps, and how long it must be steady."""

from hypothesis import given
from hypothesis import strategies as st

from alerting.flapping import LONGEST, MOST, Flap, changed


def after(*moments: float, base: float = 60.0) -> Flap:
    flap = Flap("it")
    for at in moments:
        flap = changed(flap, at, base)
    return flap


def test_four_changes_an_hour_are_not_flapping_and_five_are() -> None:
    assert after(0, 100, 200, 300).since is None
    assert after(0, 100, 200, 300, 400).since == 400


def test_changes_count_for_an_hour() -> None:
    assert after(0, 1000, 2000, 3000, 3601).since is None


def test_a_change_inside_the_running_delay_doubles_it() -> None:
    assert [after(*range(0, n * 30, 30)).delay for n in (1, 2, 3, 4)] == [60, 120, 240, 480]


def test_a_change_after_the_delay_begins_anew() -> None:
    assert after(0, 30, 151).delay == 60


def test_it_goes_on_flapping_since_it_began() -> None:
    assert after(*range(0, 900, 100)).since == 400


def test_a_rule_without_a_delay_never_flaps() -> None:
    assert after(*range(0, 900, 10), base=0).since is None


@given(st.lists(st.floats(0.1, 5000), min_size=1, max_size=40), st.floats(1, 4000))
def test_the_delay_is_never_shorter_than_the_rules_nor_longer_than_half_an_hour(gaps: list[float], base: float) -> None:
    flap, now = Flap("it"), 0.0
    for gap in gaps:
        now += gap
        flap = changed(flap, now, base)
        assert min(base, LONGEST) <= flap.delay <= LONGEST
        assert flap.until == now + flap.delay
        assert len(flap.changes) <= MOST + 1
