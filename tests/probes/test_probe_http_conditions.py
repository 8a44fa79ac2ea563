"""What an HTTP answer may be held to: headers, texts, patterns, paths, limits; the value seen in each message."""

import time
from typing import Any
from urllib.parse import urlencode

import pytest

from probes import Observation
from probes._machinery.runner import check_config, run
from tests.servers.http_target import HttpTarget


def look(target: HttpTarget, path: str = "/ok", **config: Any) -> Observation:
    return run("http", {"url": target.url(path), "timeout": 5, **config})


def says(text: str, content_type: str = "text/plain") -> str:
    return "/says?" + urlencode({"text": text, "type": content_type})


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"response_headers": {"X-Cache": "MISS"}}, 'the header X-Cache is "HIT", expected "MISS"'),
        ({"response_headers": {"x-age": {"<": 60}}}, "the header x-age is 120.0, expected < 60"),
        ({"response_headers": {"x-cache": {"matches": "^M"}}}, 'the header x-cache is "HIT", expected matches "^M"'),
        ({"response_headers": {"X-Gone": {"exists": True}}}, "the header X-Gone is missing, expected to be there"),
        ({"response_headers": {"X-Age": {"exists": False}}}, 'the header X-Age is "120", expected to be missing'),
        ({"response_headers": {"X-Cache": {"not contains": "H"}}}, 'is "HIT", expected not contains "H"'),
        ({"not_text": ["fine", "above"]}, "the text 'above' is in the body, expected not to be"),
        ({"regex": "see (below|under)"}, "what matches 'see (below|under)' is not in the body (9 bytes)"),
        ({"not_regex": "(?i)SEE"}, "what matches '(?i)SEE' is in the body, expected not to be"),
    ],
)
def test_what_is_unmet_is_critical_with_the_value_seen(http_target: HttpTarget, config: Any, said: str) -> None:
    seen = look(http_target, "/headers?X-Cache=HIT&X-Age=120", **config)
    assert seen.status == "critical"
    assert said in seen.message


def test_what_is_met_is_ok(http_target: HttpTarget) -> None:
    seen = look(
        http_target,
        "/headers?X-Cache=HIT&X-Age=120",
        response_headers={
            "x-cache": "HIT",
            "X-Age": {">": 100, "<=": 120},
            "Server": {"matches": "(?i)python"},
            "x-gone": {"exists": False},
        },
        text="above",
        not_text="below",
        regex=["^see", "above$"],
        not_regex="[0-9]",
        max_seconds=5,
        critical_seconds=5,
    )
    assert seen.status == "ok", seen.message


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ({"nodes": {"length": 2}}, True),
        ({"nodes": {"length": {">": 2}}}, False),
        ({"status": {"matches": "^o"}}, True),
        ({"queue.length": {"matches": "3"}}, False),
        ({"status": {"not in": ["down", "degraded"]}}, True),
        ({"status": {"in": ["down", "degraded"]}}, False),
        ({"absent": {"not in": ["down"]}}, False),
        ({"absent": {"exists": False}}, True),
        ({"nodes": {"not contains": "c", "length": {">=": 1, "<": 5}}}, True),
    ],
)
def test_paths_have_operators(http_target: HttpTarget, condition: dict[str, Any], met: bool) -> None:
    assert (look(http_target, json=condition).status == "ok") is met


def test_a_length_is_said_in_words(http_target: HttpTarget) -> None:
    seen = look(http_target, json={"nodes": {"length": {">": 2, "<": 9}}})
    assert seen.message == 'nodes is ["a", "b"], expected length > 2 and < 9'


def test_of_many_unmet_conditions_the_first_are_told(http_target: HttpTarget) -> None:
    seen = look(http_target, json={f"absent.{number}": 1 for number in range(40)})
    assert seen.message.count("is missing, expected 1") == 5
    assert seen.message.endswith("; and 35 more")


def test_a_pattern_cannot_run_away(http_target: HttpTarget) -> None:
    http_target.documents["/long"] = "a" * 500_000
    began = time.monotonic()
    seen = look(http_target, "/long", regex="(a*)*b", timeout=5)
    assert seen.status == "critical"
    assert time.monotonic() - began < 3


def test_too_slow_is_critical_and_slow_a_warning(http_target: HttpTarget) -> None:
    slow = "/slow?seconds=0.15"
    assert look(http_target, slow, max_seconds=0.1, critical_seconds=3).status == "warning"
    seen = look(http_target, slow, max_seconds=0.05, critical_seconds=0.1)
    assert seen.status == "critical"
    assert "expected at most 0.1 s" in seen.message


def test_a_body_that_was_cut_is_told(http_target: HttpTarget) -> None:
    cut = look(http_target, says("0123456789"), max_bytes=4)
    assert cut.status == "ok"
    assert cut.message.endswith("(only the first 4 bytes of the body were read)")
    assert cut.values["body_bytes"] == 4
    lost = look(http_target, says("0123456789"), max_bytes=4, text="9")
    assert "'9' is not in the body (the first 4 bytes)" in lost.message


