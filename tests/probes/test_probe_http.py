"""Kind `http` against a real server: every condition, the limits that hold against ill will, and the address guard."""

import json
import time
from pathlib import Path

import pytest

from probes import Observation
from probes._machinery.runner import check_config, run
from tests.servers.http_target import HttpTarget, make_certificate, tls_target

REFUSED = "may not be probed"


def look(target: HttpTarget, path: str = "/ok", **config: object) -> Observation:
    return run("http", {"url": target.url(path), "timeout": 5, **config})


def test_a_sound_answer_is_ok_with_its_timings(http_target: HttpTarget) -> None:
    seen = look(http_target, json={"status": "ok", "queue.length": {"<": 5}, "/nodes/1": "b"}, text='"status"')
    assert seen.status == "ok", seen.message
    assert seen.values["status_code"] == 200
    assert seen.values["body_bytes"] == len(json.dumps(http_target.documents["/ok"]))
    total = seen.values["total_seconds"]
    assert total and 0 < total < 1
    for name in ("dns_seconds", "connect_seconds", "first_byte_seconds"):
        value = seen.values[name]
        assert value is not None and 0 <= value <= total
    assert seen.values["tls_seconds"] is None and seen.values["certificate_days"] is None


@pytest.mark.parametrize(
    ("path", "config", "said"),
    [
        ("/status/500", {}, "HTTP 500, expected 200-299"),
        ("/status/301", {"follow_redirects": False}, "HTTP 301, expected 200-299"),
        ("/status/204", {"status": 200}, "HTTP 204, expected 200"),
        ("/status/404", {"status": [200, "500-599"]}, "HTTP 404, expected 200 or 500-599"),
        ("/ok", {"json": {"status": "degraded"}}, 'status is "ok", expected "degraded"'),
        ("/ok", {"json": {"queue.length": {">": 3}}}, "queue.length is 3, expected > 3"),
        ("/ok", {"json": {"queue.depth": 1}}, "queue.depth is missing, expected 1"),
        ("/ok", {"json": {"queue.length": True}}, "queue.length is 3, expected true"),
        ("/ok", {"text": ["status", "absent"]}, "the text 'absent' is not in the body"),
        ("/latin", {"json": {"a": 1}}, "the body is not JSON: not UTF-8"),
        ("/binary", {"json": {"status": "x"}}, "the body is not JSON: not UTF-8"),
        ("/deep", {"json": {"a": 1}}, "the body is not JSON: nested too deeply"),
        ("/gone", {}, "the server closed the connection without an answer"),
        ("/short", {}, "the connection was closed before the whole answer had come"),
        ("/loop", {}, "too many redirects"),
    ],
)
def test_what_is_unmet_is_critical_and_named(
    http_target: HttpTarget, path: str, config: dict[str, object], said: str
) -> None:
    seen = look(http_target, path, **config)
    assert seen.status == "critical"
    assert said in seen.message


@pytest.mark.parametrize("status", [503, "500-599", [200, 503], ["100-199", "503"]])
def test_the_expected_status_may_be_a_number_a_range_or_a_list(http_target: HttpTarget, status: object) -> None:
    assert look(http_target, "/status/503", status=status).status == "ok"


def test_text_is_read_in_the_charset_the_answer_names(http_target: HttpTarget) -> None:
    assert look(http_target, "/latin", text="café").status == "ok"


def test_slow_is_a_warning_and_says_how_slow(http_target: HttpTarget) -> None:
    seen = look(http_target, "/slow?seconds=0.15", max_seconds=0.1)
    assert seen.status == "warning"
    assert "expected at most 0.1 s" in seen.message


def test_failing_weighs_more_than_slow(http_target: HttpTarget) -> None:
    assert look(http_target, "/slow?seconds=0.15", max_seconds=0.1, text="absent").status == "critical"


def test_redirects_are_followed_unless_told_otherwise(http_target: HttpTarget) -> None:
    assert look(http_target, "/redirect?to=/ok", json={"status": "ok"}).status == "ok"
    assert look(http_target, "/redirect?to=/ok", follow_redirects=False, status=302).status == "ok"


def test_method_headers_body_and_sign_in_reach_the_server(http_target: HttpTarget) -> None:
    seen = look(
        http_target,
        "/echo",
        method="PUT",
        headers={"X-Team": "Käse"},
        body={"a": 1},
        auth={"basic": ["alice:b", "s3cr3t"]},
        json={"method": "PUT", "body": '{"a": 1}', "headers.Content-Type": "application/json"},
    )
    assert seen.status == "ok", seen.message
    bearer = look(http_target, "/echo", auth={"bearer": "t0k"}, json={"headers.Authorization": "Bearer t0k"})
    assert bearer.status == "ok", bearer.message


def test_nothing_of_one_request_is_left_for_the_next(http_target: HttpTarget) -> None:
    look(http_target, "/echo", method="POST", body="x", auth={"bearer": "t0k"})
    plain = look(http_target, "/echo", json={"method": "GET", "body": ""})
    assert plain.status == "ok", plain.message
    assert look(http_target, "/echo", text="t0k").status == "critical"


