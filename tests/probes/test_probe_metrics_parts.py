"""The parts of kind `metrics` by themselves: selectors, the exposition's lines, counters over a window, quantiles."""

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes._machinery.counters import Count, Course, Record, carried_on, course
from probes._machinery.exposition import Series, series
from probes._machinery.measures import measure, reading
from probes._machinery.selectors import selector

WINDOW = 3600.0


@pytest.mark.parametrize(
    ("text", "labels", "meant"),
    [
        ("up", {}, True),
        ('up{job="a"}', {"job": "a", "x": "y"}, True),
        ('up{job="a"}', {"job": "b"}, False),
        ('up{job=""}', {}, True),
        ("up{job!='a',}", {}, True),
        ('up{code=~"5..", job!~"b|c"}', {"code": "503", "job": "a"}, True),
        ('up{code=~"5"}', {"code": "503"}, False),
        ('up{path="a\\"b\\\\c\\nd"}', {"path": 'a"b\\c\nd'}, True),
        ('up{path="{,}"}', {"path": "{,}"}, True),
        ('{"my.metric", "my.label"="x"}', {"my.label": "x"}, True),
    ],
)
def test_selectors_mean_what_prometheus_means(text: str, labels: dict[str, str], meant: bool) -> None:
    found = selector(text)
    assert found.name in ("up", "my.metric")
    assert found.selects(labels) is meant


