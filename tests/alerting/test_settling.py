"""What accidents leave behind is put right: late deliveries, races with an edited file, clocks that were set."""

from dataclasses import replace

from alerting import pipeline
from alerting.config import Channel, Config, Organization, Rule, Watch
from alerting.store import alerts, outbox, subjects
from alerting.store.database import reading, transaction
from probes import Observation

WEB = Watch("check/web", "http", "acme", 10.0, {})
CONFIG = Config(
    organizations=(Organization("acme", "Acme"),),
    watches=(WEB,),
    rules=(
        Rule("HTTP down", "http_down", "critical", "status", ">=", 2, 0, 300, ("ops",)),
        Rule("Not Observed", "check_failed", "warning", "silent_intervals", ">=", 3, 0, 300, ("ops",)),
    ),
    channels=(Channel("ops", "slack", "acme", {}),),
)
NOW = 1_000_000.0


def look(status: str, at: float) -> None:
    seen = Observation("ok", {}, status, {"kept": 1}, "check/web", at)
    pipeline.ingest(CONFIG, [replace(seen, status=status)], at)  # type: ignore[arg-type]


def claim(at: float, owner: str = "me") -> list[outbox.Claim]:
    with transaction():
        return outbox.claim("ops", owner, at)


def told() -> str | None:
    with reading():
        last = outbox.told("http_down:web:status").get("ops")
    return last.state if last else None


def test_a_trigger_that_arrives_after_its_end_is_followed_by_the_end_once_more(store: str) -> None:
    look("critical", NOW)
    late = claim(NOW)
    look("ok", NOW + 61)  # the lease has run out
    with transaction():
        outbox.delivered(claim(NOW + 62, "another"), None, NOW + 63)
    assert told() == "resolved"
    with transaction():
        outbox.delivered(late, None, NOW + 70)
    assert told() == "triggered"
    pipeline.reconcile(CONFIG, NOW + 80)
    [again] = claim(NOW + 81)
    assert (again.reason, again.repeated) == ("resolved", True)
    with transaction():
        outbox.delivered([again], None, NOW + 82)
    pipeline.reconcile(CONFIG, NOW + 90)
    assert (told(), claim(NOW + 91)) == ("resolved", [])


def test_what_was_never_seen_at_all_is_told_too(store: str) -> None:
    for at in range(0, 120, 10):
        pipeline.mark_stale(CONFIG, NOW + at, acting_since=NOW)
    with reading():
        assert [alert.fingerprint for alert in alerts.unresolved()] == ["check_failed:web:silent_intervals"]


def test_being_silent_keeps_what_the_next_look_compares_with(store: str) -> None:
    look("ok", NOW)
    pipeline.mark_stale(CONFIG, NOW + 31, acting_since=NOW)
    with reading():
        state = subjects.states()["check/web"]
    assert (state.observation.status, state.observation.facts) == ("unknown", {"kept": 1})


def test_thousands_of_silent_subjects_are_marked_on_any_database(store: str) -> None:
    many = replace(CONFIG, watches=tuple(replace(WEB, subject=f"check/{n}") for n in range(1200)))
    assert pipeline.mark_stale(many, NOW + 31, acting_since=NOW) == 0
    with reading():
        assert {state.observation.status for state in subjects.states().values()} == {"unknown"}
        assert len(subjects.states()) == 1200


def test_after_the_clock_was_set_back_nothing_waits_for_a_moment_that_is_an_hour_away(store: str) -> None:
    look("critical", NOW + 3600)
    with transaction():
        outbox.failed(outbox.claim("ops", "me", NOW + 3600), "http_500", NOW + 3700, maybe_told=False, plain=False)
        assert outbox.due_channels(NOW) == []
        outbox.forget_moments(NOW)
        assert outbox.due_channels(NOW) == ["ops"]
