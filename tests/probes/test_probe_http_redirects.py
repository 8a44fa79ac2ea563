"""Redirects: followed without anything that was meant for one server alone, and never where a probe may not go."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from probes import Observation
from probes._machinery.guard import REFUSED
from probes._machinery.redirects import Unfollowable, onward, origin
from probes._machinery.requests import HttpRequest
from probes._machinery.runner import run
from tests.servers.http_target import HttpTarget

SECRETS: dict[str, Any] = {
    "headers": {"X-Api-Key": "s3cr3t-key", "Cookie": "session=s3cr3t"},
    "auth": {"basic": ["alice", "s3cr3t"]},
}


@pytest.fixture
def elsewhere() -> Iterator[HttpTarget]:
    """Another server: the same host, another port."""
    target = HttpTarget()
    yield target
    target.close()


def redirected(target: HttpTarget, to: str, status: int = 302, **config: Any) -> Observation:
    return run("http", {"url": target.url(f"/redirect?status={status}&to={quote(to)}"), "timeout": 5, **config})


def test_nothing_meant_for_one_server_goes_to_another(http_target: HttpTarget, elsewhere: HttpTarget) -> None:
    seen = redirected(http_target, elsewhere.url("/ok"), **SECRETS)
    assert seen.status == "ok", seen.message
    assert http_target.asked[0]["headers"]["X-Api-Key"] == "s3cr3t-key"
    assert elsewhere.hits
    assert not {"X-Api-Key", "Cookie", "Authorization"} & {name for one in elsewhere.asked for name in one["headers"]}
    assert "s3cr3t" not in str(elsewhere.asked)


def test_within_one_server_all_of_it_is_sent_again(http_target: HttpTarget) -> None:
    seen = redirected(http_target, "/echo", **SECRETS, json={"headers.X-Api-Key": "s3cr3t-key"})
    assert seen.status == "ok", seen.message
    assert "Authorization" in http_target.asked[1]["headers"]


def test_what_was_left_behind_is_not_picked_up_on_the_way_back(http_target: HttpTarget, elsewhere: HttpTarget) -> None:
    back = elsewhere.url(f"/redirect?to={quote(http_target.url('/ok'))}")
    assert redirected(http_target, back, **SECRETS).status == "ok"
    assert "X-Api-Key" not in http_target.asked[1]["headers"]


def test_a_refusal_elsewhere_says_that_it_was_elsewhere(http_target: HttpTarget, elsewhere: HttpTarget) -> None:
    there = f"http://127.0.0.1:{elsewhere.port}"
    seen = redirected(http_target, elsewhere.url("/status/401"), **SECRETS)
    assert seen.message == (
        f"HTTP 401, expected 200-299 (redirected to {there}, which this check's headers and sign-in are not sent to)"
    )
    plain = redirected(http_target, elsewhere.url("/status/500"))
    assert plain.message == f"HTTP 500, expected 200-299 (redirected to {there})"


@pytest.mark.parametrize(
    ("method", "status", "becomes", "body"),
    [
        ("POST", 301, "GET", ""),
        ("POST", 302, "GET", ""),
        ("PUT", 302, "PUT", "hello"),
        ("PUT", 303, "GET", ""),
        ("HEAD", 303, "HEAD", ""),
        ("POST", 307, "POST", "hello"),
        ("PATCH", 308, "PATCH", "hello"),
    ],
)
def test_the_method_and_the_body_follow_as_the_status_says(
    http_target: HttpTarget, method: str, status: int, becomes: str, body: str
) -> None:
    given = {"method": method} | ({} if method == "HEAD" else {"body": "hello"})
    seen = redirected(http_target, "/echo", status, **given)
    assert seen.status == "ok", seen.message
    assert (http_target.asked[1]["method"], http_target.asked[1]["body"]) == (becomes, body)


def test_a_body_does_not_go_to_another_server(http_target: HttpTarget, elsewhere: HttpTarget) -> None:
    seen = redirected(http_target, elsewhere.url("/ok"), 307, body={"password": "s3cr3t"})
    assert seen.status == "critical"
    assert seen.message == "the answer redirects (HTTP 307) to another server, which the body is not sent to"
    assert elsewhere.asked == []


def test_as_many_redirects_as_allowed_and_no_more(http_target: HttpTarget) -> None:
    twice = f"/redirect?to={quote('/ok')}"
    assert redirected(http_target, twice, max_redirects=2).status == "ok"
    seen = redirected(http_target, twice, max_redirects=1)
    assert (seen.status, seen.message) == ("critical", "too many redirects (more than 1)")


def test_the_whole_chain_has_one_timeout_and_its_times_are_added_up(http_target: HttpTarget) -> None:
    seen = redirected(http_target, "/slow?seconds=0.2", max_seconds=0.1)
    assert seen.status == "warning"
    total, first = seen.values["total_seconds"], seen.values["first_byte_seconds"]
    assert total and first and 0.2 < first <= total < 1.5
    late = redirected(http_target, "/hang", timeout=0.4)
    assert late.message.startswith("no answer within 0.4 s")


@pytest.mark.parametrize(
    "to",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://127.0.0.1@169.254.169.254/",
        "//169.254.169.254/",
        "http://0/",
    ],
)
def test_no_redirect_leads_where_a_probe_may_not_go(http_target: HttpTarget, to: str) -> None:
    seen = redirected(http_target, to)
    assert seen.status == "critical"  # it is the server that sends us there
    assert seen.message.startswith(REFUSED)


def test_a_redirect_cannot_get_around_what_is_denied(http_target: HttpTarget, elsewhere: HttpTarget) -> None:
    url = http_target.url(f"/redirect?to={quote(f'http://127.0.0.2:{elsewhere.port}/ok')}")
    seen = run("http", {"url": url, "timeout": 5}, denied_networks=["127.0.0.2/32"])
    assert seen.message.startswith(REFUSED)
    assert elsewhere.hits == []


@pytest.mark.parametrize("to", ["http://[bad/", "http://a b/", "http://", "http://ex\u00e4mple\udcff/"])
def test_a_redirect_to_nonsense_is_told(http_target: HttpTarget, to: str) -> None:
    url = http_target.url("/redirect?to=" + quote(to.encode("utf-8", "surrogateescape")))
    seen = run("http", {"url": url, "timeout": 3})
    assert seen.status == "critical", seen
    assert seen.message


def test_a_password_in_a_location_is_not_shown(http_target: HttpTarget, elsewhere: HttpTarget) -> None:
    seen = redirected(http_target, f"http://alice:s3cr3t@127.0.0.1:{elsewhere.port}/status/500")
    assert seen.status == "critical"
    assert "s3cr3t" not in seen.message


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://Example.com:80/a", "http://example.com"),
        ("https://example.com:443", "https://example.com"),
        ("https://u:p@[2001:db8::1]:8443/x?y", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, said: str) -> None:
    assert origin(url) == said


@pytest.mark.parametrize(
    "url", ["https://a.example/", "http://a.example:8080/", "http://b.example/", "http://a.example.evil.example/"]
)
def test_another_scheme_port_or_host_is_another_server(url: str) -> None:
    asked = HttpRequest("http://a.example/", headers={"X": "1"}, digest_auth=("u", "p"), client_certificate="c")
    after = onward(asked, 302, url)
    assert (after.url, after.headers, after.digest_auth, after.client_certificate) == (url, {}, None, None)
    with pytest.raises(Unfollowable):
        onward(HttpRequest("http://a.example/", "POST", body=b"x"), 307, url)
