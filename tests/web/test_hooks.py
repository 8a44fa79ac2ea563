"""/hooks/<source>/<key>: what other programs may post, what is made of it, and that nothing else is ever stored."""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import peewee
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import schemas
from alerting import reports
from alerting.config import Config, Hook
from alerting.configuration.heartbeats import digest
from alerting.configuration.rules import default_rules
from alerting.store import alerts
from alerting.store.database import execute, reading
from tests.alerting.test_source_alertmanager import FIRING, RESOLVED, payload
from tests.alerting.test_source_netdata import CAPTURED, CLOUD, REACHABILITY
from tests.web import team as people
from tests.web.team import NOW, Team, small_team, team
from web.pace import Pace

__all__ = ["small_team", "team"]

MAIN, AGENTS, ANY, THEIRS = "acme-main-key", "acme-agents-key", "acme-any-key", "globex-main-key"
MAPPING = {"alerts": "/alerts", "id": "/id", "title": "/title", "severity": "/level", "at": "/at", "labels": "/tags"}
CONFIG = replace(
    people.CONFIG,
    hooks=(
        Hook("main", "acme", "alertmanager"),
        Hook("agents", "acme", "netdata"),
        Hook("any", "acme", "json", MAPPING),
        Hook("theirs", "globex", "alertmanager"),
    ),
    hook_keys={digest(MAIN): "main", digest(AGENTS): "agents", digest(ANY): "any", digest(THEIRS): "theirs"},
    rules=default_rules(),
)
AGENT = {**CAPTURED["2.10"][0], "when": str(int(NOW) - 3)}

Post = Callable[..., Any]


def poster(team: Team, config: Config = CONFIG) -> Post:
    """Posts to /hooks as another program would, nobody signed in."""
    team.watcher.config = config
    client = team.app.test_client()

    def post(path: str, document: Any = None, **more: Any) -> Any:
        body = {} if "data" in more else {"json": document}
        return client.open(f"/hooks/{path}", **{"method": "POST", **body, **more})

    return post


def open_alerts() -> list[str]:
    with reading():
        return [one.fingerprint for one in alerts.unresolved()]


def stored() -> list[Any]:
    """Everything a payload could leave behind."""
    with reading():
        tables = ("alert", "subject", "breach", "notification", "event", "sample", "series", "status_change")
        return [execute(f"select * from {table}") for table in tables]


def test_an_alert_is_raised_told_again_and_over(team: Team) -> None:
    post = poster(team)
    answer = post(f"alertmanager/{MAIN}", payload(FIRING))
    assert (answer.status_code, answer.mimetype) == (202, "application/json")
    assert schemas.faults("api/reports", answer.json) == []
    assert (answer.json["hook"], answer.json["source"]) == ("main", "alertmanager")
    raised, truncated = answer.json["alerts"]
    assert (raised["outcome"], raised["severity"], raised["title"]) == (
        "raised",
        "critical",
        "HighLatency on web-1:9100",
    )
    assert open_alerts() == [raised["fingerprint"]]
    assert (truncated["outcome"], truncated["alert_id"]) == ("nothing", None)
    team.now += 60
    again = post(f"alertmanager/{MAIN}", payload(FIRING)).json["alerts"][0]
    assert (again["outcome"], again["alert_id"]) == ("repeated", raised["alert_id"])
    shown = team.client("alice").get(f"/monitoring/alerts/{raised['alert_id']}").json
    assert shown["fingerprint"] == raised["fingerprint"] and shown["occurrences"] == 2
    over = post(f"alertmanager/{MAIN}", payload(RESOLVED)).json["alerts"][0]
    assert (over["outcome"], over["alert_id"], over["severity"]) == ("resolved", None, None)
    assert open_alerts() == []


def test_alerts_left_out_of_a_payload_are_an_alert(team: Team) -> None:
    post = poster(team)
    post(f"alertmanager/{MAIN}", payload(FIRING, truncatedAlerts=3))
    assert len(open_alerts()) == 2
    post(f"alertmanager/{MAIN}", payload(FIRING))
    assert len(open_alerts()) == 1


@pytest.mark.parametrize("sent", [AGENT, CLOUD, REACHABILITY])
def test_netdatas_agent_and_cloud_come_in_by_one_door(team: Team, sent: dict[str, Any]) -> None:
    answer = poster(team)(f"netdata/{AGENTS}", sent)
    assert answer.status_code == 202
    assert [one["outcome"] for one in answer.json["alerts"]] == ["raised"]
    assert schemas.faults("api/reports", answer.json) == []


def test_any_json_by_its_mapping(team: Team) -> None:
    post = poster(team)
    document = {
        "alerts": [{"id": 1, "title": "Full", "level": "critical", "tags": {"team": "x"}}, {"id": 2, "at": NOW}]
    }
    answer = post(f"json/{ANY}", document)
    assert [one["severity"] for one in answer.json["alerts"]] == ["critical", "warning"]
    assert answer.json["alerts"][0]["subject"].startswith("hook/any/1-")
    assert post(f"json/{ANY}", {"alerts": []}).json["alerts"] == []


