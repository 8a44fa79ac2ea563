"""Between probing and judging: nothing is lost, nothing is counted twice, and a pause of ours blames nobody."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from alerting import pipeline
from alerting.prober import Prober, _Place
from alerting.store import subjects
from alerting.store.database import Unavailable, reading
from probes import Observation
from tests.alerting.heart import CONFIG, every_alert, seen

PATIENT = replace(CONFIG, watches=tuple(replace(watch, failures=2) for watch in CONFIG.watches))


@pytest.fixture
def prober(store: str) -> Iterator[Prober]:
    """Not started: its steps are taken one by one."""
    yield Prober(lambda: PATIENT, lambda: None)


def look(subject: str = "check/website", status: str = "critical", **facts: object) -> Observation:
    return replace(seen(subject, 0, status), at=time.time(), facts=facts)


def known() -> set[str]:
    with reading():
        return set(subjects.states())


def store_all(prober: Prober, *looks: Observation) -> None:
    for one in looks:
        prober._intake.put(one)
    store_put(prober)


def store_put(prober: Prober) -> None:
    groups = [prober._intake._take()]
    while groups:
        groups[:1] = prober._intake.store_group(groups[0])


def test_one_that_cannot_be_judged_is_lost_alone_and_named(prober: Prober, caplog: pytest.LogCaptureFixture) -> None:
    store_all(prober, look("server/prod-1", bad=float("nan")), look())
    assert known() == {"check/website"}
    assert "lost an observation of server/prod-1" in caplog.text


def test_what_the_database_did_not_take_is_tried_again_and_counted_once(
    prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second half of a group fails: the first must not stay, or its second try would be a second failure."""
    ingest = pipeline.ingest

    def away(*arguments: object, only_observe: bool = False) -> int:
        if only_observe:
            raise Unavailable[0]("the database went away")
        return ingest(*arguments)  # type: ignore[arg-type]

    group = [look()]
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "ingest", away)
        with pytest.raises(Unavailable):
            prober._intake.store_group(group)
    assert known() == set()
    store_all(prober, *group)
    assert (known(), every_alert()) == ({"check/website"}, [])
    store_all(prober, look())
    assert len(every_alert()) == 1


def test_what_is_stored_already_is_not_counted_again(prober: Prober) -> None:
    """The connection broke at the commit, after it had been made: whoever sent the look is in doubt."""
    seen_once = look()
    for _ in range(3):
        store_all(prober, seen_once)
    assert every_alert() == []
    store_all(prober, look())
    assert len(every_alert()) == 1


def test_how_long_looks_are_on_their_way_is_known(prober: Prober) -> None:
    assert prober.lag(time.time()) == 0.0
    prober._intake.put(replace(look(), at=time.time() - 60))
    prober._intake._take()
    assert 60 <= prober.lag(time.time()) < 70
    prober._intake._take()
    assert prober.lag(time.time()) == 0.0


@pytest.mark.parametrize(("moved", "paused"), [(3600.0, 0.0), (-3600.0, 0.0), (0.0, 60.0)])
def test_after_a_jump_or_a_pause_the_first_look_raises_nothing(prober: Prober, moved: float, paused: float) -> None:
    prober._places = {"check/website": _Place(PATIENT.watch_of["check/website"])}
    prober._round_began = time.monotonic() - paused
    prober._distrust_after_jump(time.time() - time.monotonic() - moved)
    for _ in range(2):
        store_all(prober, look())
    assert every_alert() == []
    store_all(prober, look())
    assert len(every_alert()) == 1


def test_what_was_seen_before_a_jump_does_not_stand_for_the_first_look_after_it(prober: Prober) -> None:
    """It is judged as ever, though it is stored only now."""
    prober._places = {"check/website": _Place(PATIENT.watch_of["check/website"])}
    prober._intake.put(look(status="ok"))
    prober._distrust_after_jump(time.time() - time.monotonic() - 3600)
    store_put(prober)
    for _ in range(2):
        store_all(prober, look())
    assert every_alert() == []
    store_all(prober, look())
    assert len(every_alert()) == 1


def test_a_failure_while_we_stood_still_is_doubted_once(prober: Prober) -> None:
    for _ in range(3):
        assert every_alert() == []
        prober._round_began = time.monotonic() - 3
        failed = look()
        prober._distrust_stalled([(failed.subject, failed)])
        store_all(prober, failed)
    assert len(every_alert()) == 1


def test_an_ordinary_round_is_trusted(prober: Prober) -> None:
    prober._last = {"check/website": look(status="ok")}
    prober._round_began = time.monotonic() - 1.0
    prober._distrust_after_jump(time.time() - time.monotonic())
    for _ in range(2):
        store_all(prober, look())
    assert len(every_alert()) == 1
