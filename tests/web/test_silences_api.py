"""Silences, windows, notes, snoozing by the API: with Alice of acme, Bob who may only look, and Charlie of globex."""

from dataclasses import replace
from typing import Any

import pytest

import schemas
from alerting.config import Maintenance
from alerting.notices import rfc3339
from alerting.store import silences
from alerting.store.database import reading
from tests.databases import database_url, store
from tests.web.team import CONFIG, NOW, Team, small_team, team
from tests.web.test_api import ids, raise_alert

__all__ = ["database_url", "small_team", "store", "team"]

SILENCES, WINDOWS = "/monitoring/silences", "/monitoring/maintenance"
SILENCE: dict[str, Any] = {
    "match": {"server": "prod-*", "labels": {"team": "shop"}},
    "ends_at": rfc3339(NOW + 3600),
    "reason": "moving racks",
}
WINDOW: dict[str, Any] = {
    "name": "patches",
    "match": {"subject": "server/*"},
    "reason": "the weekly restart",
    "timezone": "Europe/Paris",
    "days": ["sat"],
    "at": "02:00",
    "lasts": "2h",
}
OURS = Maintenance("db-upgrade", "acme", {}, "new disks", starts_at=NOW - 60, ends_at=NOW + 60)
THEIRS = replace(OURS, name="theirs", organization="globex")


def without(asked: dict[str, Any], *keys: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in asked.items() if key not in keys} | more


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", [SILENCES, WINDOWS])
def test_nobody_sees_anything(small_team: Team, method: str, path: str) -> None:
    answer = small_team.client()(method, f"{path}/1" if method == "DELETE" else path)
    assert answer.status_code == 401
    assert small_team.client().post("/monitoring/alerts/1/notes", {"text": "x"}).status_code == 401


def test_a_silence_is_made_seen_and_ended(team: Team) -> None:
    alice, bob = team.client("alice"), team.client("bob")
    made = alice.post(SILENCES, SILENCE)
    assert made.status_code == 201, made.text
    one = made.json
    assert {key: one[key] for key in SILENCE} == SILENCE
    assert (one["state"], one["organization"], one["created_by"]) == ("active", "acme", "alice@example.com")
    assert (one["starts_at"], one["all"], one["open_alerts"]) == (rfc3339(NOW), False, 0)
    with reading():
        (kept,) = silences.active(NOW)
    assert dict(kept.match) == {"server": "prod-*", "team": "shop"}
    assert bob.get(f"{SILENCES}/{one['id']}").json == one
    assert ids(bob.get(SILENCES)) == [one["id"]]
    team.now += 60
    for _ in range(2):
        assert alice.delete(f"{SILENCES}/{one['id']}").status_code == 204
    ended = bob.get(f"{SILENCES}/{one['id']}").json
    assert (ended["state"], ended["ends_at"], ended["ended_by"]) == (
        "expired", rfc3339(NOW + 60), "alice@example.com",
    )  # fmt: skip
    with reading():
        assert silences.active(team.now) == []


def test_a_silence_says_how_many_open_alerts_it_is_about(team: Team) -> None:
    raise_alert(), raise_alert(number=1), raise_alert("globex", 2)
    alice = team.client("alice")
    assert alice.post(SILENCES, without(SILENCE, match={"server": "prod-1"})).json["open_alerts"] == 2
    assert alice.post(SILENCES, without(SILENCE, match={"server": "prd-1"})).json["open_alerts"] == 0
    everything = alice.post(SILENCES, without(SILENCE, "match", all=True)).json
    assert (everything["open_alerts"], everything["all"], everything["match"]) == (2, True, {})


def test_silences_by_page_and_state(team: Team) -> None:
    alice = team.client("alice")
    short, holds, to_come = (
        alice.post(SILENCES, without(SILENCE, **more)).json["id"]
        for more in ({"ends_at": rfc3339(NOW + 5)}, {}, {"starts_at": rfc3339(NOW + 1800)})
    )
    team.now += 10
    assert [ids(alice.get(f"{SILENCES}?state={state}")) for state in ("active", "scheduled", "expired")] == [
        [holds], [to_come], [short],
    ]  # fmt: skip
    first = alice.get(f"{SILENCES}?limit=2")
    assert ids(first) == [to_come, holds]
    assert ids(alice.get(f"{SILENCES}?limit=2&cursor={first.json['next_cursor']}")) == [short]
    assert alice.get(f"{SILENCES}?state=loud").status_code == 400


