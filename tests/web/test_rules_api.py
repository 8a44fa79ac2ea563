"""Rules by the API, told with Alice of acme, Bob who may only look, and Charlie of globex."""

import json
from dataclasses import replace
from typing import Any

import pytest

import schemas
from alerting import pipeline
from alerting.notices import rfc3339
from alerting.overlay import Overlay
from alerting.store import history, rules
from alerting.store.database import reading, transaction
from probes import Observation
from tests.databases import database_url, store
from tests.web.team import CONFIG, NOW, Team, small_team, team

__all__ = ["database_url", "small_team", "store", "team"]

RULES = "/monitoring/alerts/rules"
RULE: dict[str, Any] = {
    "name": "Warm CPU",
    "description": "Warmer than we like.",
    "alert_type": "cpu_high",
    "severity": "warning",
    "metric_name": "cpu_percent",
    "operator": ">=",
    "threshold": 60,
    "duration_seconds": 0,
    "cooldown_seconds": 600,
    "notify_channels": ["mail"],
    "is_active": True,
    "failures": 2,
    "of": 3,
    "clear_threshold": 50,
    "keep_firing_seconds": 30,
    "subjects": ["server/prod-*"],
    "labels": {"team": "shop"},
    "escalate_after_seconds": 900,
    "escalate_to": ["ops", "email"],
}

LEAST = {key: RULE[key] for key in ("name", "alert_type", "severity", "metric_name", "threshold")}


def rule(*without: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in {**RULE, **more}.items() if key not in without}


def pointers(answer: Any) -> list[str]:
    assert answer.status_code == 400, answer.text
    assert schemas.faults("problem", answer.json) == []
    return [error["pointer"] for error in answer.json["errors"]]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", RULES), ("POST", RULES), ("GET", f"{RULES}/1"), ("PUT", f"{RULES}/1"), ("DELETE", f"{RULES}/1")],
)
def test_strangers_see_and_change_nothing(small_team: Team, method: str, path: str) -> None:
    assert small_team.client()(method, path, json=RULE).status_code == 401


def test_a_rule_is_made_seen_changed_and_deleted(team: Team) -> None:
    alice, bob = team.client("alice"), team.client("bob")
    answer = alice.post(RULES, RULE)
    assert answer.status_code == 201, answer.text
    made = answer.json
    assert {key: made[key] for key in RULE} == RULE
    assert (made["managed_by"], made["organization"], made["created_by"]) == ("api", "acme", "alice@example.com")
    assert isinstance(made["id"], int)
    assert bob.get(f"{RULES}/{made['id']}").json == made
    team.now += 60
    changed = alice(
        "PUT",
        f"{RULES}/{made['id']}",
        {**made, "threshold": 70, "of": None, "escalate_to": []} | {"escalate_after_seconds": None},
    )
    assert changed.status_code == 200, changed.text
    after = bob.get(f"{RULES}/{made['id']}").json
    assert after == changed.json
    assert (after["id"], after["threshold"], after["of"], after["escalate_to"]) == (made["id"], 70, None, [])
    assert after["changed_at"] > after["created_at"] == made["created_at"]
    assert alice.delete(f"{RULES}/{made['id']}").status_code == 204
    for call in (alice.get, alice.delete):
        assert call(f"{RULES}/{made['id']}").status_code == 404
    assert alice("PUT", f"{RULES}/{made['id']}", RULE).status_code == 404


def test_what_is_left_out_is_as_in_the_file(team: Team) -> None:
    made = team.client("alice").post(RULES, LEAST).json
    assert (made["operator"], made["duration_seconds"], made["cooldown_seconds"]) == (">", 300, 3600)
    assert (made["failures"], made["of"], made["clear_threshold"], made["is_active"]) == (1, None, None, True)
    timed = team.client("alice").post(RULES, {**LEAST, "name": "Timed", "duration_seconds": "5m"}).json
    assert timed["duration_seconds"] == 300


def test_all_rules_are_listed_with_what_manages_them(team: Team) -> None:
    alice = team.client("alice")
    alice.post(RULES, RULE)
    listed = {one["name"]: one for one in alice.get(RULES).json["items"]}
    assert {name: one["managed_by"] for name, one in listed.items()} == {
        "Slow": "config", "Warm CPU": "api", "High CPU": "default",
    }  # fmt: skip
    for one in listed.values():
        assert alice.get(f"{RULES}/{one['id']}").json == one
    assert [one["name"] for one in alice.get(f"{RULES}?managed_by=api").json["items"]] == ["Warm CPU"]
    assert alice.get(f"{RULES}?managed_by=me").status_code == 400


@pytest.mark.parametrize(("name", "managed_by"), [("Slow", "config"), ("High CPU", "default")])
def test_what_is_managed_elsewhere_cannot_be_changed_here(small_team: Team, name: str, managed_by: str) -> None:
    alice = small_team.client("alice")
    (found,) = [one for one in alice.get(RULES).json["items"] if one["name"] == name]
    for answer in (alice("PUT", f"{RULES}/{found['id']}", RULE), alice.delete(f"{RULES}/{found['id']}")):
        assert (answer.status_code, answer.json["managed_by"]) == (409, managed_by)
        assert schemas.faults("problem", answer.json) == []