def test_no_proxy_of_the_environment_is_used(http_target: HttpTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert look(http_target).status == "ok"
    asked_for = look(http_target, proxy="http://127.0.0.1:1")
    assert asked_for.status == "critical" and "refused" in asked_for.message


def test_a_large_body_is_cut_and_is_no_error(http_target: HttpTarget) -> None:
    seen = look(http_target, "/endless")
    assert seen.status == "ok", seen.message
    assert seen.values["body_bytes"] == 1_048_576


def test_a_gzip_bomb_is_cut_where_it_would_grow(http_target: HttpTarget) -> None:
    seen = look(http_target, "/bomb", json={"a": 1})
    assert seen.status == "critical"
    assert seen.message == "the body is not JSON within its first 1048576 bytes"


@pytest.mark.parametrize("path", ["/hang", "/headerdrip", "/bodydrip"])
def test_the_timeout_holds_against_silence_and_drips(http_target: HttpTarget, path: str) -> None:
    began = time.monotonic()
    seen = look(http_target, path, timeout=0.6)
    assert 0.5 < time.monotonic() - began < 1.6
    assert seen.status == "critical"
    assert "within 0.6 s" in seen.message


def test_failures_to_connect_are_told_in_words() -> None:
    refused = run("http", {"url": "http://127.0.0.1:1/"})
    assert (refused.status, refused.message) == ("critical", "connection refused by 127.0.0.1:1")
    unknown = run("http", {"url": "http://nowhere.invalid/"})
    assert (unknown.status, unknown.message) == ("critical", "name not found: nowhere.invalid")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://0xa9fea9fe/",
        "http://2852039166/",
        "http://[::ffff:169.254.169.254]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://224.0.0.1/",
    ],
)
def test_addresses_nobody_may_probe_are_refused_in_any_spelling(url: str) -> None:
    (fault,) = check_config("http", {"url": url})
    assert fault.pointer == "/url" and REFUSED in fault.message
    seen = run("http", {"url": url, "timeout": 2})
    assert seen.status == "unknown"
    assert REFUSED in seen.message


def test_a_redirect_cannot_lead_where_a_probe_may_not_go(http_target: HttpTarget) -> None:
    seen = look(http_target, "/redirect?to=http://169.254.169.254/latest/meta-data/")
    assert seen.status == "critical"
    assert REFUSED in seen.message


def test_a_redirect_to_another_scheme_is_refused(http_target: HttpTarget) -> None:
    seen = look(http_target, "/redirect?to=file:///etc/passwd")
    assert seen.status == "critical"
    assert "http or https" in seen.message


def test_denied_networks_are_refused_with_the_same_words(http_target: HttpTarget) -> None:
    open_port = run("http", {"url": http_target.url()}, denied_networks=["127.0.0.0/8"])
    closed_port = run("http", {"url": "http://127.0.0.1:1/"}, denied_networks=["127.0.0.0/8"])
    assert open_port.status == "unknown"  # our own configuration's doing, and not the target's
    assert open_port.message == closed_port.message
    assert REFUSED in open_port.message
    assert http_target.hits == []


def test_the_certificate_is_judged(tmp_path: Path) -> None:
    pem = make_certificate(tmp_path, days=20)
    target = tls_target(pem)
    try:
        sound = run("http", {"url": target.url(), "certificate_days": 10}, ca_file=str(pem))
        assert sound.status == "ok", sound.message
        days, tls = sound.values["certificate_days"], sound.values["tls_seconds"]
        assert days and 19.9 < days <= 20
        assert tls and tls > 0
        ending = run("http", {"url": target.url(), "certificate_days": 30}, ca_file=str(pem))
        assert ending.status == "warning"
        assert "the certificate ends in 20.0 days, expected at least 30" in ending.message
        strange = run("http", {"url": target.url()})
        assert strange.status == "critical"
        assert "signed by nobody this machine trusts" in strange.message
    finally:
        target.close()


def test_an_expired_certificate_is_critical(tmp_path: Path) -> None:
    pem = make_certificate(tmp_path, days=-1)
    target = tls_target(pem)
    try:
        seen = run("http", {"url": target.url()}, ca_file=str(pem))
    finally:
        target.close()
    assert (seen.status, seen.message) == ("critical", "the certificate has expired")


@pytest.mark.parametrize(
    ("config", "pointer", "named"),
    [
        ({}, "", "'url' is a required property"),
        ({"url": "http://a.example/", "utl": 1}, "", "'utl' was unexpected"),
        ({"url": "ftp://a.example/"}, "/url", "'ftp'"),
        ({"url": "http:///path"}, "/url", "names no host"),
        ({"url": "http://a.example:99999/"}, "/url", "not a URL"),
        ({"url": "http://a b/"}, "/url", "space"),
        ({"url": "http://a.example/", "proxy": "ftp://p/"}, "/proxy", "'ftp'"),
        ({"url": "http://a.example/", "status": "2xx"}, "/status", "2xx"),
        ({"url": "http://a.example/", "method": "GTE"}, "/method", "GTE"),
        ({"url": "http://a.example/", "timeout": 0}, "/timeout", "0"),
        ({"url": "http://a.example/", "timeout": "soon"}, "/timeout", "soon"),
        ({"url": "http://a.example/", "headers": {"X": "a\r\nB: c"}}, "/headers/X", "one line"),
    ],
)
def test_a_faulty_configuration_is_named(config: dict[str, object], pointer: str, named: str) -> None:
    faults = check_config("http", config)
    assert any(fault.pointer == pointer and named in fault.message for fault in faults), faults
    assert run("http", config).status == "unknown"


def test_a_fault_never_quotes_a_secret() -> None:
    faulty = {"url": "http://a.example/", "auth": {"basic": ["alice", "s3cr3t", "x"]}, "headers": {"X": "s3cr3t\n"}}
    assert check_config("http", faulty)
    assert "s3cr3t" not in repr(check_config("http", faulty))
    assert "s3cr3t" not in repr(check_config("http", {"url": "gopher://alice:s3cr3t@a.example/"}))


def test_a_timeout_may_be_written_as_a_duration(http_target: HttpTarget) -> None:
    assert "within 0.3 s" in look(http_target, "/hang", timeout="0.3s").message