def test_what_cannot_be_told_or_comes_too_late_is_said(team: Team) -> None:
    post = poster(team)
    undefined = post(f"netdata/{AGENTS}", {**AGENT, "status": "UNDEFINED"}).json["alerts"][0]
    assert (undefined["outcome"], undefined["severity"]) == ("unknown", None)
    assert post(f"netdata/{AGENTS}", CAPTURED["1.37"][0]).json["alerts"][0]["outcome"] == "too_old"
    assert open_alerts() == []


def test_an_organization_sees_its_own(team: Team) -> None:
    poster(team)(f"alertmanager/{THEIRS}", payload(FIRING))
    assert team.client("alice").get("/monitoring/alerts").json["items"] == []
    assert len(team.client("charlie").get("/monitoring/alerts").json["items"]) == 1


GOOD = json.dumps(payload(FIRING)).encode()
JSON = "application/json"


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("alertmanager/no-such-key", {}, 404),
        (f"alertmanager/{MAIN[:-1]}", {}, 404),
        (f"alertmanager/{MAIN.upper()}", {}, 404),
        (f"alertmanager/{AGENTS}", {}, 404),
        (f"netdata/{MAIN}", {}, 404),
        (f"nagios/{MAIN}", {}, 404),
        (f"alertmanager/{MAIN}/", {}, 404),
        (f"alertmanager/{MAIN}/x", {}, 404),
        ("alertmanager/", {}, 404),
        ("alertmanager", {}, 404),
        (f"alertmanager/{MAIN}", {"content_type": "text/plain"}, 415),
        (f"alertmanager/{MAIN}", {"content_type": None}, 415),
        (f"alertmanager/{MAIN}", {"data": b""}, 400),
        (f"alertmanager/{MAIN}", {"data": b"{"}, 400),
        (f"alertmanager/{MAIN}", {"data": GOOD[:-1] + b',"x":"\\u0000"}'}, 400),
        (f"alertmanager/{MAIN}", {"data": b"[" * 100_000}, 400),
        (f"alertmanager/{MAIN}", {"data": b'{"version": "4", "alerts": [{}]}'}, 400),
        (f"json/{ANY}", {"data": b'{"alerts": [{"title": "no id"}]}'}, 400),
        (f"netdata/{AGENTS}", {"data": b"{}"}, 400),
        (f"alertmanager/{MAIN}", {"data": b" " * 1_048_577}, 413),
        (f"json/{ANY}", {"data": json.dumps({"alerts": [{"id": n} for n in range(2001)]}).encode()}, 413),
        (f"alertmanager/{MAIN}", {"method": "PUT"}, 405),
        (f"alertmanager/{MAIN}", {"method": "GET"}, 405),
        (f"netdata/{AGENTS}", {"method": "GET"}, 400),
    ],
)
def test_anything_else_is_a_problem_and_nothing_is_stored(
    small_team: Team, path: str, more: dict[str, Any], status: int
) -> None:
    post, before = poster(small_team), stored()
    answer = post(path, **{"data": GOOD, "content_type": JSON, **more})
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert stored() == before


def test_a_fault_is_told_in_its_place(small_team: Team) -> None:
    post = poster(small_team)
    answer = post(f"alertmanager/{MAIN}", payload(FIRING, {**FIRING, "status": "odd"}))
    assert [one["pointer"] for one in answer.json["errors"]] == ["/alerts/1/status"]
    answer = post(f"json/{ANY}", {"alerts": [{"id": 1}, {"id": 2, "at": "soon"}]})
    assert [one["pointer"] for one in answer.json["errors"]] == ["/alerts/1/at"]
    assert open_alerts() == []  # nor the one before it


