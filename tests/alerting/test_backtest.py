"""A rule put to what was seen: it fires when the pipeline would have raised its alert, and counts the messages."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerting import backtest, pipeline, retrospect
from alerting.backtest import Look, Tried
from alerting.config import Config, Rule
from alerting.samples import HOUR, Sample, roll_up
from alerting.store import alerts, history
from alerting.store.database import execute, reading, transaction
from probes import Observation
from tests.alerting.heart import DOWN, HIGH, NOW, SERVER, WEBSITE, only_rules

BEGIN = NOW // HOUR * HOUR
STEP = 30.0
SPEAKS = 3 * SERVER.every


def looks(seen: Sequence[tuple[float, float | None]], speaks_for: float = SPEAKS) -> list[Look]:
    return [
        Look(Observation("ok", {"cpu_percent": value}, "", {}, SERVER.subject, NOW + at), speaks_for)
        for at, value in seen
    ]


def tried(rule: Rule, *seen: tuple[float, float | None], until: float | None = None) -> Tried:
    end = seen[-1][0] if until is None else until
    return backtest.tried(rule, SERVER, looks(seen), NOW, NOW + end)


def spans(found: Tried) -> list[tuple[float, float, float | None]]:
    return [
        (fire.started_at - NOW, fire.fired_at - NOW, None if fire.ended_at is None else fire.ended_at - NOW)
        for fire in found.fires
    ]


def test_it_fires_when_the_duration_is_over_though_nothing_was_seen_just_then() -> None:
    rule = replace(HIGH, duration_seconds=90.0)
    found = tried(rule, (0, 90), (60, 91), (120, 95), (180, 10), (240, 90))
    assert spans(found) == [(0, 90, 180)]
    assert (found.fires[0].value, found.looks, found.firing_seconds) == (95, 5, 90)


def test_what_nobody_could_tell_is_not_confirmed() -> None:
    rule = replace(HIGH, duration_seconds=600.0)
    assert spans(tried(rule, (0, 90), (60, 90), until=3600)) == []
    assert spans(tried(rule, (0, 90), (3600, 90))) == [(0, 3600, None)]


def test_what_still_fires_has_no_end() -> None:
    found = tried(HIGH, (0, 90), until=60)
    assert spans(found) == [(0, 0, None)]
    assert (found.firing_seconds, found.messages) == (60, 1)


def test_a_look_without_a_value_says_nothing() -> None:
    found = tried(HIGH, (0, 90), (60, None), (120, 10))
    assert (spans(found), found.looks) == ([(0, 0, 120)], 2)


# Messages


@pytest.mark.parametrize(
    ("severity", "seen", "expected"),
    [
        ("warning", [(0, 90), (60, 10)], [2]),
        ("warning", [(0, 90), (60, 10), (120, 90), (180, 10)], [2, 0]),  # spared by the cooldown
        ("warning", [(0, 90), (60, 10), (120, 90), (4000, 10)], [2, 2]),  # deferred to its end
        ("critical", [(0, 90), (60, 10), (120, 90), (180, 10)], [2, 2]),
        ("warning", [(0, 90), (40_000, 10)], [2]),
        ("critical", [(0, 90), (14_400, 10)], [2]),
        ("critical", [(0, 90), (14_401, 10)], [3]),
        ("critical", [(0, 90), (30_000, 10)], [4]),
    ],
)
def test_messages_to_each_receiver(severity: str, seen: list[tuple[float, float]], expected: list[int]) -> None:
    found = tried(replace(HIGH, severity=severity, cooldown_seconds=3600.0), *seen)  # type: ignore[arg-type]
    assert [fire.messages for fire in found.fires] == expected


def test_reminders_are_the_rules_own_and_never_more_often_than_its_cooldown() -> None:
    seen = [(0.0, 90.0), (7000.0, 10.0)]
    often = replace(HIGH, remind_seconds=600.0)
    assert tried(often, *seen).messages == 3
    assert tried(replace(often, cooldown_seconds=0.0), *seen).messages == 13
    assert tried(replace(often, remind_seconds=0.0), *seen).messages == 2


# The same as the pipeline

values = st.sampled_from([None, 10.0, 65.0, 75.0, 85.0, 99.0])
histories = st.lists(st.tuples(st.integers(1, 10), values), min_size=1, max_size=12)
asked = st.builds(
    lambda window, clear, keep, duration: replace(
        HIGH,
        failures=window[0],
        of=window[1],
        clear_threshold=clear,
        keep_firing_seconds=keep,
        duration_seconds=duration,
    ),
    st.sampled_from([(1, 0), (2, 0), (2, 3), (3, 5)]),
    st.sampled_from([None, 60.0]),
    st.sampled_from([0.0, 60.0, 120.0]),
    st.sampled_from([0.0, 30.0, 150.0]),
)


def judged(config: Config, seen: Sequence[tuple[float, float | None]]) -> list[tuple[float, float, float | None]]:
    """What the pipeline makes of the looks, with a tick every so often."""
    at = 0.0
    for when, value in seen:
        while (at := at + STEP) < when:
            pipeline.tick(config, NOW + at)
        one = Observation("ok", {"cpu_percent": value}, "", {}, SERVER.subject, NOW + when)
        pipeline.ingest(config, [one], NOW + when)
        at = when
    with reading():
        found = sorted(alerts.page(None, None, 1000), key=lambda alert: alert.id)
    return [
        (one.started_at - NOW, one.triggered_at - NOW, None if one.resolved_at is None else one.resolved_at - NOW)
        for one in found
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked, histories)
def test_it_fires_exactly_when_the_pipeline_raises_its_alert(
    store: str, rule: Rule, steps: list[tuple[int, float | None]]
) -> None:
    with transaction():
        for table in ("alert", "breach", "subject", "sample"):
            execute(f"delete from {table}")
    moments = [STEP * sum(step for step, _ in steps[: number + 1]) for number in range(len(steps))]
    seen = [(at, value) for at, (_, value) in zip(moments, steps, strict=True)]
    assert spans(tried(rule, *seen)) == judged(only_rules(rule), seen)


# Hours


def hours(*samples: tuple[float, float], status: str = "ok") -> list[backtest.Look]:
    kept: dict[int, list[Sample]] = {}
    for at, value in samples:
        one = Sample(BEGIN + at, status, {"cpu_percent": value}, 0.1)  # type: ignore[arg-type]
        kept.setdefault(int(at // HOUR), []).append(one)
    return list(backtest.of_hours(HIGH, SERVER, map(roll_up, kept.values()), [], 2 * HOUR))


def test_an_hour_stands_for_its_furthest_value_and_ends_with_its_last() -> None:
    seen = hours((0, 10), (1800, 90), (3599, 20), (3600, 20), (7199, 20))
    found = backtest.tried(HIGH, SERVER, seen, BEGIN, BEGIN + 2 * HOUR)
    assert [(fire.fired_at - BEGIN, fire.ended_at and fire.ended_at - BEGIN, fire.value) for fire in found.fires] == [
        (0, 3599, 90)
    ]


@pytest.mark.parametrize(
    ("operator", "threshold", "expected"),
    [(">", 50, 90), (">=", 50, 90), ("<", 50, 10), ("<=", 50, 10), ("==", 50, 50), ("==", 95, 20), ("!=", 50, 90)],
)
def test_which_value_of_an_hour_a_rule_is_put_to(operator: str, threshold: float, expected: float) -> None:
    spread = roll_up([Sample(BEGIN, "ok", {"v": v}, 0.1) for v in (10.0, 90.0, 20.0)]).values["v"]
    assert spread is not None
    assert backtest.furthest(replace(HIGH, operator=operator, threshold=threshold), spread) == expected


def test_of_the_status_every_change_is_known() -> None:
    kept = [Sample(BEGIN + 60 * n, "critical" if 30 <= n < 100 else "ok", {}, 0.1) for n in range(180)]
    by_hour = [roll_up(kept[start : start + 60]) for start in (0, 60, 120)]
    changes = [(BEGIN, "ok"), (BEGIN + 1800, "critical"), (BEGIN + 6000, "ok")]
    seen = backtest.of_hours(DOWN, WEBSITE, by_hour, changes, 2 * HOUR)  # type: ignore[arg-type]
    found = backtest.tried(DOWN, WEBSITE, seen, BEGIN, BEGIN + 3 * HOUR)
    assert [(fire.fired_at - BEGIN, fire.ended_at and fire.ended_at - BEGIN) for fire in found.fires] == [(1800, 6000)]


# What is stored


def test_what_was_observed_is_found_again(store: str) -> None:
    for at, percent in ((0, 10.0), (60, 90.0), (120, 95.0), (180, 10.0)):
        one = Observation("ok", {"cpu_percent": percent}, "", {}, SERVER.subject, NOW + at)
        pipeline.ingest(only_rules(), [one], NOW + at)
    found = retrospect.tried(HIGH, SERVER, NOW - 60, NOW + 300)
    assert spans(found) == [(60, 60, 180)]
    assert (found.looks, found.fires[0].value) == (4, 95.0)
    assert retrospect.tried(HIGH, SERVER, NOW + 100, NOW + 300).looks == 2
    assert retrospect.tried(HIGH, WEBSITE, NOW, NOW + 300).looks == 0


def test_before_what_is_kept_whole_hours_are_asked(store: str) -> None:
    later = BEGIN + history.SAMPLES_KEPT + 10 * HOUR
    for at in range(0, int(4 * HOUR), 600):
        percent = 90.0 if HOUR <= at < 2 * HOUR else 10.0
        one = Observation("ok", {"cpu_percent": percent}, "", {}, SERVER.subject, BEGIN + at)
        pipeline.ingest(only_rules(), [one], BEGIN + at)
    for number in history.all_series():
        history.pack_hours(number, later)
        history.prune(number, later)
    found = retrospect.tried(replace(HIGH, duration_seconds=1200.0), SERVER, BEGIN, later)
    assert [(fire.started_at - BEGIN, fire.ended_at and fire.ended_at - BEGIN) for fire in found.fires] == [
        (HOUR, 2 * HOUR)
    ]
    whole = retrospect.document(HIGH, [found], BEGIN, later)
    assert whole["hours_before"] is not None
    assert retrospect.document(HIGH, [found], later - history.SAMPLES_KEPT, later)["hours_before"] is None


def test_a_rule_is_put_to_what_it_is_about_and_to_ones_own() -> None:
    config = only_rules(HIGH)
    assert retrospect.watches(config, HIGH) == [SERVER]
    assert retrospect.watches(config, DOWN) == [WEBSITE]
    assert retrospect.watches(config, HIGH, ["globex"]) == []
