"""How a rule's condition holds: M of N, a way back that is longer than the way there, and what is kept firing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alerting import pipeline, rules
from alerting.config import Rule
from alerting.rules import OPERATORS, Breach
from alerting.store import subjects
from alerting.store.database import reading, transaction
from probes import Observation
from tests.alerting.heart import CRITICAL, HIGH, NOW, SERVER, cpu, every_alert, only_rules, rows, the_alert, tick

Seen = tuple[float, float | None]
"""When, and the value; None: a look that had none."""


@dataclass(frozen=True)
class Moment:
    """What a rule made of one look."""

    at: float
    value: float | None
    breach: Breach | None

    @property
    def fires(self) -> bool:
        return self.breach is not None and self.breach.fired


def look(at: float, value: float | None) -> Observation:
    return Observation("ok", {"cpu_percent": value}, f"at {value}", {}, SERVER.subject, at)


def played(rule: Rule, seen: Sequence[Seen]) -> list[Moment]:
    """Every look put to the rule in turn, each judged at its own moment."""
    found: list[Moment] = []
    breach: Breach | None = None
    for at, value in seen:
        breach = rules.judge(rule, SERVER, breach, look(at, value), at, is_new=True)
        found.append(Moment(at, value, breach))
    return found


def every_minute(*values: float | None) -> list[Seen]:
    return [(60.0 * number, value) for number, value in enumerate(values)]


values = st.one_of(st.none(), st.sampled_from([0.0, 60.0, 70.0, 75.0, 80.0, 80.5, 90.0, 99.0]))
gaps = st.sampled_from([1.0, 30.0, 60.0, 600.0])
histories = st.lists(st.tuples(gaps, values), max_size=40).map(
    lambda steps: [(sum(gap for gap, _ in steps[: number + 1]), value) for number, (_, value) in enumerate(steps)]
)
windows = st.integers(1, 6).flatmap(lambda of: st.tuples(st.integers(1, of), st.just(of)))


# M of N


def counted(seen: Sequence[Seen], failures: int, of: int) -> list[float | None]:
    """Since when M of N hold after each look, by counting the whole history anew; None: they do not."""
    known: list[tuple[float, bool]] = []
    since: float | None = None
    found: list[float | None] = []
    for at, value in seen:
        if value is not None:
            known.append((at, value > 80.0))
            breaking = [when for when, broken in known[-of:] if broken]
            since = None if len(breaking) < failures else breaking[0] if since is None else since
        found.append(since)
    return found


@given(histories, windows, st.sampled_from([0.0, 60.0, 300.0]))
def test_m_of_n_is_what_counting_says(seen: list[Seen], window: tuple[int, int], duration: float) -> None:
    failures, of = window
    rule = replace(HIGH, failures=failures, of=of, duration_seconds=duration)
    fires = False
    for moment, since in zip(played(rule, seen), counted(seen, failures, of), strict=True):
        confirms = moment.value is not None and since is not None and moment.at - since >= duration
        fires = since is not None and (fires or confirms)
        assert moment.fires == fires
        if fires:
            assert moment.breach is not None
            assert moment.breach.started_at == since


@given(histories, st.integers(1, 5))
def test_n_of_n_is_n_in_a_row(seen: list[Seen], failures: int) -> None:
    in_a_row, window = replace(HIGH, failures=failures), replace(HIGH, failures=failures, of=failures)
    for one, other in zip(played(in_a_row, seen), played(window, seen), strict=True):
        assert one.fires == other.fires


def test_a_missing_value_neither_counts_nor_breaks() -> None:
    rule = replace(HIGH, failures=2, of=3)
    assert [one.fires for one in played(rule, every_minute(90, None, None, None, 90))] == [False] * 4 + [True]
    assert [one.fires for one in played(rule, every_minute(90, 10, 10, 90))] == [False] * 4


def test_it_started_with_the_first_that_broke_the_rule() -> None:
    last = played(replace(HIGH, failures=3, of=5), every_minute(10, 90, 10, 90, 10, 90))[-1].breach
    assert last is not None
    assert (last.fired, last.started_at, last.count, last.value) == (True, 60.0, 3, 90.0)


def test_a_window_is_no_longer_than_asked() -> None:
    last = played(replace(HIGH, failures=3, of=5), every_minute(*[90.0] * 50))[-1].breach
    assert last is not None
    assert len(last.window) == 5


def test_a_window_without_anything_that_breaks_is_forgotten() -> None:
    assert played(replace(HIGH, failures=3, of=5), every_minute(90, 10, 10, 10, 10, 10))[-1].breach is None


# Hysteresis


@given(histories, st.sampled_from([60.0, 70.0, 80.0]), st.sampled_from([">", ">="]), windows)
def test_nothing_is_over_that_has_not_come_back(
    seen: list[Seen], clear: float, operator: str, window: tuple[int, int]
) -> None:
    for failures, of in (window, (1, 0)):
        rule = replace(HIGH, operator=operator, clear_threshold=clear, failures=failures, of=of)
        before = False
        for moment in played(rule, seen):
            if before and not moment.fires:
                assert moment.value is not None
                assert moment.value <= clear
            if moment.fires and not before:
                assert moment.value is not None
                assert OPERATORS[operator](moment.value, 80.0)
            before = moment.fires


@given(histories)
def test_hysteresis_is_the_same_upside_down(seen: list[Seen]) -> None:
    above = replace(HIGH, clear_threshold=70.0)
    below = replace(HIGH, operator="<", threshold=-80.0, clear_threshold=-70.0)
    mirrored = [(at, -value if value is not None else None) for at, value in seen]
    assert [one.fires for one in played(above, seen)] == [one.fires for one in played(below, mirrored)]


def test_a_wait_needs_the_threshold_itself() -> None:
    rule = replace(HIGH, clear_threshold=60.0, duration_seconds=120.0)
    assert [one.fires for one in played(rule, every_minute(90, 70, 90, 90))] == [False] * 4
    assert [one.fires for one in played(rule, every_minute(90, 90, 90, 70, 61, 60))] == [False] * 2 + [True] * 3 + [
        False
    ]


@pytest.mark.parametrize(
    ("operator", "threshold", "clear", "value", "limit"),
    [
        (">", 80, 60, 70, 60),
        (">", 80, 60, 90, 80),
        ("<", 10, 20, 15, 20),
        ("<", 10, 20, 5, 10),
        (">", 80, None, 90, 80),
    ],
)
def test_what_an_alert_says_of_its_value_is_true(
    operator: str, threshold: float, clear: float | None, value: float, limit: float
) -> None:
    rule = replace(HIGH, operator=operator, threshold=threshold, clear_threshold=clear)
    breach = Breach("r", SERVER.subject, 0, 0, 1, value, "", fired=True)
    assert rules.limit(rule, breach) == limit
    assert OPERATORS[operator](value, limit)


# Keep firing


@given(histories, st.sampled_from([0.0, 45.0, 120.0]), st.sampled_from([None, 70.0]), windows)
@example([(0.0, 90.0), (60.0, 10.0), (120.0, 90.0), (180.0, 10.0), (300.0, 10.0)], 120.0, None, (1, 1))
def test_it_is_over_when_it_has_been_over_for_so_long(
    seen: list[Seen], keep: float, clear: float | None, window: tuple[int, int]
) -> None:
    for failures, of in (window, (1, 0)):
        plain = replace(HIGH, clear_threshold=clear, failures=failures, of=of)
        kept = replace(plain, keep_firing_seconds=keep)
        before: Moment | None = None
        over_since: float | None = None
        for moment in played(kept, seen):
            if moment.breach is not None and moment.fires:
                over_since = moment.breach.cleared_at
            elif before is not None and before.fires:
                since = over_since if over_since is not None else moment.at
                assert moment.at - since >= keep
            before = moment
        if of == 0 and clear is None:
            _kept_by_hand(played(kept, seen), keep)


def _kept_by_hand(moments: Sequence[Moment], keep: float) -> None:
    fires, over_since = False, None
    for moment in moments:
        if moment.value is not None:
            broken = moment.value > 80.0
            over_since = None if broken else moment.at if over_since is None else over_since
            fires = broken or (fires and over_since is not None and moment.at - over_since < keep)
        assert moment.fires == fires


def test_a_relapse_starts_the_time_anew() -> None:
    rule = replace(HIGH, keep_firing_seconds=120.0)
    found = played(rule, every_minute(90, 10, 10, 90, 10, 10, 10))
    assert [one.fires for one in found] == [True] * 6 + [False]
    assert found[3].breach is not None
    assert (found[3].breach.started_at, found[3].breach.cleared_at) == (0.0, None)


def test_a_look_without_a_value_does_not_end_it() -> None:
    rule = replace(HIGH, keep_firing_seconds=60.0)
    assert [one.fires for one in played(rule, every_minute(90, 10, None, None))] == [True, True, True, True]
    assert [one.fires for one in played(rule, every_minute(90, 10, None, 10))] == [True, True, True, False]


# Whatever is asked


asked = st.builds(
    lambda operator, window, clear, keep, duration: replace(
        HIGH,
        operator=operator,
        failures=window[0],
        of=window[1],
        clear_threshold=clear if operator in (">", ">=") else None,
        keep_firing_seconds=keep,
        duration_seconds=duration,
    ),
    st.sampled_from([">", ">=", "==", "!="]),
    st.one_of(windows, st.integers(1, 4).map(lambda failures: (failures, 0))),
    st.sampled_from([None, 60.0, 70.0]),
    st.sampled_from([0.0, 60.0, 200.0]),
    st.sampled_from([0.0, 90.0, 300.0]),
)


@given(asked, histories)
def test_a_duration_is_never_shortened(rule: Rule, seen: list[Seen]) -> None:
    before = False
    for moment in played(rule, seen):
        if moment.fires and not before:
            assert moment.breach is not None
            assert moment.at - moment.breach.started_at >= rule.duration_seconds
            breaking = [at for at, value in seen if value is not None and rules.breaks(rule, value)]
            assert moment.breach.started_at in breaking
        before = moment.fires


@given(asked, histories, st.lists(st.sampled_from([0.5, 10.0, 400.0]), max_size=40))
def test_asking_again_between_two_looks_changes_no_count(rule: Rule, seen: list[Seen], waits: list[float]) -> None:
    """A tick may confirm or end earlier than the next look would have; it never counts, and repeats itself."""
    breach: Breach | None = None
    for (at, value), wait in zip(seen, waits, strict=False):
        one = look(at, value)
        breach = rules.judge(rule, SERVER, breach, one, at, is_new=True)
        ticked = rules.judge(rule, SERVER, breach, one, at + wait, is_new=False)
        assert rules.judge(rule, SERVER, ticked, one, at + wait, is_new=False) == ticked
        if breach is not None and ticked is not None and ticked.fired == breach.fired:
            assert ticked == breach


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked, histories)
def test_a_restart_at_any_point_changes_nothing(store: str, rule: Rule, seen: list[Seen]) -> None:
    breach: Breach | None = None
    for at, value in seen:
        before = breach
        breach = rules.judge(rule, SERVER, before, look(at, value), at, is_new=True)
        name = (rules.key(rule), SERVER.subject)
        with transaction():
            subjects.keep_breaches({name: before} if before else {}, {name: breach})
        with reading():
            assert subjects.breaches([SERVER.subject]).get(name) == breach
    with transaction():
        subjects.forget([SERVER.subject])


def test_another_way_of_counting_begins_anew() -> None:
    in_a_row, window = replace(HIGH, failures=3), replace(HIGH, failures=3, of=5)
    two = played(in_a_row, every_minute(90, 90))[-1].breach
    assert rules.standing(window, two) is None
    assert rules.standing(in_a_row, played(window, every_minute(90, 90))[-1].breach) is None


def test_what_fires_outlives_another_way_of_counting() -> None:
    fired = played(HIGH, every_minute(90))[-1].breach
    window = replace(HIGH, failures=1, of=3)
    again = rules.judge(window, SERVER, fired, look(60, 95), 60, is_new=True)
    assert again is not None
    assert (again.fired, again.cleared_at, again.started_at) == (True, None, 0.0)


# Through the pipeline


def test_what_is_kept_firing_is_told_once_and_ends_by_a_tick(store: str) -> None:
    config = only_rules(replace(HIGH, keep_firing_seconds=120.0))
    for at, percent in ((0, 90), (60, 10), (120, 91), (180, 10)):
        cpu(at, percent, config)
    assert [reason for _, reason, _ in rows()] == ["triggered"]
    assert (the_alert().status, the_alert().occurrences, the_alert().metric_value) == ("triggered", 2, 91.0)
    assert tick(299, config) == 0
    assert tick(300, config) == 1
    assert the_alert().resolved_at == NOW + 300


def test_hysteresis_holds_an_alert_and_says_what_it_waits_for(store: str) -> None:
    config = only_rules(replace(HIGH, clear_threshold=60.0))
    cpu(0, 90, config)
    cpu(60, 70, config)
    assert (the_alert().status, the_alert().metric_value, the_alert().threshold) == ("triggered", 70.0, 60.0)
    cpu(120, 60, config)
    assert the_alert().status == "resolved"


def test_some_of_the_last_looks_raise_and_end_an_alert(store: str) -> None:
    config = only_rules(replace(HIGH, failures=2, of=3))
    for at, percent in ((0, 90), (60, 10), (120, 90)):
        assert not every_alert()
        cpu(at, percent, config)
    assert (the_alert().started_at, the_alert().status) == (NOW, "triggered")
    cpu(180, 10, config)
    assert the_alert().status == "resolved"


def test_what_is_kept_firing_does_not_ease(store: str) -> None:
    config = only_rules(HIGH, replace(CRITICAL, keep_firing_seconds=120.0))
    for at, percent in ((0, 97), (60, 85), (120, 85)):
        cpu(at, percent, config)
        assert the_alert().severity == "critical"
    cpu(180, 85, config)
    assert (the_alert().severity, the_alert().status) == ("warning", "triggered")


def test_a_gap_ends_no_alert_that_has_not_come_back(store: str) -> None:
    config = only_rules(replace(HIGH, clear_threshold=60.0))
    cpu(0, 90, config)
    cpu(3600, 70, config, only_observe=True)
    cpu(3660, 70, config)
    assert the_alert().status == "triggered"


def test_a_gap_lets_what_was_over_be_over_for_as_long_again(store: str) -> None:
    config = only_rules(replace(HIGH, keep_firing_seconds=120.0))
    cpu(0, 90, config)
    cpu(60, 10, config)
    cpu(3600, 10, config, only_observe=True)
    assert the_alert().status == "triggered"
    cpu(3720, 10, config)
    assert the_alert().status == "resolved"


# Edited meanwhile


@pytest.mark.parametrize("edited", [CRITICAL, replace(HIGH, severity="critical"), replace(HIGH, name="Other")])
def test_an_alert_goes_on_under_the_rule_that_takes_the_place_of_its_own(store: str, edited: Rule) -> None:
    before = only_rules(replace(HIGH, duration_seconds=60.0))
    after = only_rules(
        replace(edited, name=edited.name if edited is not CRITICAL else HIGH.name, duration_seconds=60.0)
    )
    cpu(0, 97, before)
    cpu(60, 97, before)
    pipeline.reconcile(after, NOW + 61)
    tick(62, after)
    cpu(120, 97, after)
    assert (the_alert().status, the_alert().severity) == ("triggered", edited.severity)
    assert the_alert().started_at == NOW


def test_the_wait_of_another_rule_is_not_taken_over(store: str) -> None:
    patient = replace(HIGH, duration_seconds=120.0)
    cpu(0, 90, only_rules(patient))
    other = only_rules(replace(patient, name="Other", threshold=85.0))
    cpu(60, 90, other)
    cpu(120, 90, other)
    assert not every_alert()


def test_a_rule_about_another_metric_begins_anew(store: str) -> None:
    cpu(0, 90, only_rules(replace(HIGH, failures=2)))
    about_memory = only_rules(replace(HIGH, failures=2, metric_name="memory_percent"))
    one = Observation("ok", {"memory_percent": 90.0}, "", {}, SERVER.subject, NOW + 60)
    pipeline.ingest(about_memory, [one], NOW + 60)
    assert not every_alert()
