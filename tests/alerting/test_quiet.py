"""What changes nothing is stored the short way, and nobody could tell from the database which way was taken."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alerting import pipeline
from alerting.config import Config, Rule
from alerting.intake import Intake
from alerting.quiet import Quiet
from alerting.store import alerts, subjects
from alerting.store.database import execute, is_sqlite, reading, transaction
from probes import Observation
from tests.alerting.heart import CONFIG, CRITICAL, DOWN, HIGH, NOW, SERVER, WEBSITE, cpu, seen
from tests.waiting import wait_until

TABLES = (
    "event", "subject", "breach", "alert", "told", "notification", "sample", "status_change", "series", "flap",
    "decision",
)  # fmt: skip
SILENT = Rule("Silent", "check_failed", "warning", pipeline.SILENT_INTERVALS, "<=", 0.0, 0)
PATIENT = replace(DOWN, failures=3)
WINDOW = replace(HIGH, failures=2, of=4, keep_firing_seconds=45.0)
SLOW = replace(HIGH, threshold=80.0, clear_threshold=15.0, keep_firing_seconds=20.0, duration_seconds=25.0)
CONFIGS = {
    "window": replace(CONFIG, rules=(WINDOW, CRITICAL, replace(DOWN, failures=2, of=3))),
    "slow": replace(CONFIG, rules=(SLOW, replace(CRITICAL, clear_threshold=90.0), PATIENT)),
    "whole": replace(CONFIG, rules=(HIGH, CRITICAL, PATIENT)),
    "low": replace(CONFIG, rules=(replace(HIGH, threshold=10.0), DOWN)),
    "no_server": replace(CONFIG, watches=(WEBSITE,)),
    "always": replace(CONFIG, rules=(SILENT,)),
    "sold": replace(CONFIG, watches=(SERVER, replace(WEBSITE, organization="other"))),
}


@dataclass
class World:
    """One run of a history; `quiet` None: the pipeline alone."""

    quiet: Quiet | None
    config: Config = CONFIGS["whole"]
    now: float = NOW
    short_cuts: int = 0
    steps: list[str] = field(default_factory=list)

    def observe(self, looks: Sequence[tuple[str, str, float | None, str | None]], ours: bool, late: float) -> None:
        made = {subject: self._look(subject, status, value, fact, late) for subject, status, value, fact in looks}
        batch = list(made.values())
        if self.quiet is None or not ours:
            pipeline.ingest(self.config, batch, self.now)
            return
        rest = self.quiet.store(self.config, batch, self.now)
        self.short_cuts += len(batch) - len(rest)
        pipeline.ingest(self.config, rest, self.now)
        self.quiet.note(self.config, rest)

    def _look(self, subject: str, status: str, value: float | None, fact: str | None, late: float) -> Observation:
        facts = {} if fact is None else {"status": fact}
        return Observation(status, {"cpu_percent": value}, f"{status}\t{value}", facts, subject, self.now - late, 0.1)  # type: ignore[arg-type]

    def edit(self, name: str) -> None:
        self.config = CONFIGS[name]
        pipeline.reconcile(self.config, self.now)

    def tick(self) -> None:
        pipeline.tick(self.config, self.now)

    def stale(self) -> None:
        pipeline.mark_stale(self.config, self.now, NOW)

    def act(self, action: str) -> None:
        with reading():
            open_alerts = sorted(alerts.unresolved(), key=lambda alert: alert.id)
        for alert in open_alerts[:1]:
            (pipeline.acknowledge if action == "acknowledge" else pipeline.resolve)(
                self.config, alert.id, "alice", self.now
            )

    def restart(self) -> None:
        if self.quiet is not None:
            self.quiet = Quiet()
            with reading():
                self.quiet.remember(subjects.states())


looks = st.tuples(
    st.sampled_from([SERVER.subject, WEBSITE.subject, WEBSITE.subject]),
    st.sampled_from(["ok", "ok", "ok", "ok", "critical", "unknown"]),
    st.sampled_from([None, 20.0, 20.0, 20.0, 85.0, 99.0, float("nan")]),
    st.sampled_from([None, None, None, "online"]),
)
doings = st.one_of(
    *[
        st.tuples(
            st.just("observe"),
            st.tuples(
                st.lists(looks, min_size=1, max_size=3),
                st.sampled_from([True, True, True, False]),
                st.sampled_from([0.0, 0.0, 0.0, 15.0]),
            ),
        )
    ]
    * 4,
    st.tuples(st.just("edit"), st.tuples(st.sampled_from(sorted(CONFIGS)))),
    st.tuples(st.just("tick"), st.just(())),
    st.tuples(st.just("stale"), st.just(())),
    st.tuples(st.just("restart"), st.just(())),
    st.tuples(st.just("act"), st.tuples(st.sampled_from(["acknowledge", "resolve"]))),
)
histories = st.lists(st.tuples(doings, st.sampled_from([0.0, 10.0, 30.0, 200.0, -20.0])), min_size=3, max_size=25)

_FINE = ("check/website", "ok", None, None)
_CALM = [(("observe", ([_FINE], True, 0.0)), 30.0)] * 4

_HOT, _COOL = ([("server/prod-1", "ok", each, None)] for each in (99.0, 20.0))
_HEATED = [(("observe", (each, True, 0.0)), 30.0) for each in (_COOL, _HOT, _COOL)]
_RESOLVED = [*_HEATED[:2], (("act", ("resolve",)), 1.0), *_HEATED[2:]]


@pytest.fixture
def empty(store: str) -> Iterator[Callable[[], None]]:
    """Empties the tables, their counters included."""

    def emptied() -> None:
        with transaction():
            for table in TABLES:
                execute(f"delete from {table}" if is_sqlite() else f"truncate {table} restart identity")
            if is_sqlite():
                execute("delete from sqlite_sequence")

    yield emptied


def played(history: Any, quiet: Quiet | None) -> tuple[World, dict[str, list[Any]]]:
    world = World(quiet)
    for (name, arguments), wait in history:
        world.now += wait
        getattr(world, name)(*arguments)
    with reading():
        return world, {table: sorted(map(repr, execute(f"select * from {table}"))) for table in TABLES}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
@example(history=_CALM)
@example(history=[*_CALM, (("edit", ("always",)), 0.0), *_CALM])
@example(history=[*_CALM, (("edit", ("sold",)), 0.0), *_CALM])
@example(history=[*_CALM, (("observe", ([("check/website", "critical", None, None)], False, 0.0)), 30.0), *_CALM])
@example(history=_HEATED)
@example(history=_RESOLVED)
@example(history=[(("edit", ("window",)), 0.0), *_HEATED, *_HEATED, *_CALM])
@example(history=[(("edit", ("slow",)), 0.0), *_HEATED, *_HEATED, *_CALM])
def test_both_ways_lead_to_the_same_database(empty: Callable[[], None], history: Any) -> None:
    empty()
    _, long_way = played(history, None)
    empty()
    _, short_way = played(history, Quiet())
    for table in TABLES:
        assert short_way[table] == long_way[table], table


def test_the_short_way_is_taken(empty: Callable[[], None]) -> None:
    empty()
    world, _ = played(_CALM, Quiet())
    assert world.short_cuts == 3


def test_what_another_process_wrote_is_seen(store: str) -> None:
    """Its failure began a breach; our next look, which we thought changed nothing, ends it."""
    quiet = Quiet()
    first = seen(WEBSITE.subject, 0)
    pipeline.ingest(CONFIG, [first], NOW)
    quiet.note(CONFIG, [first])
    pipeline.ingest(CONFIG, [seen(WEBSITE.subject, 10, "critical")], NOW + 10)
    again = seen(WEBSITE.subject, 30)
    assert quiet.may_be(CONFIG, again)
    assert quiet.store(CONFIG, [again], NOW + 30) == [again]


def test_an_alert_that_stands_takes_the_long_way(store: str) -> None:
    quiet = Quiet()
    cpu(0, 99)
    cpu(10, 20)  # resolved by itself, nothing stands any more
    cpu(20, 99)
    with reading():
        quiet.remember(subjects.states())
        (alert,) = alerts.unresolved()
    pipeline.resolve(CONFIG, alert.id, "alice", NOW + 25)  # held: its release must not be missed
    calm = seen(SERVER.subject, 30, cpu_percent=20.0)
    assert quiet.store(CONFIG, [calm], NOW + 30) == [calm]


def test_what_may_be_news_is_stored_soon_and_the_rest_together(store: str) -> None:
    stored: list[float] = []
    intake = Intake(lambda: CONFIG, lambda: stored.append(time.monotonic()))

    thread = threading.Thread(target=intake.run)
    thread.start()
    try:
        begun = time.monotonic()
        intake.put(replace(seen(WEBSITE.subject, 0), at=time.time()))
        wait_until(lambda: stored, 5, "the first look is stored")
        assert stored[0] - begun < 0.9, "what was never seen waited as if it were no news"
        for number in range(3):
            intake.put(replace(seen(WEBSITE.subject, 0), at=time.time() + number / 1000))
        wait_until(lambda: len(stored) == 2, 5, "what changed nothing is stored")
        with reading():
            assert execute("select count(*) from sample")[0][0] == 4
    finally:
        intake.end()
        thread.join(5)
    assert not thread.is_alive()


def test_nothing_is_left_behind_at_the_end(store: str) -> None:
    intake = Intake(lambda: CONFIG, lambda: None)
    pipeline.ingest(CONFIG, [seen(WEBSITE.subject, 0)], NOW)
    with reading():
        intake.remember(subjects.states())
    intake.put(seen(WEBSITE.subject, 30))
    intake.put(seen(WEBSITE.subject, 60, "critical"))
    intake.end()
    intake.run()
    with reading():
        assert subjects.states()[WEBSITE.subject].observation.status == "critical"
        assert execute("select count(*) from sample")[0][0] == 3


def test_an_inspector_may_leave_looks_out(store: str) -> None:
    intake = Intake(lambda: CONFIG, lambda: None, lambda _, batch: [one for one in batch if one.status == "ok"])
    for look in (seen(WEBSITE.subject, 0), seen(SERVER.subject, 0, "critical")):
        intake.put(look)
    intake.end()
    intake.run()
    with reading():
        assert set(subjects.states()) == {WEBSITE.subject}