def test_a_silence_is_its_organizations_own(team: Team) -> None:
    alice, bob, charlie = (team.client(name) for name in ("alice", "bob", "charlie"))
    one = alice.post(SILENCES, SILENCE).json["id"]
    assert bob.post(SILENCES, SILENCE).status_code == 403
    assert bob.delete(f"{SILENCES}/{one}").status_code == 403
    assert ids(charlie.get(SILENCES)) == []
    assert charlie.get(f"{SILENCES}/{one}").status_code == charlie.delete(f"{SILENCES}/{one}").status_code == 404
    assert charlie.post(SILENCES, without(SILENCE, organization="acme")).status_code == 404
    root = team.client("root")
    assert ids(root.get(SILENCES)) == [one]
    assert root.post(SILENCES, SILENCE).status_code == 400
    assert root.post(SILENCES, without(SILENCE, organization="globex")).status_code == 201
    with reading():
        assert {silence.organization for silence in silences.active(NOW)} == {"acme", "globex"}


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        (without(SILENCE, "ends_at"), ""),
        (without(SILENCE, "reason"), ""),
        (without(SILENCE, reason="  "), "/reason"),
        (without(SILENCE, reason="x" * 1001), "/reason"),
        (without(SILENCE, "match"), "/match"),
        (without(SILENCE, match={}), "/match"),
        (without(SILENCE, all=True), "/all"),
        (without(SILENCE, match={"serverr": "x"}), "/match"),
        (without(SILENCE, match={"labels": {"server": "x"}}), "/match/labels/server"),
        (without(SILENCE, ends_at=rfc3339(NOW)), "/ends_at"),
        (without(SILENCE, ends_at=rfc3339(NOW + 367 * 86_400)), "/ends_at"),
        (without(SILENCE, ends_at="9999-12-31T23:59:59-12:00"), "/ends_at"),
        (without(SILENCE, ends_at="2027-01-15T08:59:60Z"), "/ends_at"),
        (without(SILENCE, ends_at="tomorrow"), "/ends_at"),
        (without(SILENCE, ends_at="2027-01-15T10:00:00"), "/ends_at"),
        (without(SILENCE, starts_at=rfc3339(NOW + 7200)), "/ends_at"),
        (without(SILENCE, starts_at="0001-01-01T00:00:00+14:00"), "/starts_at"),
        (without(SILENCE, created_by="mallory"), ""),
        ([], ""),
    ],
)  # fmt: skip
def test_a_bad_silence_is_told_where_and_not_stored(small_team: Team, asked: Any, pointer: str) -> None:
    answer = small_team.client("alice").post(SILENCES, asked)
    assert answer.status_code == 400, answer.text
    assert pointer in [error["pointer"] for error in answer.json["errors"]]
    assert schemas.faults("problem", answer.json) == []
    with reading():
        assert silences.page(None, None, 10, None, NOW) == []


@pytest.mark.parametrize("path", [SILENCES, WINDOWS])
@pytest.mark.parametrize("thing", ["0", "99", "9223372036854775808", "9" * 40, "x", "-1", "config:nothing", "config:"])
def test_no_such_thing(small_team: Team, path: str, thing: str) -> None:
    alice = small_team.client("alice")
    assert alice.get(f"{path}/{thing}").status_code == alice.delete(f"{path}/{thing}").status_code == 404


def test_a_window_is_made_seen_and_taken_out(team: Team) -> None:
    alice, bob = team.client("alice"), team.client("bob")
    made = alice.post(WINDOWS, WINDOW)
    assert made.status_code == 201, made.text
    one = made.json
    assert {key: one[key] for key in without(WINDOW, "lasts")} == without(WINDOW, "lasts")
    assert (one["state"], one["lasts_seconds"], one["managed_by"]) == ("scheduled", 7200, "api")
    assert (one["created_by"], one["current"]) == ("alice@example.com", None)
    saturday = {"starts_at": "2027-01-16T01:00:00.000Z", "ends_at": "2027-01-16T03:00:00.000Z"}
    assert one["next"] == saturday
    assert bob.get(f"{WINDOWS}/{one['id']}").json == one
    team.now += 17 * 3600
    holds = bob.get(f"{WINDOWS}/{one['id']}").json
    assert (holds["state"], holds["current"]) == ("active", saturday)
    assert holds["next"]["starts_at"] == "2027-01-23T01:00:00.000Z"
    assert alice.post(WINDOWS, without(WINDOW, at="03:00")).status_code == 409
    assert alice.delete(f"{WINDOWS}/{one['id']}").status_code == 204
    assert alice.delete(f"{WINDOWS}/{one['id']}").status_code == 404
    assert ids(alice.get(WINDOWS)) == []


