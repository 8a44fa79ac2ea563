"""Accepting a drift over the API: who may, what for, and what comes of it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import schemas
from alerting import pipeline
from alerting.config import Watch
from alerting.store import baselines
from alerting.store.database import reading
from probes import Observation, Status
from tests.databases import database_url, store
from tests.web.team import CONFIG, NOW, Team, small_team, team

__all__ = ["database_url", "small_team", "store", "team"]

CRM = Watch("check/crm", "info", "acme", 30.0, {"url": "http://a"})
FIXED = replace(CRM, subject="check/fixed", config={"url": "http://a", "baseline": {}})
WATCHING = replace(CONFIG, watches=(*CONFIG.watches, CRM, FIXED))
OUTSIDE = {"baseline": None, "compared_at": None, "told": []}


@pytest.fixture
def watching(team: Team) -> Iterator[Team]:
    """The team with two info checks."""
    team.watcher.config = WATCHING
    yield team


def saw(document: Any, at: float, status: Status = "ok", subject: str = CRM.subject, **facts: Any) -> None:
    facts = {"document": document, "drift": OUTSIDE, **facts}
    pipeline.ingest(WATCHING, [Observation(status, {}, "it is as it is", facts, subject, NOW + at)], NOW + at)


def kept() -> dict[str, Any]:
    with reading():
        return dict(baselines.fresh(baselines.NONE).documents)


def test_the_first_good_answer_is_the_baseline_and_stays_it(watching: Team) -> None:
    saw({"n": 0}, 0, "critical")
    assert kept() == {}
    saw({"n": 1}, 1)
    saw({"n": 2}, 2)
    saw(None, 3, subject=FIXED.subject)
    assert kept() == {"check/crm": {"n": 1}}


@pytest.mark.parametrize("then", [(), (replace(CRM, organization="globex"),)])
def test_what_is_watched_no_longer_or_by_others_is_forgotten(watching: Team, then: tuple[Watch, ...]) -> None:
    saw({"n": 1}, 1)
    pipeline.reconcile(WATCHING, NOW + 2)
    assert kept() == {"check/crm": {"n": 1}}
    pipeline.reconcile(replace(CONFIG, watches=(*CONFIG.watches, *then)), NOW + 3)
    assert kept() == {}


def test_the_last_answer_is_accepted_whatever_it_says(watching: Team) -> None:
    saw({"n": 1}, 1)
    saw({"n": 2}, 2, "critical")
    answer = watching.client("alice").post("/monitoring/checks/crm/accept")
    assert (answer.status_code, answer.json["id"], answer.json["accepted_by"]) == (200, "crm", "alice@example.com")
    assert kept() == {"check/crm": {"n": 2}}


def test_others_see_that_it_was_moved_and_read_no_more_than_they_must(watching: Team) -> None:
    saw({"n": 1}, 1)
    with reading():
        known = baselines.fresh(baselines.NONE)
        assert baselines.fresh(known) is known
    saw({"n": 2}, 2)
    watching.now = NOW - 5000  # a clock set back does not hide it
    assert watching.client("alice").post("/monitoring/checks/crm/accept", {}).status_code == 200
    with reading():
        assert baselines.fresh(known).documents == {"check/crm": {"n": 2}}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("crm", "crm has not been looked at yet"),
        ("website", "website is of the kind http, which has no baseline"),
        ("fixed", "the configuration itself sets what fixed is compared with"),
    ],
)
def test_where_there_is_nothing_to_accept_that_is_a_conflict(watching: Team, name: str, said: str) -> None:
    answer = watching.client("alice").post(f"/monitoring/checks/{name}/accept")
    assert (answer.status_code, answer.json["detail"]) == (409, said)
    assert schemas.faults("problem", answer.json) == []


def test_a_look_that_saw_no_answer_cannot_be_accepted(watching: Team) -> None:
    saw({"n": 1}, 1)
    pipeline.ingest(WATCHING, [Observation("critical", {}, "HTTP 503", {}, CRM.subject, NOW + 2)], NOW + 2)
    answer = watching.client("alice").post("/monitoring/checks/crm/accept")
    assert answer.status_code == 409
    assert answer.json["detail"].endswith("saw no answer that can be kept: HTTP 503")
    assert kept() == {"check/crm": {"n": 1}}


def test_it_takes_the_permission_to_acknowledge(watching: Team) -> None:
    saw({"n": 1}, 1)
    path = "/monitoring/checks/crm/accept"
    assert watching.client().post(path).status_code == 401
    assert watching.client("bob").post(path).status_code == 403
    assert watching.client("charlie").post(path).status_code == 404
    assert watching.client("alice").post("/monitoring/checks/none/accept").status_code == 404
    assert watching.client("alice").post(path, {"by": "me"}).status_code == 400
