"""What every response carries, and the line each request leaves in the log."""

import logging
import re

import pytest

from tests.web.team import Team, small_team

__all__ = ["small_team"]

PATHS = ("/health", "/ready", "/info", "/sign-in", "/api/v1/locks", "/nothing", "/api/v1/auth/me")


@pytest.mark.parametrize("path", PATHS)
def test_every_response_says_its_id_and_its_time(small_team: Team, path: str) -> None:
    headers = small_team.page().get(path).headers
    assert re.fullmatch(r"[0-9a-f]{16}", headers["X-Request-Id"])
    assert re.fullmatch(r"\d+\.\d\dms", headers["X-Response-Time"])
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-1.2_3", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("a b", False),
        ("a;b", False),
        ("é", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_a_sane_id_is_taken_over(small_team: Team, path: str, given: str, kept: bool) -> None:
    answered = small_team.page().get(path, headers={"X-Request-Id": given}).headers["X-Request-Id"]
    assert (answered == given) is kept


def test_one_line_a_request_without_its_secrets(small_team: Team, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "vedette.requests"):
        small_team.page().get("/health")
        small_team.page().get("/sign-in/SECRET?token=SECRET")
        small_team.client("alice").get("/monitoring/alerts?cursor=5", headers={"X-Request-Id": "r1"})
        small_team.page().get("/ping/SECRET")
    lines = [record for record in caplog.records if record.name == "vedette.requests"]
    assert [record.__dict__["component"] for record in lines] == ["page", "api", "api"]
    assert (lines[1].__dict__["request_id"], lines[1].__dict__["status"]) == ("r1", 200)
    assert lines[1].__dict__["latency_ms"] > 0
    assert all("SECRET" not in str(record.__dict__) for record in lines)


def test_answers_of_the_api_are_not_kept_by_caches(small_team: Team) -> None:
    assert small_team.client("alice").get("/locks").headers["Cache-Control"] == "no-store"