def test_a_window_without_a_zone_is_in_the_services(small_team: Team) -> None:
    small_team.watcher.config = replace(CONFIG, service=replace(CONFIG.service, timezone="Asia/Tokyo"))
    once = without(WINDOW, "days", "at", "lasts", "timezone", starts_at="2027-01-16T02:00", ends_at="2027-01-16T04:00")
    made = small_team.client("alice").post(WINDOWS, once).json
    assert (made["timezone"], made["starts_at"]) == ("Asia/Tokyo", "2027-01-15T17:00:00.000Z")


def test_windows_of_the_file_are_listed_first_and_stay(team: Team) -> None:
    team.watcher.config = replace(CONFIG, maintenance=(OURS, THEIRS))
    alice = team.client("alice")
    made = alice.post(WINDOWS, WINDOW).json["id"]
    assert ids(alice.get(WINDOWS)) == ["config:db-upgrade", made]
    assert ids(alice.get(f"{WINDOWS}?state=active")) == ["config:db-upgrade"]
    first = alice.get(f"{WINDOWS}?limit=1")
    assert (ids(first), first.json["next_cursor"]) == (["config:db-upgrade"], "1")
    assert ids(alice.get(f"{WINDOWS}?limit=1&cursor=1")) == [made]
    kept = alice.delete(f"{WINDOWS}/config:db-upgrade")
    assert kept.status_code == 409
    assert "[maintenance.db-upgrade] in vedette.toml" in kept.json["detail"]
    assert alice.get(f"{WINDOWS}/config:db-upgrade").json["managed_by"] == "config"
    taken = alice.post(WINDOWS, without(WINDOW, name="db-upgrade"))
    assert taken.status_code == 409
    assert alice.post(WINDOWS, without(WINDOW, name="theirs")).status_code == 201


def test_a_window_is_its_organizations_own(team: Team) -> None:
    team.watcher.config = replace(CONFIG, maintenance=(OURS,))
    alice, bob, charlie = (team.client(name) for name in ("alice", "bob", "charlie"))
    one = alice.post(WINDOWS, WINDOW).json["id"]
    assert bob.post(WINDOWS, WINDOW).status_code == bob.delete(f"{WINDOWS}/{one}").status_code == 403
    assert ids(charlie.get(WINDOWS)) == []
    for thing in (one, "config:db-upgrade"):
        path = f"{WINDOWS}/{thing}"
        assert charlie.get(path).status_code == charlie.delete(path).status_code == 404
    assert charlie.post(WINDOWS, without(WINDOW, name="db-upgrade")).status_code == 201
    assert len(ids(team.client("root").get(WINDOWS))) == 3


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        (without(WINDOW, "name"), ""),
        (without(WINDOW, "reason"), ""),
        (without(WINDOW, "lasts"), ""),
        (without(WINDOW, "at"), ""),
        (without(WINDOW, "match"), "/match"),
        (without(WINDOW, cron="0 2 * * 6"), ""),
        (without(WINDOW, "days", "at", cron="0 25 * * *"), "/cron"),
        (without(WINDOW, timezone="Mars/Phobos"), "/timezone"),
        (without(WINDOW, timezone="../etc/passwd"), "/timezone"),
        (without(WINDOW, until=rfc3339(NOW)), "/until"),
        (without(WINDOW, until="9999-12-31T23:59:59-12:00"), "/until"),
        (without(WINDOW, lasts="8d"), "/lasts"),
        (without(WINDOW, name="a/b"), "/name"),
        (without(WINDOW, "days", "at", "lasts", starts_at=rfc3339(NOW - 60), ends_at=rfc3339(NOW)), "/ends_at"),
        (without(WINDOW, "days", "at", "lasts", starts_at=rfc3339(NOW + 60), ends_at=rfc3339(NOW)), "/ends_at"),
        (without(WINDOW, "days", "at", "lasts", starts_at=rfc3339(NOW + 300 * 86_400),
                 ends_at=rfc3339(NOW + 400 * 86_400)), "/ends_at"),
    ],
)  # fmt: skip
def test_a_bad_window_is_told_where_and_not_stored(small_team: Team, asked: Any, pointer: str) -> None:
    alice = small_team.client("alice")
    answer = alice.post(WINDOWS, asked)
    assert answer.status_code == 400, answer.text
    assert pointer in [error["pointer"] for error in answer.json["errors"]]
    assert ids(alice.get(WINDOWS)) == []


