"""History: what was observed is found again, packed or not, exactly as it was, and goes when its time has come."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import samples
from alerting.samples import HOUR, STATUSES, Sample
from alerting.store import history
from alerting.store.database import execute, reading, transaction
from tests.alerting.heart import NOW, SERVER, WEBSITE, seen

BEGIN = NOW // HOUR * HOUR
ELSEWHERE = replace(WEBSITE, organization="other")

numbers = st.one_of(st.none(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
looks = st.builds(
    Sample,
    st.integers(0, 3_599_999).map(lambda offset: (BEGIN * 1000 + offset) / 1000),
    st.sampled_from(STATUSES),
    st.dictionaries(st.sampled_from(["total_seconds", "lag_bytes", "status_code"]), numbers),
    st.floats(0, 100),
    st.one_of(st.none(), st.text()),
)


def add(*moments: float, watch: Any = WEBSITE, status: str = "ok", **values: float | None) -> None:
    with transaction():
        history.open_series([watch])
        looks = [seen(watch.subject, at - NOW, status, "said", **values) for at in moments]
        history.append([history.row(watch, one, _json(values)) for one in looks])


def _json(values: Any) -> str:
    import json

    return json.dumps(values)


def found(watch: Any = WEBSITE, since: float = 0.0, until: float = 2e9, limit: int = 1000) -> list[float]:
    return [one.at for one in history.samples(watch, since, until, limit)]


def pack(now: float) -> int:
    return sum(history.pack_hours(number, now) for number in history.all_series())


def prune(now: float) -> None:
    for number in history.all_series():
        history.prune(number, now)


def count(table: str) -> int:
    with reading():
        return int(execute(f"select count(*) from {table}")[0][0])


@given(st.lists(looks, unique_by=lambda one: one.at))
def test_what_is_packed_comes_out_as_it_was(given_looks: list[Sample]) -> None:
    ordered = sorted(given_looks, key=lambda one: one.at)
    assert samples.unpack(samples.pack(given_looks)) == ordered


@given(st.lists(looks, min_size=1, max_size=20), st.lists(looks, min_size=1, max_size=20))
def test_two_rollups_merged_are_the_rollup_of_all(sooner: list[Sample], later: list[Sample]) -> None:
    whole = samples.roll_up([*sooner, *later])
    both = samples.merged(samples.roll_up(sooner), samples.roll_up(later))
    assert (both.count, both.status, dict(both.statuses), both.last_at) == (
        whole.count,
        whole.status,
        dict(whole.statuses),
        whole.last_at,
    )
    for name, spread in whole.values.items():
        mine = both.values[name]
        assert (mine is None) == (spread is None)
        if mine is not None and spread is not None:
            assert (mine.count, mine.least, mine.most) == (spread.count, spread.least, spread.most)
            assert mine.average == pytest.approx(
                spread.average, rel=1e-6, abs=max(map(abs, (mine.most, mine.least))) * 1e-6
            )


@given(st.lists(looks, min_size=1))
def test_a_rollup_is_read_as_it_was_written(given_looks: list[Sample]) -> None:
    rollup = samples.roll_up(given_looks)
    again = samples.read(samples.hour_of(BEGIN), samples.written(rollup))
    assert (again.statuses, again.last_at, set(again.values)) == (rollup.statuses, rollup.last_at, set(rollup.values))
    for name, spread in rollup.values.items():
        mine = again.values[name]
        if spread is None or spread.least != spread.most:
            assert mine == spread
        else:
            assert mine is not None
            assert (mine.count, mine.last, mine.least, mine.most) == (
                spread.count,
                spread.last,
                spread.last,
                spread.last,
            )


def test_samples_are_found_newest_first_packed_or_not(store: str) -> None:
    moments = [BEGIN + 60.5 * number for number in range(200)]  # three hours and a bit
    add(*moments, total_seconds=0.25, lag_bytes=None)
    before = found()
    assert before == sorted(moments, reverse=True)
    now = BEGIN + 200 * 60.5
    assert pack(now) == 3
    assert (count("packed"), count("rollup"), count("sample")) == (
        3,
        3,
        len([m for m in moments if m >= BEGIN + 3 * HOUR]),
    )
    assert found() == before
    assert found(limit=7) == before[:7]
    assert found(since=moments[30], until=moments[100]) == list(reversed(moments[30:100]))
    assert dict(history.samples(WEBSITE, 0, 2e9, 1)[0].values) == {"total_seconds": 0.25, "lag_bytes": None}
    assert dict(history.samples(WEBSITE, 0, moments[1], 1)[0].values) == {"total_seconds": 0.25, "lag_bytes": None}


def test_packing_again_changes_nothing_and_what_comes_late_is_added(store: str) -> None:
    now = BEGIN + 2 * HOUR
    add(BEGIN + 10, BEGIN + 30, total_seconds=1)
    assert [pack(now), pack(now)] == [1, 0]
    add(BEGIN + 20, status="critical", total_seconds=4)
    assert pack(now) == 1
    assert found() == [BEGIN + 30, BEGIN + 20, BEGIN + 10]
    (rollup,) = history.rollups(WEBSITE, 0, 2e9)
    assert (dict(rollup.statuses), rollup.status) == ({"ok": 2, "critical": 1}, "critical")
    assert rollup.values["total_seconds"] == samples.Spread(3, 1, 4, 2, 1)


def test_a_crash_while_packing_leaves_everything_as_it_was(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add(BEGIN + 10, BEGIN + HOUR + 10)

    def dies(*_: Any) -> bytes:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(history, "pack", dies)
        with pytest.raises(RuntimeError):
            pack(BEGIN + 3 * HOUR)
    assert (count("sample"), count("packed"), count("rollup")) == (2, 0, 0)
    assert pack(BEGIN + 3 * HOUR) == 2
    assert found() == [BEGIN + HOUR + 10, BEGIN + 10]


def test_the_hour_under_way_is_rolled_up_as_far_as_it_is(store: str) -> None:
    add(BEGIN + 10, BEGIN + HOUR + 10, lag_bytes=None)
    pack(BEGIN + HOUR + 600)
    add(BEGIN + HOUR + 20, lag_bytes=7)
    hours = history.rollups(WEBSITE, 0, 2e9)
    assert [(one.hour, one.count) for one in hours] == [(BEGIN + HOUR, 2), (BEGIN, 1)]
    assert [one.values["lag_bytes"] for one in hours] == [samples.Spread(1, 7, 7, 7, 7), None]
    assert [one.hour for one in history.rollups(WEBSITE, BEGIN + 1, BEGIN + HOUR + 1)] == [BEGIN + HOUR]


def test_samples_go_after_a_week_and_rollups_after_thirteen_months(store: str) -> None:
    add(BEGIN + 10, BEGIN + 8 * 86400, total_seconds=1)
    now = BEGIN + 8 * 86400 + 2 * HOUR
    pack(now)
    prune(now)
    assert found() == [BEGIN + 8 * 86400]
    assert [one.hour for one in history.rollups(WEBSITE, 0, 2e9)] == [BEGIN + 8 * 86400, BEGIN]
    prune(BEGIN + 400 * 86400)
    assert [one.hour for one in history.rollups(WEBSITE, 0, 2e9)] == [BEGIN + 8 * 86400]
    prune(BEGIN + 410 * 86400)
    assert history.rollups(WEBSITE, 0, 2e9) == []


def test_the_newest_changes_of_status_are_kept(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "CHANGES_KEPT", 3)
    with transaction():
        history.open_series([WEBSITE, SERVER])
        history.append_changes((SERVER, seen(SERVER.subject, at, "ok")) for at in (1, 2))
        history.append_changes((WEBSITE, seen(WEBSITE.subject, at, "critical", f"the {at}th")) for at in range(5))
    prune(NOW)
    changes = history.status_changes(WEBSITE, 0, 2e9)
    assert [(one.at - NOW, one.status, one.message) for one in changes] == [
        (4, "critical", "the 4th"),
        (3, "critical", "the 3th"),
        (2, "critical", "the 2th"),
    ]
    assert len(history.status_changes(SERVER, 0, 2e9)) == 2


def test_a_subject_of_the_same_name_elsewhere_has_a_history_of_its_own(store: str) -> None:
    add(BEGIN + 10)
    add(BEGIN + 20, watch=ELSEWHERE)
    pack(BEGIN + 2 * HOUR)
    assert (found(), found(ELSEWHERE), found(SERVER)) == ([BEGIN + 10], [BEGIN + 20], [])
    assert [len(history.rollups(one, 0, 2e9)) for one in (WEBSITE, ELSEWHERE, SERVER)] == [1, 1, 0]


def test_a_chart_has_its_points_and_holes_where_nothing_is_known(store: str) -> None:
    add(BEGIN, BEGIN + 10, total_seconds=1, lag_bytes=None)
    add(BEGIN + 20, total_seconds=3, lag_bytes=None)
    chart = history.series(WEBSITE, ["total_seconds", "lag_bytes"], BEGIN, BEGIN + 90, 3)
    assert chart == [
        (BEGIN, {"total_seconds": 5 / 3, "lag_bytes": None}),
        (BEGIN + 30, {"total_seconds": None, "lag_bytes": None}),
        (BEGIN + 60, {"total_seconds": None, "lag_bytes": None}),
    ]
    pack(BEGIN + 2 * HOUR)
    by_the_hour = history.series(WEBSITE, ["total_seconds"], BEGIN - HOUR, BEGIN + 30 * 86400, 10)
    assert [values["total_seconds"] for _, values in by_the_hour] == [pytest.approx(5 / 3), *[None] * 9]


def test_a_clock_that_ran_ahead_leaves_samples_that_are_packed_in_their_time(store: str) -> None:
    add(BEGIN + 10, BEGIN + 5 * HOUR)
    assert pack(BEGIN + 2 * HOUR) == 1
    assert found() == [BEGIN + 5 * HOUR, BEGIN + 10]
    assert pack(BEGIN + 7 * HOUR) == 1
    assert found() == [BEGIN + 5 * HOUR, BEGIN + 10]