@pytest.mark.parametrize(
    "text", ["", "{}", "up{", "up}", "up{job}", "up{job=a}", 'up{job="a" x="b"}', "a b", 'up{"x"}']
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a selector"):
        selector(text)


def test_openmetrics_with_exemplars_moments_and_its_end() -> None:
    body = (
        b"# TYPE took histogram\n# UNIT took seconds\n"
        b'took_bucket{le="1.0"} 8 # {trace="} 9"} 0.67 1520879607.789\n'
        b'took_bucket{le="+Inf"} 1e1 1520879607.789\n'
        b"took_count 10\n# EOF\n"
    )
    found = series(body, {"took_bucket"}, openmetrics=True)
    assert [(one.labels["le"], one.value) for one in found] == [("1.0", 8), ("+Inf", 10)]
    with pytest.raises(ValueError, match="ends before its # EOF"):
        series(body.replace(b"# EOF\n", b""), {"took_bucket"}, openmetrics=True)


def test_lines_are_told_apart_by_their_whole_name() -> None:
    body = (
        b'# HELP up is up\r\nup 1\r\n up2 2\n\tup{a="\xc3\xa9\\n"} -3.5e2 17\nup_down 4\n{"up",b="c"} NaN\nups +Inf\n'
    )
    found = series(body, {"up"})
    assert [(dict(one.labels), one.value) for one in found[:2]] == [({}, 1), ({"a": "é\n"}, -350)]
    assert math.isnan(found[2].value) and len(found) == 3


def test_a_large_exposition_is_read_in_time() -> None:
    line = b'http_requests_total{path="/a/b/c",code="200",method="GET",instance="%d"} %d\n'
    body = b"".join(line % (number, number) for number in range(40_000)) + b"up 1\n"
    begun = time.monotonic()
    assert series(body, {"up"}) == [Series("up", {}, 1)]
    assert time.monotonic() - begun < 2
    with pytest.raises(ValueError, match="line 1 is"):
        series(b'up{x="' + b"\\" * 200_000 + b"\n", {"up"})


def followed(points: list[tuple[float, float]], window: float = WINDOW) -> Course:
    """The course of one counter that was looked at (moment, value)."""
    record: Record | None = None
    for at, value in points:
        record = carried_on(record, [Count("s", "", value)], at, window, from_zero=False)
        record = json.loads(json.dumps(record))
    assert record is not None
    return course(record, points[-1][0], window)


@given(
    st.lists(st.tuples(st.floats(1, 900), st.floats(0, 1000), st.booleans()), min_size=1, max_size=300),
    st.floats(0, 1e6),
)
def test_a_counter_grows_by_what_it_counted_whatever_restarts(
    steps: list[tuple[float, float, bool]], begin: float
) -> None:
    """Over a window larger than all, all that was counted since the first look, whenever its process began anew."""
    at, value, counted = 0.0, begin, 0.0
    points = [(at, value)]
    for seconds, grown, restarts in steps:
        value = grown if restarts and grown < value else value + grown
        at, counted = at + seconds, counted + grown
        points.append((at, value))
    found = followed(points, window=1e7)
    assert found.grown[""] == pytest.approx(counted, rel=1e-6, abs=1e-3)
    assert (found.seconds, found.whole) == (pytest.approx(at), False)


@given(st.lists(st.floats(5, 600), min_size=30, max_size=400), st.floats(0.01, 100))
def test_a_steady_counter_has_its_rate_and_its_record_stays_small(gaps: list[float], rate: float) -> None:
    at, points, record = 0.0, list[tuple[float, float]](), None
    for gap in gaps:
        at += gap
        points.append((at, at * rate))
    for moment, value in points:
        record = carried_on(record, [Count("s", "", value)], moment, WINDOW, from_zero=False)
    assert record is not None and len(record["at"]) <= 52
    found = course(record, at, WINDOW)
    assert found.grown[""] / found.seconds == pytest.approx(rate, rel=0.001)
    assert found.whole == (points[0][0] <= at - WINDOW)


def test_what_was_before_the_window_is_out_of_it() -> None:
    points = [(minute * 60.0, 100.0 if minute >= 10 else 0.0) for minute in range(200)]
    assert followed(points).grown == {"": 0}
    assert followed(points[:60]).grown == {"": 100}


def test_series_that_are_gone_for_the_whole_window_are_forgotten() -> None:
    record = carried_on(None, [Count("old", "", 5), Count("on", "", 1)], 0, WINDOW, from_zero=False)
    for minute in range(1, 70):
        record = carried_on(record, [Count("on", "", 1 + minute)], minute * 60, WINDOW, from_zero=False)
    assert set(record["seen"]) == {"on"}


def histogram(*buckets: tuple[str, float]) -> list[Series]:
    return [Series("h_bucket", {"le": bound, "pod": str(pod)}, value) for pod, (bound, value) in enumerate(buckets)]


@pytest.mark.parametrize(
    ("q", "buckets", "value"),
    [
        (0.5, [("1", 10), ("2", 20), ("+Inf", 20)], 1.0),
        (0.75, [("1", 10), ("2", 20), ("+Inf", 20)], 1.5),
        (0.25, [("1", 10), ("2", 20), ("+Inf", 20)], 0.5),
        (0, [("1", 10), ("+Inf", 10)], 0.0),
        (1, [("1", 10), ("2", 20), ("+Inf", 20)], 2.0),
        (0.99, [("1", 10), ("2", 20), ("+Inf", 100)], 2.0),
        (0.5, [("-1", 10), ("2", 10), ("+Inf", 10)], -1.0),
        (0.5, [("1", 4), ("1", 6), ("+Inf", 20)], 1.0),
        (0.9, [("0.5", 0), ("1", 0), ("2", 10), ("+Inf", 10)], 1.9),
    ],
)
def test_quantiles_are_those_of_prometheus(q: float, buckets: Any, value: float) -> None:
    found = reading(measure({"quantile": q, "of": "h"}), histogram(*buckets), None, 0)
    assert (found.value, found.why) == (pytest.approx(value), "")


@pytest.mark.parametrize(
    ("buckets", "why"),
    [
        ([("1", 0), ("+Inf", 0)], "idle"),
        ([("1", 5)], "untold"),
        ([("1", 5), ("2", 6)], "untold"),
        ([("x", 5)], "untold"),
    ],
)
def test_where_there_is_no_quantile_it_is_said_why(buckets: Any, why: str) -> None:
    found = reading(measure({"quantile": 0.5, "of": "h"}), histogram(*buckets), None, 0)
    assert (found.value, found.why) == (None, why)
    assert found.words


@pytest.mark.parametrize("given", [{"sum": "a"}, {"sum": "a", "rate": "1m"}, {"max": "a"}])
def test_a_series_that_is_there_twice_is_not_added_up(given: dict[str, str]) -> None:
    found = [Series("a", {"x": "1", "y": "2"}, 100.0), Series("a", {"y": "2", "x": "1"}, 50.0)]
    seen = reading(measure(given), found, None, 0)
    assert (seen.value, seen.why) == (None, "untold")
    assert "is there twice" in seen.words


def test_too_many_series_are_not_followed() -> None:
    found = [Series("a", {"n": str(number)}, 1) for number in range(501)]
    many = reading(measure({"sum": "a", "rate": "5m"}), found, None, 0)
    assert (many.why, many.record) == ("untold", None)
    assert "501 series are a, more than the 500" in many.words
    assert reading(measure({"sum": "a"}), found, None, 0).value == 501
