"""/health touches nothing; /ready is honest about each part, and unready only where it must be."""

from typing import Any

import pytest

import schemas
from alerting.config import Watch
from alerting.store import settings_table
from alerting.store.database import database, transaction
from alerting.store.models import Notification
from alerting.store.settings_table import SCHEDULER
from alerting.store.subjects import record
from probes import Observation
from tests.databases import database_url, store
from tests.web.team import CONFIG, NOW, Team, small_team, team
from web.health import scheduler

__all__ = ["database_url", "small_team", "store", "team"]


def tick(team: Team, ago: float = 0.0) -> None:
    with transaction():
        settings_table.put(SCHEDULER, {"at": team.now - ago, "started_at": NOW, "host": "h", "pid": 1, "missed": 0})


def look(watch: Watch, at: float) -> None:
    with transaction():
        record([(watch, Observation("ok", {}, "", {}, watch.subject, at), None)])


def wait_in_outbox(created_at: float) -> None:
    row = {
        "alert": 1,
        "fingerprint": "f",
        "organization": "acme",
        "channel": "ops",
        "reason": "triggered",
        "change": "t",
    }
    more = {"severity": "critical", "status": "pending", "created_at": created_at, "due_at": created_at, "attempts": 0}
    with transaction():
        Notification.insert(**row, **more, maybe_told=False, plain=False, outcome="").execute()


def ready(team: Team) -> tuple[int, str, dict[str, str]]:
    answer = team.page().get("/ready")
    assert answer.mimetype == "application/health+json"
    assert schemas.faults("health", answer.json) == []
    return (
        answer.status_code,
        answer.json["status"],
        {name: part["status"] for name, part in answer.json["checks"].items()},
    )


def all_well(team: Team) -> None:
    tick(team)
    for watch in CONFIG.watches:
        look(watch, team.now)


def test_health_answers_and_touches_nothing(small_team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*_: Any, **__: Any) -> None:
        raise AssertionError("/health must need nothing")

    monkeypatch.setattr(database.obj, "execute_sql", touched)
    monkeypatch.setattr(database.obj, "connect", touched)
    monkeypatch.setattr(small_team.watcher, "refresh", touched)
    page = small_team.page()
    page.set_cookie("vedette_session", "x.y")
    answer = page.get("/health?x=1", headers={"Authorization": "Bearer vdt_x"})
    assert schemas.faults("health", answer.json) == []
    assert answer.json["status"] == "ok"
    head = page.head("/health")
    assert (head.status_code, head.data, head.content_length) == (200, b"", len(answer.data))


def test_all_is_well(team: Team) -> None:
    all_well(team)
    assert ready(team) == (
        200,
        "pass",
        dict.fromkeys(("scheduler", "database", "outbox", "checks", "configuration"), "pass"),
    )
    assert team.page().head("/ready").status_code == 200


def test_a_scheduler_that_has_missed_two_ticks(team: Team) -> None:
    all_well(team)
    tick(team, ago=30)
    assert ready(team)[0] == 200
    tick(team, ago=31)
    status, worst, parts = ready(team)
    assert (status, worst, parts["scheduler"]) == (503, "fail", "fail")


@pytest.mark.parametrize(
    ("last", "migrated_at", "status"),
    [
        (None, NOW - 119, "warn"),
        (None, NOW - 121, "fail"),
        (None, None, "warn"),
        ({"at": NOW - 1}, NOW - 9999, "pass"),
        ({"at": NOW - 31}, NOW - 40, "fail"),
        ({"at": NOW + 5}, NOW - 40, "pass"),
    ],
)
def test_a_scheduler_that_never_ticked_is_given_two_minutes(last: Any, migrated_at: float | None, status: str) -> None:
    assert scheduler(last, migrated_at, NOW).status == status


@pytest.mark.parametrize("part", ["outbox", "checks", "configuration"])
def test_what_only_warns_leaves_the_page_in_rotation(team: Team, part: str) -> None:
    all_well(team)
    if part == "outbox":
        wait_in_outbox(team.now - 299)
        assert ready(team)[1] == "pass"
        team.now += 2
    elif part == "checks":
        team.now += 91
    else:
        team.watcher.rejected = ValueError("vedette.toml:3: hunter2")
    tick(team)
    status, worst, parts = ready(team)
    assert (status, worst) == (200, "warn")
    assert [name for name, verdict in parts.items() if verdict != "pass"] == [part]
    text = team.page().get("/ready").text
    assert "hunter2" not in text
    assert "website" not in text