def test_a_payload_is_stored_whole_or_not_at_all(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise peewee.OperationalError("the disk is full")

    post, before = poster(team), stored()
    with monkeypatch.context() as patch:
        patch.setattr(alerts, "standing", _after(700, alerts.standing, fails))
        many = {"alerts": [{"id": number} for number in range(800)]}
        answer = post(f"json/{ANY}", many)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert stored() == before
    assert post(f"json/{ANY}", many).status_code == 202


def _after(calls: int, good: Callable[..., Any], bad: Callable[..., Any]) -> Callable[..., Any]:
    """Good for the first group of a payload, bad when the second is on its way."""
    seen = 0

    def turning(subjects: Any, *rest: Any) -> Any:
        nonlocal seen
        seen += len(subjects)
        return good(subjects, *rest) if seen <= calls else bad()

    return turning


def test_the_key_is_told_nowhere(small_team: Team, caplog: pytest.LogCaptureFixture) -> None:
    post = poster(small_team)
    with caplog.at_level(logging.DEBUG):
        paths = (f"alertmanager/{MAIN}", f"netdata/{MAIN}", f"alertmanager/{MAIN}x", f"alertmanager/{MAIN}/x")
        answers = [post(path, payload(FIRING)) for path in paths]
        answers.append(post(f"alertmanager/{MAIN}", {}))
    told = " ".join([str(record.__dict__) for record in caplog.records] + [answer.text for answer in answers])
    assert MAIN not in told and digest(MAIN) not in told
    assert "/hooks/<source>/<key> 202" in caplog.text
    assert MAIN not in repr(CONFIG) and digest(MAIN) not in repr(CONFIG)


def test_while_the_configuration_was_never_read_nobody_is_told_that_a_key_is_wrong(small_team: Team) -> None:
    answer = poster(small_team, Config())(f"alertmanager/{MAIN}", payload(FIRING))
    assert answer.status_code == 503 and "Retry-After" in answer.headers


def test_who_tells_without_end_is_slowed_down_and_nobody_else(small_team: Team) -> None:
    post = poster(small_team)
    small_team.app.extensions["hooks"] = Pace(1.0, 5.0, clock=lambda: 0.0)
    assert post(f"json/{ANY}", {"alerts": [{"id": n} for n in range(4)]}).status_code == 202
    answer = post(f"json/{ANY}", {"alerts": [{"id": n} for n in range(4)]})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "4")
    assert post(f"json/{ANY}", {"alerts": []}).status_code == 202  # an empty one counts as well
    assert post(f"json/{ANY}", {"alerts": []}).status_code == 429
    assert post(f"alertmanager/{MAIN}", payload(FIRING)).status_code == 202


def test_cloud_is_given_the_proof_it_asked_for(small_team: Team) -> None:
    post = poster(small_team)
    answer = post(f"netdata/{AGENTS}?crc_token=a%2Bb", method="GET")
    proof = base64.b64encode(hmac.new(AGENTS.encode(), b"a+b", hashlib.sha256).digest()).decode()
    assert (answer.status_code, answer.json) == (200, {"response_token": f"sha256={proof}"})
    assert post("netdata/no-such-key?crc_token=x", method="GET").status_code == 404
    assert post(f"netdata/{MAIN}?crc_token=x", method="GET").status_code == 404


def test_clouds_token_is_found_in_the_log(small_team: Team, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        answer = poster(small_team)(f"netdata/{AGENTS}", {"title": "Test", "message": "…", "token": "a1\nb2"})
    assert (answer.status_code, answer.json["alerts"]) == (202, [])
    assert "hook agents: Netdata Cloud's verification token is a1 b2" in caplog.text


odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["firing", "resolved", "critical", "4", "0001-01-01T00:00:00Z", "2027-01-15T08:00:00Z", "/", 1e308]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*FIRING, *AGENT, *CLOUD, *REACHABILITY, *payload(), *MAPPING.values(), "id", "at", "tags"])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
whole = st.sampled_from(
    [
        (f"alertmanager/{MAIN}", payload(FIRING, RESOLVED)),
        (f"netdata/{AGENTS}", AGENT),
        (f"netdata/{AGENTS}", CLOUD),
        (f"netdata/{AGENTS}", REACHABILITY),
        (f"json/{ANY}", {"alerts": [{"id": 1, "title": "x", "level": "info", "at": NOW, "tags": {"a": "b"}}]}),
    ]
)


def _paths(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = (
        list(value.items() if isinstance(value, dict) else enumerate(value)) if isinstance(value, dict | list) else []
    )
    return [way, *(found for key, item in pairs for found in _paths(item, (*way, key)))]


def _with(document: Any, way: tuple[Any, ...], value: Any) -> Any:
    if not way:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[way[0]] = _with(document[way[0]], way[1:], value)
    return copy


@st.composite
def almost_right(draw: st.DrawFn) -> tuple[str, Any]:
    """A payload as it should be, with something odd in some place of it."""
    path, document = draw(whole)
    for _ in range(draw(st.integers(1, 3))):
        document = _with(document, draw(st.sampled_from(_paths(document))), draw(odd))
    return path, document


@hypothesis_settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(almost_right() | st.tuples(whole.map(lambda pair: pair[0]), odd))
def test_whatever_comes_is_taken_whole_or_refused_whole(small_team: Team, sent: tuple[str, Any]) -> None:
    path, document = sent
    small_team.now += 1
    post, before = poster(small_team), stored()
    answer = post(path, data=json.dumps(document).encode(), content_type=JSON)
    if answer.status_code == 202:
        assert schemas.faults("api/reports", answer.json) == []
        raised = {one["alert_id"] for one in answer.json["alerts"] if one["outcome"] in ("raised", "changed")}
        assert None not in raised
    else:
        assert answer.status_code in (400, 413, 415, 429), answer.text
        assert answer.mimetype == "application/problem+json"
        assert stored() == before


@hypothesis_settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from([JSON, "text/plain", "application/x-www-form-urlencoded", "x"]))
def test_bytes_that_are_nothing_are_refused(small_team: Team, data: bytes, content_type: str) -> None:
    post, before = poster(small_team), stored()
    assert post(f"alertmanager/{MAIN}", data=data, content_type=content_type).status_code in (400, 415)
    assert stored() == before
    assert reports.forget(NOW) == 0
