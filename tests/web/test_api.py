"""Every route of the API, told with Alice of acme, Bob who may only look, and Charlie who must see nothing."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import schemas
from alerting import notices, pipeline
from alerting.config import Rule, Watch
from alerting.lifecycle import Alert, Change
from alerting.store import alerts, events, locks
from alerting.store.database import reading, transaction
from alerting.store.events import NewEvent
from probes import Observation
from tests.databases import database_url, store
from tests.web.team import CONFIG, NOW, Team, small_team, team

__all__ = ["database_url", "small_team", "store", "team"]

HEALTHY = {"status": "healthy", "cpu_percent": 12.5, "memory_percent": None, "netdata_version": "v2.10.0"}
ONLINE = {"status": "online", "lag_bytes": 0, "lag_seconds": None, "last_check": "2027-01-15T08:00:00.000Z"}
LOCK = {"app": "crm", "screen": "customers", "key": {"CUSTOMER_ID": 14}}
BACKUP = {"environment_id": "shop", "backup_id": "b1", "error_message": "disk full"}


def observe(subject: str, status: Any = "ok", facts: dict[str, Any] | None = None, at: float = NOW) -> None:
    one = Observation(status, {"seconds": 0.5}, "as seen", facts or {}, subject, at, 0.2)
    pipeline.ingest(CONFIG, [one], at)


def raise_alert(organization: str = "acme", number: int = 0, severity: str = "critical") -> Alert:
    with transaction():
        return alerts.save(
            Alert(
                fingerprint=f"http_down:website{number}:status",
                organization=organization,
                alert_type="http_down",
                subject="check/website",
                metric_name="status",
                rule="Slow",
                severity=severity,
                title="HTTP down: website",
                message="HTTP 500",
                started_at=NOW,
                triggered_at=NOW,
                last_at=NOW,
                server="prod-1",
            )
        )


def ids(answer: Any) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json["items"]]


PATHS = (
    ("GET", "/auth/me"),
    ("GET", "/monitoring/alerts"),
    ("GET", "/monitoring/alerts/1"),
    ("POST", "/monitoring/alerts/1/acknowledge"),
    ("POST", "/monitoring/alerts/1/resolve"),
    ("GET", "/monitoring/alerts/rules"),
    ("GET", "/monitoring/alerts/rules/x"),
    ("GET", "/monitoring/checks"),
    ("GET", "/monitoring/servers"),
    ("GET", "/monitoring/servers/prod-1/summary"),
    ("GET", "/monitoring/environments"),
    ("GET", "/monitoring/environments/shop/replicas/health"),
    ("GET", "/events"),
    ("POST", "/events"),
    ("POST", "/events/ticket"),
    ("GET", "/locks"),
    ("POST", "/locks"),
    ("POST", "/locks/x/renew"),
    ("DELETE", "/locks/x"),
    ("POST", "/auth/logout"),
)


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_nobody_sees_anything(small_team: Team, method: str, path: str) -> None:
    answer = small_team.client()(method, path)
    assert answer.status_code == 401
    assert schemas.faults("problem", answer.json) == []


def test_every_route_asks_for_a_permission(small_team: Team) -> None:
    open_to_all = {"/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/events/stream"}
    app = small_team.app
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/v1/") and rule.rule not in open_to_all:
            assert getattr(app.view_functions[rule.endpoint], "permission", None), rule.rule


def test_alerts_are_each_teams_own(team: Team) -> None:
    ours, theirs = raise_alert(), raise_alert("globex", 1)
    assert ids(team.client("alice").get("/monitoring/alerts")) == [ours.id]
    assert ids(team.client("bob").get("/monitoring/alerts")) == [ours.id]
    assert ids(team.client("charlie").get("/monitoring/alerts")) == [theirs.id]
    assert ids(team.client("root").get("/monitoring/alerts")) == [theirs.id, ours.id]
    assert team.client("bob").get(f"/monitoring/alerts/{ours.id}").json["title"] == "HTTP down: website"
    for method, path in (("GET", ""), ("POST", "/acknowledge"), ("POST", "/resolve")):
        assert team.client("charlie")(method, f"/monitoring/alerts/{ours.id}{path}").status_code == 404


def test_alerts_are_listed_page_by_page_and_filtered(team: Team) -> None:
    made = [raise_alert(number=number, severity="warning" if number % 2 else "critical").id for number in range(5)]
    alice, found, cursor = team.client("alice"), [], ""
    while cursor is not None:
        answer = alice.get(f"/monitoring/alerts?limit=2{cursor and '&cursor=' + cursor}")
        found += ids(answer)
        cursor = answer.json["next_cursor"]
    assert found == made[::-1]
    assert ids(alice.get("/monitoring/alerts?severity=warning")) == [made[3], made[1]]
    assert ids(alice.get("/monitoring/alerts?status=resolved")) == []
    assert len(ids(alice.get("/monitoring/alerts?alert_type=http_down&server_id=prod-1&status=triggered"))) == 5
    assert ids(alice.get("/monitoring/alerts?server_id=other")) == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "limit=1e3", "limit=-1", "limit=",
     "cursor=x", "cursor=-1",
     "cursor=99999999999999999999", "cursor=9223372036854775808", "cursor=٣", "status=fine", "severity=loud",
     "server_id=a%00b", "cursor="],
)  # fmt: skip
def test_a_bad_parameter_is_named(team: Team, query: str) -> None:
    answer = team.client("alice").get(f"/monitoring/alerts?{query}")
    assert answer.status_code == 400
    assert schemas.faults("problem", answer.json) == []


@pytest.mark.parametrize("alert_id", ["0", "99", "9223372036854775808", "9" * 40, "x", "-1"])
def test_no_such_alert(team: Team, alert_id: str) -> None:
    assert team.client("alice").get(f"/monitoring/alerts/{alert_id}").status_code == 404


def test_acknowledging_and_resolving(team: Team) -> None:
    alert, alice, bob = raise_alert(), team.client("alice"), team.client("bob")
    path = f"/monitoring/alerts/{alert.id}"
    assert bob.post(f"{path}/acknowledge").status_code == 403
    assert bob.post(f"{path}/resolve").status_code == 403
    for _ in range(2):
        seen = alice.post(f"{path}/acknowledge").json
        assert (seen["status"], seen["acknowledged_by"]) == ("acknowledged", "alice@example.com")
    for _ in range(2):
        done = alice.post(f"{path}/resolve", {}).json
        assert (done["status"], done["resolved_by"]) == ("resolved", "alice@example.com")
    assert alice.post(f"{path}/acknowledge").status_code == 409
    with reading():
        assert [event.type for event in events.after(0)] == ["alert_acknowledged", "alert_resolved"]


def test_servers_with_what_was_last_seen(team: Team) -> None:
    alice = team.client("alice")
    (pending,) = alice.get("/monitoring/servers").json["items"]
    assert (pending["id"], pending["status"], pending["streaming_status"]) == ("prod-1", "unknown", "pending")
    observe("server/prod-1", facts=HEALTHY)
    team.now += 170
    (seen,) = alice.get("/monitoring/servers").json["items"]
    assert (seen["status"], seen["streaming_status"], seen["cpu_percent"]) == ("healthy", "connected", 12.5)
    assert (seen["memory_percent"], seen["container_count"], seen["netdata_version"]) == (None, None, "v2.10.0")
    assert seen["queried_at"] == "2027-01-15T08:00:00.000Z"
    summary = alice.get("/monitoring/servers/prod-1/summary").json
    assert set(summary) == {
        "cpu_percent",
        "memory_percent",
        "memory_used_bytes",
        "memory_total_bytes",
        "disk_percent",
        "disk_used_bytes",
        "disk_total_bytes",
        "network_rx_rate",
        "network_tx_rate",
        "container_count",
        "containers_healthy",
        "containers_unhealthy",
        "status",
        "queried_at",
    }
    team.now += 20
    (stale,) = alice.get("/monitoring/servers").json["items"]
    assert (stale["status"], stale["streaming_status"]) == ("unknown", "error")
    assert stale["since"] == "2027-01-15T08:00:00.000Z"


def test_a_server_that_is_gone(small_team: Team) -> None:
    observe("server/prod-1", "critical", {"status": "unreachable"})
    (seen,) = small_team.client("bob").get("/monitoring/servers").json["items"]
    assert (seen["status"], seen["streaming_status"]) == ("unreachable", "disconnected")


def test_what_belongs_to_another_team_is_not_there(small_team: Team) -> None:
    charlie = small_team.client("charlie")
    assert ids(charlie.get("/monitoring/servers")) == ["other"]
    assert ids(charlie.get("/monitoring/checks")) == ["theirs"]
    assert ids(charlie.get("/monitoring/environments")) == []
    assert {rule["name"] for rule in charlie.get("/monitoring/alerts/rules").json["items"]} == {"High CPU", "Theirs"}
    for path in (
        "/monitoring/servers/prod-1/summary",
        "/monitoring/environments/shop/replicas/health",
        "/monitoring/alerts/rules/config:Slow:critical",
    ):
        assert charlie.get(path).status_code == 404
        assert small_team.client("bob").get(path).status_code == 200
    assert len(ids(small_team.client("root").get("/monitoring/servers"))) == 2


def test_checks_with_what_was_last_seen(team: Team) -> None:
    bob = team.client("bob")
    (never,) = bob.get("/monitoring/checks").json["items"]
    assert (never["status"], never["message"]) == ("unknown", "not looked at yet")
    observe("check/website", "warning")
    (seen,) = bob.get("/monitoring/checks").json["items"]
    assert (seen["status"], seen["message"], seen["values"]["seconds"]) == ("warning", "as seen", 0.5)
    assert (seen["kind"], seen["every_seconds"], seen["managed_by"]) == ("http", 30, "config")
    team.now += 91
    (stale,) = bob.get("/monitoring/checks").json["items"]
    assert (stale["status"], stale["message"]) == ("unknown", "not looked at since 2027-01-15T08:00:00.000Z")
    assert "PLANTED" not in bob.get("/monitoring/checks").text


def test_replicas(team: Team) -> None:
    bob, path = team.client("bob"), "/monitoring/environments/shop/replicas/health"
    unseen = bob.get(path).json
    assert (unseen["status"], unseen["error_message"], unseen["last_check"]) == ("error", "not looked at yet", None)
    observe("environment/shop", facts=ONLINE)
    health = bob.get(path).json
    assert health["environment_id"] == "shop"
    assert {name: health[name] for name in ONLINE} == ONLINE
    assert health["error_message"] is None
    (listed,) = bob.get("/monitoring/environments").json["items"]
    assert listed["replica"] == health
    assert schemas.faults("api/replica_health", health) == schemas.faults("api/replica_health", unseen) == []
    observe("environment/shop", "unknown", facts=ONLINE)
    unsure = bob.get(path).json  # the facts are those of the look before
    assert (unsure["status"], unsure["lag_bytes"], unsure["lag_seconds"]) == ("error", None, None)
    assert unsure["error_message"] == "as seen"
    team.now += 361
    stale = bob.get(path).json
    assert (stale["status"], stale["lag_bytes"]) == ("error", None)
    assert stale["error_message"] == "not looked at since 2027-01-15T08:00:00.000Z"
    assert bob.get("/monitoring/environments/nothing/replicas/health").status_code == 404


def test_rules_say_who_manages_them(small_team: Team) -> None:
    rules = {rule["name"]: rule for rule in small_team.client("alice").get("/monitoring/alerts/rules").json["items"]}
    assert {name: rule["managed_by"] for name, rule in rules.items()} == {"High CPU": "default", "Slow": "config"}
    assert (rules["High CPU"]["threshold"], rules["High CPU"]["duration_seconds"]) == (80, 300)


def test_events_go_round(team: Team) -> None:
    alice = team.client("alice")
    told = alice.post("/events", {"type": "backup.failed", "data": BACKUP, "project_id": "shop"})
    assert told.status_code == 202
    (seen,) = team.client("bob").get("/events").json["items"]
    assert seen == {
        "id": told.json["id"],
        "type": "backup.failed",
        "organization": "acme",
        "data": {**BACKUP, "project_id": "shop"},
        "timestamp": "2027-01-15T08:00:00.000Z",
    }
    assert ids(team.client("charlie").get("/events")) == []
    assert ids(alice.get(f"/events?after={told.json['id']}")) == []
    assert ids(alice.get("/events?type=backup.*,alert_triggered")) == [told.json["id"]]
    assert ids(alice.get("/events?type=deployment.*")) == []


def test_reading_on_from_page_to_page_misses_nothing(small_team: Team) -> None:
    with transaction():
        made = [
            event_id
            for number in range(1200)
            for event_id in events.append([NewEvent("x", {}, "acme" if number % 3 == 0 else "globex")], NOW)
        ][::3]
    alice, found, after = small_team.client("alice"), [], "0"
    while after is not None:
        answer = alice.get(f"/events?limit=150&after={after}")
        found += ids(answer)
        after = answer.json["next_cursor"]
    assert found == made


@pytest.mark.parametrize(
    "body",
    [
        {"type": "backup.failed", "data": {"environment_id": "shop"}},
        {"type": "backup.exploded", "data": BACKUP},
        {"type": "log.line", "data": {"time": "2027-01-15T08:00:00Z", "level": "INFO", "name": "x", "message": "x"}},
        {"type": "../config", "data": {}},
        {"type": "backup.failed", "data": []},
        {"type": "backup.failed"},
        {"type": 7, "data": BACKUP},
        {"type": "backup.failed", "data": BACKUP, "else": 1},
        {"type": "backup.failed", "data": {**BACKUP, "error_message": "a\0b"}},
        {"type": "backup.failed", "data": {**BACKUP, "error_message": "\ud800"}},
        {"type": "backup.failed", "data": {**BACKUP, "\0": 1}},
        [],
        None,
        "text",
    ],
)
def test_a_bad_event_is_told_what_is_wrong_and_not_stored(team: Team, body: Any) -> None:
    answer = team.client("alice").post("/events", data=json.dumps(body), content_type="application/json")
    assert answer.status_code == 400
    assert answer.json["errors"]
    assert schemas.faults("problem", answer.json) == []
    with reading():
        assert events.bounds() == (0, 0)


def test_events_need_their_permission_and_an_organization(small_team: Team) -> None:
    body = {"type": "backup.failed", "data": BACKUP}
    assert small_team.client("bob").post("/events", body).status_code == 403
    assert small_team.client("alice", "org.monitoring.view").post("/events", body).status_code == 403
    assert small_team.client("alice").post("/events", {**body, "organization": "globex"}).status_code == 404
    root = small_team.client("root").post("/events", body)
    assert root.status_code == 400
    assert root.json["errors"] == [{"pointer": "/organization", "message": "one of acme, globex"}]
    assert small_team.client("root").post("/events", {**body, "organization": "globex"}).status_code == 202
    assert small_team.client("root").post("/events", {**body, "organization": "nobody"}).status_code == 404


def test_a_lock_has_one_holder(team: Team) -> None:
    alice, charlie = team.client("alice"), team.client("charlie")
    taken = alice.post("/locks", {**LOCK, "stream_id": "s1"})
    assert taken.status_code == 201
    assert set(taken.json) >= {"id", "token", "expires_at"}
    assert (taken.json["key"], taken.json["holder"]) == ("CUSTOMER_ID=14", "alice@example.com")
    refused = alice.post("/locks", {**LOCK, "key": "CUSTOMER_ID=14"})
    assert (refused.status_code, refused.json["holder"]) == (409, "alice@example.com")
    assert taken.json["token"] not in refused.text
    assert schemas.faults("problem", refused.json) == []
    assert charlie.post("/locks", LOCK).status_code == 201
    assert ids(alice.get("/locks")) == [taken.json["id"]]
    assert taken.json["token"] not in alice.get("/locks").text
    for method, path in (("POST", "/renew"), ("DELETE", "")):
        body = {"token": taken.json["token"], "force": True}
        assert charlie(method, f"/locks/{taken.json['id']}{path}", json=body).status_code == 404


def test_the_token_renews_and_releases(team: Team) -> None:
    alice, bob = team.client("alice"), team.client("bob")
    taken = alice.post("/locks", LOCK).json
    path, token = f"/locks/{taken['id']}", {"token": taken["token"]}
    for wrong in ({}, {"token": "x"}, {"force": False}):
        assert alice.post(f"{path}/renew", wrong).status_code == 403
        assert alice.delete(path, wrong).status_code == 403
    team.now += 60
    assert bob.post(f"{path}/renew", token).json["expires_at"] == "2027-01-15T09:01:00.000Z"
    assert alice.delete(path, token).status_code == 204
    assert alice.delete(path, token).status_code == 404
    assert alice.post(f"{path}/renew", token).status_code == 404


def test_force_needs_the_permission(small_team: Team) -> None:
    alice, bob = small_team.client("alice"), small_team.client("bob")
    path = f"/locks/{alice.post('/locks', LOCK).json['id']}"
    assert bob.delete(f"{path}?force=true").status_code == 403
    assert bob.delete(path, {"force": True}).status_code == 403
    assert alice.delete(f"{path}?force=maybe").status_code == 400
    assert alice.delete(f"{path}?force=true").status_code == 204


def test_a_program_names_whom_it_locks_for_and_a_person_does_not(small_team: Team) -> None:
    from alerting.store import tokens

    with reading():
        secret, _ = tokens.issue("api", NOW, organization="acme", scopes=["locks.write"], name="crm")
    program = small_team.client()
    program.headers = {"Authorization": f"Bearer {secret}"}
    assert program.post("/locks", {**LOCK, "holder": "dora"}).json["holder"] == "dora"
    assert program.post("/locks", {**LOCK, "key": "K=1"}).json["holder"] == "crm"
    assert (
        small_team.client("alice").post("/locks", {**LOCK, "key": "K=2", "holder": "dora"}).json["holder"]
        == "alice@example.com"
    )


def test_an_expired_lock_is_gone(small_team: Team) -> None:
    alice = small_team.client("alice")
    taken = alice.post("/locks", LOCK).json
    small_team.now += locks.TTL
    assert ids(alice.get("/locks")) == []
    assert alice.post(f"/locks/{taken['id']}/renew", {"token": taken["token"]}).status_code == 404
    assert alice.post("/locks", LOCK).status_code == 201


@pytest.mark.parametrize(
    "change",
    [{"key": {}}, {"key": ""}, {"key": 14}, {"key": {"A": []}}, {"key": {"A": {"B": 1}}}, {"app": ""},
     {"app": "x" * 101}, {"screen": None}, {"stream_id": 7},
     {"key": {"a": 1e400}}, {"key": {f"k{n}": n for n in range(21)}}, {"more": 1}],
)  # fmt: skip
def test_a_bad_lock_is_not_taken(small_team: Team, change: dict[str, Any]) -> None:
    body = json.dumps({**LOCK, **change}).replace("Infinity", "1e400")
    answer = small_team.client("alice").post("/locks", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert ids(small_team.client("alice").get("/locks")) == []


@pytest.fixture
def produced() -> Iterator[list[NewEvent]]:
    """Every event our own code makes of what happens."""
    alert = Alert(
        "f", "acme", "cpu_high", "server/prod-1", "cpu_percent", "r", "warning", "t", "m", NOW, NOW, NOW, id=7,
        acknowledged_by="alice", acknowledged_at=NOW, resolved_at=NOW,
    )  # fmt: skip
    rule = Rule("r", "cpu_high", "warning", "cpu_percent")
    made = [
        event for move in ("triggered", "escalated", "resolved") for event in notices.changed(Change(move, alert, rule))
    ]
    made += [notices.acknowledged(alert), notices.notification("notification.sent", "ops", [7], "triggered", "acme")]
    made += [notices.notification("notification.failed", "ops", [7], "timeout", "acme")]
    facts: tuple[dict[str, Any], ...] = ({}, HEALTHY, ONLINE, {**ONLINE, "status": "offline", "lag_bytes": None})
    for sort in ("server", "environment", "check"):
        watch = Watch(f"{sort}/x", "http", "acme", 60.0, {})
        for status in ("ok", "warning", "critical", "unknown"):
            for fact in facts:
                one = Observation(status, {"a": 1.5, "b": None}, "m", fact, watch.subject, NOW, 0.1)  # type: ignore[arg-type]
                made += notices.observed(watch, one, None)
    yield made


def test_what_we_produce_is_as_its_schema_says(produced: list[NewEvent]) -> None:
    assert len({event.type for event in produced}) == 9
    for event in produced:
        assert schemas.faults(f"events/{event.type}", json.loads(json.dumps(event.data))) == [], event


CONTRACT = {
    "deployment.started": "environment_id deployment_id triggered_by branch",
    "deployment.progress": "environment_id deployment_id progress_percent current_step",
    "deployment.completed": "environment_id deployment_id duration_seconds",
    "deployment.failed": "environment_id deployment_id error_message",
    "backup.started": "environment_id backup_id backup_type",
    "backup.completed": "environment_id backup_id backup_type size_bytes duration_seconds",
    "backup.failed": "environment_id backup_id error_message",
    "replica.health_updated": "environment_id status lag_bytes lag_seconds last_check",
    "replica.lag_alert": "environment_id severity lag_bytes lag_seconds threshold_bytes threshold_seconds",
    "alert_triggered": "alert_id alert_type severity title message "
    "server_id server_name metric_value threshold triggered_at",
    "alert_acknowledged": "alert_id acknowledged_by acknowledged_at",
    "alert_resolved": "alert_id resolved_at",
    "server.connected": "server_id server_name status",
    "server.health_updated": "server_id cpu_percent memory_percent disk_percent status",
    "task_status": "task_id task_type status environment_id progress_percent current_step",
    "quota.exceeded": "organization_id resource_type used limit",
    "quota.warning": "organization_id resource_type used limit percent_used",
    "permissions_changed": "user_id organization_id project_id changed_permissions",
    "role_permissions_changed": "role_id organization_id changed_permissions",
    "migration_progress": "migration_id status progress_percent current_step error_message",
}
OWN = [
    "check.updated",
    "lock.acquired",
    "lock.released",
    "lock.expired",
    "session.changed",
    "notification.sent",
    "notification.failed",
    "config.reloaded",
    "config.rejected",
    "log.line",
]


def test_every_type_has_its_schema_with_its_fields() -> None:
    assert set(schemas.names("events")) == {*CONTRACT, *OWN}
    for kind, fields in CONTRACT.items():
        schema = schemas.load(f"events/{kind}")
        assert schema["required"] == fields.split(), kind
        assert "additionalProperties" not in schema
