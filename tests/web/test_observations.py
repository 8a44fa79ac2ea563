"""The past over the API: look by look or by the hour, newest first, to those alone whose it is."""

from typing import Any

import pytest

import schemas
from alerting import pipeline
from alerting.store import history
from probes import Observation
from tests.databases import database_url, store
from tests.web.team import CONFIG, NOW, Team, team

__all__ = ["database_url", "store", "team"]

CHECK = "/monitoring/checks/website/observations"


def look(number: int, status: Any = "ok", subject: str = "check/website", seconds: float | None = 0.5) -> None:
    at = NOW + 30.0 * number
    seen = Observation(status, {"total_seconds": seconds}, f"look {number}", {}, subject, at, 0.25)
    pipeline.ingest(CONFIG, [seen], at)


def moments(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["at"] for item in answer.json["items"]]


def test_looks_are_told_newest_first(team: Team) -> None:
    look(0)
    look(1, "critical", seconds=None)
    answer = team.client("bob").get(CHECK)
    assert answer.json == {
        "items": [
            {
                "at": "2027-01-15T08:00:30.000Z",
                "status": "critical",
                "values": {"total_seconds": None, "silent_intervals": 0.0},
                "message": "look 1",
                "duration_seconds": 0.25,
            },
            {
                "at": "2027-01-15T08:00:00.000Z",
                "status": "ok",
                "values": {"total_seconds": 0.5, "silent_intervals": 0.0},
                "duration_seconds": 0.25,
            },
        ],
        "next_cursor": None,
    }


def test_pages_follow_each_other_over_packed_hours_and_fresh_ones(team: Team) -> None:
    for number in range(250):
        look(number)
    client = team.client("alice")
    whole = moments(client.get(f"{CHECK}?limit=500"))
    for number in history.all_series():
        history.pack_hours(number, NOW + 30.0 * 250)
    found: list[str] = []
    answer = client.get(f"{CHECK}?limit=60")
    while True:
        found += moments(answer)
        if answer.json["next_cursor"] is None:
            break
        answer = client.get(f"{CHECK}?limit=60&cursor={answer.json['next_cursor']}")
    assert (len(whole), found) == (250, whole)


def test_since_and_until_bound_what_is_told(team: Team) -> None:
    for number in range(4):
        look(number)
    client = team.client("alice")
    for since, until in (("08:00:30Z", "08:01:30Z"), ("09:00:30%2B01:00", "09:01:30+01:00")):
        answer = client.get(f"{CHECK}?since=2027-01-15T{since}&until=2027-01-15T{until}")
        assert moments(answer) == ["2027-01-15T08:01:00.000Z", "2027-01-15T08:00:30.000Z"]


def test_hours_are_told_with_least_mean_and_most(team: Team) -> None:
    look(0, seconds=1)
    look(1, "critical", seconds=None)
    look(2, seconds=4)
    (hour,) = team.client("alice").get(f"{CHECK}?resolution=hour").json["items"]
    assert hour == {
        "at": "2027-01-15T08:00:00.000Z",
        "status": "critical",
        "statuses": {"ok": 2, "critical": 1},
        "count": 3,
        "values": {
            "total_seconds": {"min": 1, "avg": 2.5, "max": 4, "last": 4, "count": 2},
            "silent_intervals": {"min": 0.0, "avg": 0.0, "max": 0.0, "last": 0.0, "count": 3},
        },
        "duration_seconds": 0.25,
    }


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("since=yesterday", "/since"),
        ("until=2027-01-15T08:00:00", "/until"),
        ("since=2027-01-15T08:00:00Z&until=2027-01-15T07:00:00Z", "/since"),
        ("limit=0", "/limit"),
        ("limit=501", "/limit"),
        ("cursor=-1", "/cursor"),
        ("resolution=day", "/resolution"),
    ],
)
def test_a_bad_parameter_is_named(team: Team, query: str, pointer: str) -> None:
    answer = team.client("alice").get(f"{CHECK}?{query}")
    assert answer.status_code == 400
    assert schemas.faults("problem", answer.json) == []
    assert [fault["pointer"] for fault in answer.json["errors"]] == [pointer]


def test_the_past_is_for_those_whose_it_is(team: Team) -> None:
    look(0, subject="check/theirs")
    look(0, subject="server/prod-1")
    look(0, subject="environment/shop")
    alice, charlie = team.client("alice"), team.client("charlie")
    assert alice.get("/monitoring/checks/theirs/observations").status_code == 404
    assert charlie.get(CHECK).status_code == 404
    assert alice.get("/monitoring/checks/nothing/observations").status_code == 404
    assert team.client().get(CHECK).status_code == 401
    assert len(moments(charlie.get("/monitoring/checks/theirs/observations"))) == 1
    assert len(moments(alice.get("/monitoring/servers/prod-1/observations"))) == 1
    assert len(moments(alice.get("/monitoring/environments/shop/observations"))) == 1
