"""Whatever goes wrong is told as a problem document, gives nothing away, and is never a 500 for bad input."""

import json
import logging
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import schemas
from alerting.settings import Settings
from alerting.store import database
from tests.web.team import CONFIG, FixedWatcher, Team, small_team
from web.app import create_app
from web.bodies import LARGEST_BODY

__all__ = ["small_team"]

LOCK = json.dumps({"app": "a", "screen": "s", "key": "K=1"}).encode()
JSON = "application/json"


def is_problem(answer: Any, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    assert schemas.faults("problem", answer.json) == []
    assert answer.json["status"] == status


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", JSON, 400),
        (b"{", JSON, 400),
        (b"\xff\xfe", JSON, 400),
        (b'{"app": NaN, "screen": "s", "key": "K=1"}', JSON, 400),
        (b'{"app": "a", "screen": "s", "key": {"K": 1e999}}', JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (b'{"a":' * 500 + b"1" + b"}" * 500, JSON, 400),
        (b'{"app": ' + b"9" * 5000 + b"}", JSON, 400),
        (b'{"app": "a\\u0000", "screen": "s", "key": "K=1"}', JSON, 400),
        (b'{"app": "\\ud800", "screen": "s", "key": "K=1"}', JSON, 400),
        (LOCK, "text/plain", 415),
        (LOCK, "application/x-www-form-urlencoded", 415),
        (LOCK, "", 415),
        (LOCK, "application/merge-patch+json", 201),
        (LOCK, "application/json; charset=utf-8", 201),
    ],
)
def test_bad_bodies(small_team: Team, body: bytes, kind: str, status: int) -> None:
    answer = small_team.client("alice").post("/locks", data=body, content_type=kind)
    assert answer.status_code == status, answer.text
    if status >= 400:
        is_problem(answer, status)


def test_faults_say_where(small_team: Team) -> None:
    answer = small_team.client("alice").post("/locks", {"app": "", "screen": 7, "key": {"A": []}, "x": 1})
    is_problem(answer, 400)
    assert {fault["pointer"] for fault in answer.json["errors"]} >= {"", "/app", "/screen"}


@pytest.mark.parametrize("path", ["/locks", "/auth/login", "/auth/refresh", "/events", "/nothing"])
def test_a_body_over_a_mebibyte_is_refused(small_team: Team, path: str) -> None:
    body = b'"' + b"x" * LARGEST_BODY + b'"'
    is_problem(small_team.client("alice").post(path, data=body, content_type=JSON), 413)


def test_a_chunked_body_over_a_mebibyte_is_refused(small_team: Team) -> None:
    body = BytesIO(b'"' + b"x" * (4 * LARGEST_BODY) + b'"')
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    api = small_team.client("alice")
    is_problem(api.post("/locks", input_stream=body, content_type=JSON, environ_overrides=chunked), 413)
    assert body.tell() < 2 * LARGEST_BODY


def test_what_is_not_there(small_team: Team) -> None:
    page = small_team.page()
    for path in ("/nothing", "/api/v1/nothing", "/api/v1/monitoring/alerts/1/dance", "/static/../setup.cfg"):
        is_problem(page.get(path), 404)
    answer = page.delete("/api/v1/locks")
    is_problem(answer, 405)
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    is_problem(page.post("/health"), 405)
    is_problem(page.get("/a%00b"), 400)


def test_a_person_gets_a_page(small_team: Team) -> None:
    answer = small_team.page().get("/<script>", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "<script>" not in answer.text
    is_problem(small_team.page().get("/api/v1/x", headers={"Accept": "text/html"}), 404)


def broken(app: Flask, error: Exception) -> None:
    def fail() -> None:
        raise error

    app.add_url_rule("/broken", "broken", fail)


def test_a_bug_gives_nothing_away(small_team: Team, caplog: pytest.LogCaptureFixture) -> None:
    broken(small_team.app, ValueError("the secret is hunter2"))
    answer = small_team.page().get("/broken", headers={"X-Request-Id": "find-me"})
    is_problem(answer, 500)
    assert "hunter2" not in answer.text
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert record.__dict__["request_id"] == "find-me"


@pytest.mark.parametrize("error", [kind("gone") for kind in database.Unavailable])
def test_a_database_that_is_away_is_said_to_be(small_team: Team, error: Exception) -> None:
    broken(small_team.app, error)
    answer = small_team.page().get("/broken")
    is_problem(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0


def test_without_a_database_only_what_needs_it_fails(tmp_path: Path) -> None:
    settings = Settings(database_url="postgresql://nobody@127.0.0.1:1/none", secret_key="s" * 40)
    page = create_app(settings, FixedWatcher(CONFIG)).test_client()
    try:
        assert page.get("/health").status_code == 200
        assert page.get("/sign-in").status_code == 200
        ready = page.get("/ready")
        assert (ready.status_code, ready.json["checks"]["database"]["status"]) == (503, "fail")
        assert schemas.faults("health", ready.json) == []
        is_problem(page.get("/info"), 503)
        is_problem(page.get("/api/v1/locks", headers={"Authorization": "Bearer vdt_x"}), 503)
        is_problem(page.post("/api/v1/auth/login", json={"email": "a@b", "password": "x"}), 503)
        is_problem(page.get("/api/v1/locks"), 401)
    finally:
        database.close_database()