def test_what_may_follow_a_cut_is_not_known(http_target: HttpTarget) -> None:
    for key in ("not_text", "not_regex"):
        seen = look(http_target, says("0123456789"), max_bytes=4, **{key: "9"})
        assert seen.status == "unknown"
        assert "only the first 4 bytes" in seen.message
    found = look(http_target, says("0123456789"), max_bytes=4, not_text="1")
    assert found.status == "critical"


@pytest.mark.parametrize("charset", ["nonsense", "hex", "idna", "unicode_escape", "undefined", "utf-16", '"', ""])
def test_no_charset_breaks_the_check(http_target: HttpTarget, charset: str) -> None:
    seen = look(http_target, says("caf\\xe9 \xe9", f"text/plain; charset={charset}"), not_text="nothing of that")
    assert seen.status == "ok", seen.message


def test_a_charset_may_stand_among_others(http_target: HttpTarget) -> None:
    path = says("caf\xe9", 'text/html; charset="ISO-8859-1"; level=1')
    assert look(http_target, path, text="caf\xe9").status == "ok"


def test_what_the_target_sends_stays_one_short_line(http_target: HttpTarget) -> None:
    http_target.documents["/ok"] = {"status": "evil\n\x1b[31m" * 1000}
    seen = look(http_target, json={"status": "ok"})
    assert seen.message.isprintable() and len(seen.message) < 300


def test_sign_in_stands_for_a_header_of_that_name(http_target: HttpTarget) -> None:
    given = {"headers": {"authorization": "Basic x"}, "auth": {"bearer": "t0k"}}
    assert look(http_target, "/echo", **given, json={"headers.Authorization": "Bearer t0k"}).status == "ok"
    assert "Basic" not in str(http_target.asked)


def test_digest_signs_in_without_sending_the_password(http_target: HttpTarget) -> None:
    seen = look(http_target, "/digest", auth={"digest": ["alice", "s3cr3t"]})
    assert seen.status == "ok", seen.message
    first, second = http_target.asked
    assert "Authorization" not in first["headers"]
    assert second["headers"]["Authorization"].startswith('Digest username="alice"')
    assert look(http_target, "/digest", auth={"digest": ["alice", "wrong"]}).message == "HTTP 401, expected 200-299"


@pytest.mark.parametrize(
    ("config", "pointer", "named"),
    [
        ({"url": "http://a..example/"}, "/url", "not a host"),
        ({"url": "http://*.example/"}, "/url", "not a host"),
        ({"url": f"http://{'a' * 64}.example/"}, "/url", "not a host"),
        ({"url": "http://169.254.169.254%00.example/"}, "/url", "not a host"),
        ({"url": "http://127.0.0.1@169.254.169.254/"}, "/url", "may not be probed"),
        ({"url": "http://a.example\\@169.254.169.254/"}, "/url", "may not be probed"),
        ({"status": "500-200"}, "/status", "the range 500-200 is empty"),
        ({"status": [200, "500-200"]}, "/status/1", "empty"),
        ({"regex": "("}, "/regex", "not a regular expression (RE2)"),
        ({"not_regex": ["a", "(?=x)"]}, "/not_regex/1", "not a regular expression (RE2)"),
        ({"json": {"a": {"matches": "("}}}, "/json/a", "not a regular expression (RE2)"),
        ({"json": {"a": {"exists": 1}}}, "/json/a", "true or false"),
        ({"json": {"a": {"length": "long"}}}, "/json/a", "length takes a number"),
        ({"json": {"a": {"length": {"contains": 3}}}}, "/json/a", "length takes a number"),
        ({"json": {"a": {"not in": 3}}}, "/json/a", "not in takes a list of the values that will not do"),
        ({"json": {"a": {">": 1, "about": 2}}}, "/json/a", "not an operator: about"),
        ({"response_headers": {"A": {">": None}}}, "/response_headers/A", "> takes a number"),
        ({"response_headers": {"a b": "x"}}, "/response_headers", "a b"),
        ({"method": "HEAD", "text": "x"}, "/text", "an answer to HEAD has no body"),
        ({"max_bytes": 0}, "/max_bytes", "minimum"),
        ({"max_redirects": 100}, "/max_redirects", "maximum"),
        ({"headers": {"Content-length": "3"}}, "/headers/Content-length", "made from the request itself"),
        ({"proxy": "http://169.254.169.254:3128"}, "/proxy", "may not be probed"),
        ({"proxy": "socks4://p.example"}, "/proxy", "expected http, https, socks5 or socks5h"),
        ({"http_version": "4"}, "/http_version", "4"),
        ({"auth": {"ntlm": ["a", "b"]}}, "/auth", "digest"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_read(config: dict[str, Any], pointer: str, named: str) -> None:
    faults = check_config("http", {"url": "http://a.example/", **config})
    assert [fault.pointer for fault in faults] == [pointer], faults
    assert named in faults[0].message
