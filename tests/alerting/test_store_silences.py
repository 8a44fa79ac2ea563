"""Silences, windows and notes in both databases."""

from dataclasses import replace

import pytest

from alerting.config import Maintenance, Silence
from alerting.store import alerts, maintenance, notes, silences
from alerting.store.database import reading, transaction
from tests.alerting.test_silences import ALERT
from tests.databases import database_url, store

__all__ = ["database_url", "store"]

NOW = 1_800_000_000.0
QUIET = Silence(0, "acme", {"server": "prod-*", "team": "shop"}, NOW, NOW + 60, "x", "alice", NOW)
WEEKLY = Maintenance(
    "patches", "acme", {}, "restart", "Europe/Paris", days=("sat", "sun"), at="02:00", lasts=7200.0,
    managed_by="api", created_by="alice", created_at=NOW,
)  # fmt: skip
ONCE = Maintenance(
    "disks", "acme", {"subject": "server/*"}, "new disks", starts_at=NOW, ends_at=NOW + 60,
    managed_by="api", created_by="alice", created_at=NOW,
)  # fmt: skip


@pytest.fixture(autouse=True)
def connection(store: str) -> object:
    with reading():
        yield


def test_a_silence_is_there_while_it_lasts() -> None:
    made = silences.add(QUIET)
    assert made == replace(QUIET, id=made.id)
    assert made.id > 0
    assert silences.get(made.id) == made
    later = silences.add(replace(QUIET, starts_at=NOW + 30))
    assert silences.active(NOW - 0.1) == []
    assert silences.active(NOW) == [made]
    assert silences.active(NOW + 30) == [made, later]
    assert silences.active(NOW + 60) == []


def test_a_silence_ended_by_hand_is_kept_and_says_by_whom() -> None:
    made = silences.add(QUIET)
    assert silences.end(made.id, "bob", NOW + 10) == replace(made, ends_at=NOW + 10, ended_by="bob")
    assert silences.active(NOW + 10) == []
    assert silences.end(made.id, "charlie", NOW + 20) == replace(made, ends_at=NOW + 10, ended_by="bob")
    assert silences.end(made.id + 1, "bob", NOW) is None


def test_silences_by_page_and_state() -> None:
    over, holds, to_come, theirs = (
        silences.add(one).id
        for one in (
            replace(QUIET, ends_at=NOW + 5),
            QUIET,
            replace(QUIET, starts_at=NOW + 30),
            replace(QUIET, organization="globex"),
        )
    )

    def ids(organizations: list[str] | None, before: int | None, limit: int, state: str | None = None) -> list[int]:
        return [one.id for one in silences.page(organizations, before, limit, state, NOW + 10)]

    assert ids(["acme"], None, 2) == [to_come, holds]
    assert ids(["acme"], holds, 2) == [over]
    assert ids(None, None, 9) == [theirs, to_come, holds, over]
    assert [ids(["acme"], None, 9, state) for state in ("active", "scheduled", "expired")] == [
        [holds], [to_come], [over],
    ]  # fmt: skip
    assert silences.prune(NOW + 6) == 1
    assert ids(None, None, 9) == [theirs, to_come, holds]


def test_a_window_comes_back_as_it_was_made() -> None:
    made = [maintenance.add(WEEKLY), maintenance.add(ONCE)]
    assert [one and replace(one, id=0) for one in made] == [WEEKLY, ONCE]
    assert maintenance.standing(NOW) == made
    assert maintenance.listed(["acme"]) == made[::-1]
    assert maintenance.listed(["globex"]) == []
    assert [maintenance.get(one.id) for one in made if one] == made
    assert maintenance.standing(NOW + 60) == made[:1]
    assert maintenance.prune(NOW + 61) == 1
    assert maintenance.listed(None) == made[:1]


def test_a_name_is_taken_once_in_an_organization() -> None:
    first = maintenance.add(WEEKLY)
    assert first is not None
    assert maintenance.add(replace(ONCE, name="patches")) is None
    assert maintenance.add(replace(WEEKLY, organization="globex")) is not None
    assert maintenance.remove(first.id)
    assert not maintenance.remove(first.id)
    assert maintenance.add(WEEKLY) is not None


def test_a_window_that_began_before_its_until_still_lasts() -> None:
    until = maintenance.add(replace(WEEKLY, until=NOW))
    assert maintenance.standing(NOW + 7199) == [until]
    assert maintenance.standing(NOW + 7200) == []


def test_notes_go_with_their_alert() -> None:
    with transaction():
        kept, gone = alerts.save(ALERT), alerts.save(replace(ALERT, fingerprint="other", resolved_at=NOW))
    first = notes.add(kept.id, "looking\ninto it", "alice", NOW)
    second = notes.add(kept.id, "mended", "bob", NOW + 1)
    notes.add(gone.id, "x", "bob", NOW)
    assert notes.of_alert(kept.id) == [first, second]
    assert notes.count(kept.id) == 2
    with transaction():
        alerts.prune(NOW + 1)
    assert notes.prune() == 1
    assert notes.of_alert(gone.id) == []
    assert notes.of_alert(kept.id) == [first, second]