def test_notes_are_written_and_shown(team: Team) -> None:
    alert, alice, bob = raise_alert(), team.client("alice"), team.client("bob")
    path = f"/monitoring/alerts/{alert.id}"
    assert bob.get(path).json["notes"] == []
    made = alice.post(f"{path}/notes", {"text": "looking into it\n"})
    assert made.status_code == 201
    assert made.json == {
        "id": made.json["id"], "at": rfc3339(NOW), "by": "alice@example.com", "text": "looking into it",
    }  # fmt: skip
    alice.post(f"{path}/resolve")
    assert alice.post(f"{path}/notes", {"text": "x" * 4000}).status_code == 201
    assert [note["text"][:9] for note in bob.get(path).json["notes"]] == ["looking i", "x" * 9]
    assert bob.post(f"{path}/notes", {"text": "x"}).status_code == 403
    assert team.client("charlie").post(f"{path}/notes", {"text": "x"}).status_code == 404
    for text in ("", " \n", "x" * 4001, 7, None, "a\0b"):
        assert alice.post(f"{path}/notes", {"text": text}).status_code == 400
    assert len(bob.get(path).json["notes"]) == 2


def test_notes_on_the_page_are_escaped_and_written_there(small_team: Team) -> None:
    alert = raise_alert()
    alice, bob = ({"headers": small_team.client(name).headers} for name in ("alice", "bob"))
    page, path = small_team.page(), f"/alerts/{alert.id}"
    written = page.post(f"{path}/notes", data={"text": "<script>alert(1)</script>\r\ntwo"}, **alice)
    assert (written.status_code, written.location) == (303, f"{path}#notes")
    shown = page.get(path, **alice).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\ntwo" in shown
    assert "<script>alert" not in shown
    assert "alice@example.com" in shown
    assert "<textarea" in shown
    assert "<textarea" not in page.get(path, **bob).text
    assert page.post(f"{path}/notes", data={"text": "x"}, **bob).status_code == 403
    for text in ("", " ", "x" * 4001, "a\0b"):
        assert page.post(f"{path}/notes", data={"text": text}, **alice).status_code == 400


def test_an_acknowledgement_lasts_as_long_as_it_says(team: Team) -> None:
    alert, alice = raise_alert(), team.client("alice")
    path = f"/monitoring/alerts/{alert.id}/acknowledge"
    assert alice.post(path).json["acknowledged_until"] == rfc3339(NOW + 4 * 3600)
    assert alice.post(path, {"minutes": 300}).json["acknowledged_until"] == rfc3339(NOW + 5 * 3600)
    assert alice.post(path, {"expires_in_seconds": 86_400}).json["acknowledged_until"] == rfc3339(NOW + 86_400)
    for asked in (
        {"minutes": 0},
        {"minutes": 1e9},
        {"minutes": 5, "expires_in_seconds": 300},
        {"for": 3},
        {"minutes": "5"},
    ):
        assert alice.post(path, asked).status_code == 400, asked


def test_an_alert_is_snoozed(team: Team) -> None:
    alert, alice, bob = raise_alert(), team.client("alice"), team.client("bob")
    path = f"/monitoring/alerts/{alert.id}"
    assert alice.post(f"{path}/snooze", {"minutes": 30}).json["snoozed_until"] == rfc3339(NOW + 1800)
    later = rfc3339(NOW + 86_400)
    assert alice.post(f"{path}/snooze", {"until": later}).json["snoozed_until"] == later
    assert bob.get(path).json["snoozed_until"] == later
    assert bob.post(f"{path}/snooze", {"minutes": 30}).status_code == 403
    assert team.client("charlie").post(f"{path}/snooze", {"minutes": 30}).status_code == 404
    past, far = rfc3339(NOW), rfc3339(NOW + 367 * 86_400)
    for asked in ({}, {"minutes": 0}, {"minutes": 5, "until": later}, {"until": past}, {"until": far}, {"until": "x"}):
        assert alice.post(f"{path}/snooze", asked).status_code == 400, asked
    alice.post(f"{path}/resolve")
    assert alice.post(f"{path}/snooze", {"minutes": 30}).status_code == 409
