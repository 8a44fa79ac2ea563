"""/ping/<key>: what a job may say, what is kept of it, and that nothing said is lost in silence."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import peewee
import pytest

from alerting import heartbeats
from alerting.config import Config, Watch
from alerting.configuration.heartbeats import digest
from alerting.configuration.rules import default_rules
from alerting.store import alerts
from alerting.store.database import reading
from tests.web import team as people
from tests.web.team import NOW, Team, small_team, team
from web.pace import Pace
from web.ping import LOG_KEPT

__all__ = ["small_team", "team"]

KEY, REPORT, THEIRS = "acme-backup-key", "acme-report-key", "globex-job-key"
DAILY = {"period": "1d", "grace": "1h", "timezone": "UTC"}
CONFIG = replace(
    people.CONFIG,
    watches=(
        *people.CONFIG.watches,
        Watch("heartbeat/backup", "heartbeat", "acme", 60.0, DAILY, project="shop", description="pg_dump"),
        Watch("heartbeat/report", "heartbeat", "acme", 60.0, {"cron": "0 3 * * *", "timezone": "Europe/Paris"}),
        Watch("heartbeat/theirs", "heartbeat", "globex", 60.0, {"period": "1h"}),
    ),
    rules=default_rules(),
    heartbeat_keys={
        digest(KEY): "heartbeat/backup",
        digest(REPORT): "heartbeat/report",
        digest(THEIRS): "heartbeat/theirs",
    },
)

Send = Callable[..., Any]


def sender(team: Team, config: Config = CONFIG) -> Send:
    """Sends to /ping as curl would, nobody signed in."""
    team.watcher.config = config
    client = team.app.test_client()

    def send(path: str, method: str = "GET", **more: Any) -> Any:
        return client.open(f"/ping/{path}", method=method, **more)

    return send


def shown(team: Team, name: str = "backup") -> dict[str, Any]:
    document: dict[str, Any] = team.client("alice").get(f"/monitoring/heartbeats/{name}").json
    return document


def last_pings(team: Team, name: str = "backup", query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = team.client("alice").get(f"/monitoring/heartbeats/{name}/pings{query}").json["items"]
    return items


def open_alerts() -> list[str]:
    with reading():
        return [one.fingerprint for one in alerts.unresolved()]


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize("word", ["", "/start", "/fail", "/0", "/3", "/255"])
def test_every_way_to_ping_is_taken(small_team: Team, method: str, word: str) -> None:
    answer = sender(small_team)(KEY + word, method)
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain" and answer.text == ("" if method == "HEAD" else "OK")
    assert len(last_pings(small_team)) == 1


def test_a_run_from_start_to_end(team: Team) -> None:
    send = sender(team)
    assert (shown(team)["status"], shown(team)["last_ping_at"]) == ("new", None)
    send(f"{KEY}/start")
    assert shown(team)["status"] == "running"
    team.now += 192
    send(KEY, "POST", data=b"dumped 14 GB\nin 3 tables")
    found = shown(team)
    assert (found["status"], found["last_run_seconds"], found["exit_status"]) == ("up", 192, None)
    assert (found["project_id"], found["description"], found["period"], found["cron"]) == (
        "shop",
        "pg_dump",
        "1d",
        None,
    )
    assert found["last_ping_at"] == "2027-01-15T08:03:12.000Z"
    assert found["next_expected_at"] == "2027-01-16T08:03:12.000Z"
    end, start = last_pings(team)
    assert (end["kind"], end["log"], end["run_seconds"], end["source"]) == (
        "success", "dumped 14 GB\nin 3 tables", 192, "127.0.0.1",
    )  # fmt: skip
    assert (start["kind"], start["run_seconds"], start["log"]) == ("start", None, "")


def test_a_failure_is_an_alert_in_the_same_breath_and_a_success_its_end(team: Team) -> None:
    send = sender(team)
    assert send(f"{KEY}/3", "POST", data="no space left on device").status_code == 200
    assert open_alerts() == ["heartbeat_missed:backup:status"]
    assert shown(team)["status"] == "failed" and shown(team)["exit_status"] == 3
    assert "no space left on device" in shown(team)["message"]
    send(f"{KEY}/fail")
    assert shown(team)["exit_status"] is None
    send(f"{KEY}/0")
    assert open_alerts() == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("no-such-key-here", 404),
        ("no-such-key-here/start", 404),
        (f"{KEY}/256", 400),
        (f"{KEY}/99999", 400),
        (f"{KEY}/-1", 404),
        (f"{KEY}/garbage", 404),
        (f"{KEY}/1e2", 404),
        (f"{KEY}/٣", 404),
        (f"{KEY}/", 404),
        (f"{KEY}/start/now", 404),
        (f"{KEY}?rid=seven", 400),
        ("", 404),
        (f"{KEY[:-1]}", 404),
        (KEY.upper(), 404),
    ],
)
def test_what_is_no_ping_is_a_problem_and_nothing_is_stored(small_team: Team, path: str, status: int) -> None:
    answer = sender(small_team)(path)
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert last_pings(small_team) == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(small_team: Team, method: str) -> None:
    assert sender(small_team)(KEY, method).status_code == 405


def test_a_long_log_is_cut_and_says_so(small_team: Team) -> None:
    send = sender(small_team)
    send(KEY, "POST", data=b"a" * LOG_KEPT)
    send(KEY, "POST", data=b"b" * (LOG_KEPT + 1))
    longer, whole = last_pings(small_team)
    assert (whole["log_bytes"], whole["log_truncated"], len(whole["log"])) == (LOG_KEPT, False, LOG_KEPT)
    assert (longer["log_bytes"], longer["log_truncated"], len(longer["log"])) == (LOG_KEPT + 1, True, LOG_KEPT)


def test_a_body_beyond_the_limit_of_all_bodies_is_refused(small_team: Team) -> None:
    send = sender(small_team)
    assert send(KEY, "POST", data=b"x" * 1_048_576).status_code == 200
    assert send(KEY, "POST", data=b"x" * 1_048_577).status_code == 413


def test_a_log_of_any_bytes_is_kept(team: Team) -> None:
    log = b"\x1b[31mred\x1b[0m \xff\x00\r\n\n  two\tparts \xe2\x82"
    assert sender(team)(f"{KEY}/1", "POST", data=log).status_code == 200
    assert last_pings(team)[0]["log"] == "\x1b[31mred\x1b[0m \ufffd\ufffd\r\n\n  two\tparts \ufffd"
    assert shown(team)["message"].endswith(": red \ufffd\ufffd / two parts \ufffd")


def test_a_form_is_a_log_like_any_other(small_team: Team) -> None:
    """curl -d sends the type of a form."""
    sender(small_team)(KEY, "POST", data="a=1&b=2", content_type="application/x-www-form-urlencoded")
    assert last_pings(small_team)[0]["log"] == "a=1&b=2"


def test_runs_that_overlap_have_their_own_times(small_team: Team) -> None:
    send, first, second = sender(small_team), uuid4(), uuid4()
    send(f"{KEY}/start?rid={first}")
    small_team.now += 10
    send(f"{KEY}/start?rid={second}")
    small_team.now += 5
    send(f"{KEY}?rid={str(second).upper()}")
    small_team.now += 5
    send(f"{KEY}?rid={first}")
    assert [one["run_seconds"] for one in last_pings(small_team)] == [20, 5, None, None]
    assert last_pings(small_team)[0]["run_id"] == str(first)


@pytest.mark.parametrize(
    ("peer", "header", "source"),
    [
        ("127.0.0.1", "6.6.6.6, 10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("10.9.9.9", "10.1.2.3", "10.9.9.9"),
        ("::1", "2001:db8::7", "2001:db8::7"),
    ],
)
def test_where_it_came_from(small_team: Team, peer: str, header: str, source: str) -> None:
    more = {"environ_base": {"REMOTE_ADDR": peer}, "headers": {"X-Forwarded-For": header}}
    sender(small_team)(KEY, **more)
    assert last_pings(small_team)[0]["source"] == source


def test_the_key_is_told_nowhere(small_team: Team, caplog: pytest.LogCaptureFixture) -> None:
    send = sender(small_team)
    with caplog.at_level(logging.DEBUG):
        answers = [send(path) for path in (KEY, f"{KEY}/start", f"{KEY}/256", f"{KEY}/x", "acme-backup-kez")]
    told = " ".join([str(record.__dict__) for record in caplog.records] + [answer.text for answer in answers])
    assert "acme-backup-ke" not in told
    api = small_team.client("alice")
    pages = [api.get(path).text for path in ("/monitoring/heartbeats", "/monitoring/heartbeats/backup/pings")]
    assert KEY not in "".join(pages) and digest(KEY) not in "".join(pages)
    assert KEY not in repr(CONFIG) and digest(KEY) not in repr(CONFIG)


def test_a_database_in_trouble_is_an_error_to_try_again_after(
    small_team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise peewee.OperationalError("database is locked")

    send = sender(small_team)
    with monkeypatch.context() as patch:
        patch.setattr(heartbeats, "receive", away)
        answer = send(KEY)
    assert (answer.status_code, answer.mimetype, answer.headers["Retry-After"]) == (
        503,
        "application/problem+json",
        "5",
    )
    assert send(KEY).status_code == 200


def test_while_the_configuration_was_never_read_nobody_is_told_that_a_key_is_wrong(small_team: Team) -> None:
    answer = sender(small_team, Config())(KEY)
    assert answer.status_code == 503 and "Retry-After" in answer.headers


def test_who_pings_without_end_is_slowed_down_and_nobody_else(small_team: Team) -> None:
    send = sender(small_team)
    pace = small_team.app.extensions["ping"] = Pace(clock=lambda: 0.0)
    while pace.wait("heartbeat/backup") == 0:
        pass
    answer = send(KEY)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert send(REPORT).status_code == 200


def test_what_one_may_do_at_once_comes_back_with_time() -> None:
    now = 0.0
    pace = Pace(clock=lambda: now)
    assert sum(pace.wait("a") == 0 for _ in range(1000)) == 600
    now = 2.0
    assert sum(pace.wait("a") == 0 for _ in range(1000)) == 20


def test_heartbeats_are_listed_for_who_may_see_them(team: Team) -> None:
    sender(team)(THEIRS)
    alice, charlie = team.client("alice"), team.client("charlie")
    assert [one["id"] for one in alice.get("/monitoring/heartbeats").json["items"]] == ["backup", "report"]
    assert [one["id"] for one in charlie.get("/monitoring/heartbeats").json["items"]] == ["theirs"]
    for path in ("", "/pings"):
        assert alice.get(f"/monitoring/heartbeats/theirs{path}").status_code == 404
        assert charlie.get(f"/monitoring/heartbeats/theirs{path}").status_code == 200
        assert team.client().get(f"/monitoring/heartbeats/theirs{path}").status_code == 401
        assert team.client("alice", "locks.write").get(f"/monitoring/heartbeats/backup{path}").status_code == 403
    report = shown(team, "report")
    assert (report["cron"], report["timezone"], report["period"]) == ("0 3 * * *", "Europe/Paris", None)


def test_pings_are_listed_a_page_at_a_time(small_team: Team) -> None:
    send = sender(small_team)
    for status in range(5):
        send(f"{KEY}/{status}")
    api = small_team.client("alice")
    first = api.get("/monitoring/heartbeats/backup/pings?limit=3").json
    rest = api.get(f"/monitoring/heartbeats/backup/pings?limit=3&cursor={first['next_cursor']}").json
    assert [one["exit_status"] for one in first["items"] + rest["items"]] == [4, 3, 2, 1, 0]
    assert rest["next_cursor"] is None
    assert api.get("/monitoring/heartbeats/backup/pings?limit=0").status_code == 400


def test_heartbeats_are_on_the_page_among_the_checks(small_team: Team) -> None:
    send = sender(small_team)
    heartbeats.note_receiving(CONFIG, NOW)
    heartbeats.adopt(CONFIG, NOW)
    send(f"{KEY}/2", "POST", data="<b>no space</b>")
    small_team.now += 180
    page = small_team.app.test_client()
    page.get(_sign_in(small_team))
    shown = page.get("/monitoring").text
    row = shown[shown.index('id="heartbeat-backup"') :].partition("</tr>")[0]
    assert "failed" in row and "3 min ago" in row and "with exit status 2" in row
    assert "&lt;b&gt;no space" in row and "<b>no space" not in row
    assert 'id="heartbeat-theirs"' not in shown
    report = shown[shown.index('id="heartbeat-report"') :].partition("</tr>")[0]
    assert ">new<" in report and "the first ping is due at 16 Jan 03:00 CET" in report and "not yet" in report


def _sign_in(team: Team) -> str:
    from alerting.store import tokens

    return f"/sign-in/{tokens.issue('link', team.now, user=team.people['alice'].id)[0]}"