def test_nothing_crosses_from_one_organization_to_another(team: Team) -> None:
    alice, charlie, root = team.client("alice"), team.client("charlie"), team.client("root")
    theirs = charlie.post(RULES, rule("notify_channels", "escalate_to", "escalate_after_seconds")).json
    assert theirs["organization"] == "globex"
    assert theirs["id"] not in [one["id"] for one in alice.get(RULES).json["items"]]
    assert alice.get(f"{RULES}/{theirs['id']}").status_code == 404
    assert alice("PUT", f"{RULES}/{theirs['id']}", RULE).status_code == 404
    assert alice.delete(f"{RULES}/{theirs['id']}").status_code == 404
    assert alice.post(RULES, rule(organization="globex")).status_code == 404
    assert pointers(charlie.post(RULES, rule(name="Other"))) == ["/notify_channels/0", "/escalate_to/0"]
    assert pointers(root.post(RULES, RULE)) == ["/organization"]
    assert root.post(RULES, rule(organization="acme")).status_code == 201
    assert pointers(
        root(
            "PUT",
            f"{RULES}/{theirs['id']}",
            rule("notify_channels", "escalate_to", "escalate_after_seconds", organization="acme"),
        )
    ) == ["/organization"]


def test_one_who_may_only_look_changes_nothing(small_team: Team) -> None:
    made = small_team.client("alice").post(RULES, RULE).json
    bob = small_team.client("bob")
    for answer in (
        bob.post(RULES, RULE),
        bob("PUT", f"{RULES}/{made['id']}", RULE),
        bob.delete(f"{RULES}/{made['id']}"),
    ):
        assert answer.status_code == 403
    assert small_team.client("alice", "org.monitoring.view").get(RULES).status_code == 403


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], [""]),
        ({}, ["", "", "", "", ""]),
        (rule(threshold="80"), ["/threshold"]),
        (rule(severity="loud"), ["/severity"]),
        (rule(operator="=>"), ["/operator"]),
        (rule(alert_type="cpu"), ["/alert_type"]),
        (rule(name=""), ["/name"]),
        (rule(unknown=1), [""]),
        (rule(failures=4), ["/of"]),
        (rule(failures=0), ["/failures"]),
        (rule(clear_threshold=61), ["/clear_threshold"]),
        (rule(operator="=="), ["/clear_threshold"]),
        (rule(duration_seconds=-1), ["/duration_seconds"]),
        (rule(cooldown_seconds="400d"), ["/cooldown_seconds"]),
        (rule(notify_channels=["mail", "gone"]), ["/notify_channels/1"]),
        (rule("escalate_to"), ["/escalate_after_seconds"]),
        (rule("escalate_after_seconds"), ["/escalate_to"]),
        (rule(escalate_to=["gone"]), ["/escalate_to/0"]),
        (rule(labels={"team": 3}), ["/labels/team"]),
        (rule(kinds=["htpp"]), ["/kinds/0"]),
        (rule(name="Slow", severity="critical"), ["/name"]),
        (rule(failures=4, threshold="x"), ["/threshold", "/of"]),
    ],
)
def test_an_impossible_rule_is_refused_with_its_fields_named(small_team: Team, body: Any, expected: list[str]) -> None:
    alice = small_team.client("alice")
    before = alice.get(RULES).json
    assert pointers(alice.post(RULES, body)) == expected
    assert alice.get(RULES).json == before
    made = alice.post(RULES, RULE).json
    assert pointers(alice("PUT", f"{RULES}/{made['id']}", body)) == expected
    assert alice.get(f"{RULES}/{made['id']}").json == made


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b'{"threshold": 1e999}', b'{"threshold": NaN}', b'"' + b"x" * 1_100_000]
)
def test_what_is_no_document_is_refused(small_team: Team, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = small_team.client("alice")("POST", RULES, data=body, headers=headers)
    assert answer.status_code in (400, 413)


def test_two_rules_of_one_name_need_two_severities(small_team: Team) -> None:
    alice = small_team.client("alice")
    made = alice.post(RULES, RULE).json
    assert pointers(alice.post(RULES, RULE)) == ["/name"]
    assert alice.post(RULES, rule(severity="critical")).status_code == 201
    assert alice("PUT", f"{RULES}/{made['id']}", rule(threshold=61)).status_code == 200
    assert pointers(alice("PUT", f"{RULES}/{made['id']}", rule(severity="critical"))) == ["/name"]


def test_a_rule_is_in_force_at_once_where_it_was_made_and_elsewhere_when_looked_for(team: Team) -> None:
    elsewhere, here = Overlay(), team.app.extensions["vedette"]
    elsewhere.refresh()
    assert elsewhere.over(CONFIG) is CONFIG
    made = team.client("alice").post(RULES, RULE).json
    assert [one.id for one in here.config.rules if one.managed_by == "api"] == [made["id"]]
    assert here.config is here.config
    assert elsewhere.refresh()
    whole = elsewhere.over(CONFIG)
    assert [one.name for one in whole.rules] == ["Slow", "Theirs", "Warm CPU", "High CPU"]
    assert not elsewhere.refresh()
    assert elsewhere.over(CONFIG) is whole
    team.client("alice").delete(f"{RULES}/{made['id']}")
    assert here.config is CONFIG
    assert elsewhere.refresh()
    assert elsewhere.over(CONFIG) is CONFIG


def test_what_the_rule_asks_is_asked(team: Team) -> None:
    alice = team.client("alice")
    made = alice.post(RULES, rule("failures", "of")).json
    config = team.app.extensions["vedette"].config
    pipeline.ingest(config, [Observation("ok", {"cpu_percent": 65.0}, "", {}, "server/prod-1", NOW)], NOW)
    (alert,) = alice.get("/monitoring/alerts").json["items"]
    assert (alert["rule"], alert["threshold"]) == (made["name"], 60)


def test_a_channel_that_is_gone_from_the_file_leaves_the_severity_policy(team: Team) -> None:
    alice = team.client("alice")
    alice.post(RULES, RULE)
    overlay = Overlay()
    overlay.refresh()
    (found,) = [one for one in overlay.over(replace(CONFIG, channels=())).rules if one.managed_by == "api"]
    assert (found.notify_channels, found.escalate_to) == ((), ("email",))


def test_a_rule_this_version_does_not_understand_harms_nobody(store: str) -> None:
    with transaction():
        rules.add("acme", {"name": "From the future"}, "alice", NOW)
    overlay = Overlay()
    overlay.refresh()
    with reading():
        assert len(rules.listed()) == 1
    assert {one.name for one in overlay.over(CONFIG).rules} == {one.name for one in CONFIG.rules}


# Backtest


def observe(team: Team, *values: float, subject: str = "server/prod-1") -> None:
    """A minute apart, up to now."""
    config = replace(CONFIG, rules=())
    for number, value in enumerate(reversed(values)):
        at = NOW - 60.0 * number
        watch = config.watch_of[subject]
        with transaction():
            history.open_series([watch])
            one = Observation("ok", {"cpu_percent": value}, "", {}, subject, at)
            history.append([history.row(watch, one, json.dumps(dict(one.values)))])


def test_a_backtest_says_when_it_would_have_fired(team: Team) -> None:
    alice = team.client("alice")
    observe(team, 10, 70, 75, 20, 20)
    made = alice.post(RULES, {**LEAST, "operator": ">=", "duration_seconds": 0}).json
    answer = alice.post(f"{RULES}/{made['id']}/backtest?since=1h")
    assert answer.status_code == 200, answer.text
    found = answer.json
    assert (found["fires"], found["messages"], found["firing_seconds"]) == (1, 2, 120)
    assert (found["hours_before"], found["left_out"], found["rule"]["id"]) == (None, [], made["id"])
    (subject,) = found["subjects"]
    (fire,) = subject["fires"]
    assert (subject["subject"], subject["looks"], fire["value"]) == (
        "server/prod-1",
        4,
        75,
    )  # the one at this very moment is still to come
    assert (fire["started_at"], fire["ended_at"]) == (rfc3339(NOW - 180), rfc3339(NOW - 60))
    ours = alice.post(f"{RULES}/default:High CPU:warning/backtest").json
    assert (ours["fires"], [one["subject"] for one in ours["subjects"]]) == (0, ["server/prod-1"])
    assert alice.post(f"{RULES}/{made['id']}/backtest?since=30d").json["hours_before"] is not None


@pytest.mark.parametrize("since", ["", "yesterday", "0d", "-1d", "7 d", "400d", "1e3", "9" * 30])
def test_a_backtest_of_no_time_is_refused(small_team: Team, since: str) -> None:
    answer = small_team.client("alice").post(f"{RULES}/default:High CPU:warning/backtest?since={since}")
    assert pointers(answer) == ["/since"]


def test_a_backtest_of_what_is_not_there_or_not_ones_own(small_team: Team) -> None:
    alice, charlie = small_team.client("alice"), small_team.client("charlie")
    assert alice.post(f"{RULES}/17/backtest").status_code == 404
    assert alice.post(f"{RULES}/config:Theirs:critical/backtest").status_code == 404
    assert small_team.client().post(f"{RULES}/17/backtest").status_code == 401
    subject = "/backtest?subject=check/website"
    assert pointers(alice.post(f"{RULES}/default:High CPU:warning{subject}")) == ["/subject"]
    assert pointers(charlie.post(f"{RULES}/config:Theirs:critical{subject}")) == ["/subject"]
