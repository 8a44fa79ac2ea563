"""Kind `http`: one exchange with a web server; its status, headers, body, speed and certificate judged."""

import json
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from probes._machinery.conclusions import fruitless, patience
from probes._machinery.http_conditions import doubts, failures, undecided
from probes._machinery.http_config import config_faults
from probes._machinery.observation import Observation, Status
from probes._machinery.requests import HttpReply, HttpRequest, Reply, Request
from schemas import Fault

_DAY = 86400.0
_BYTES = 1_048_576
_MOST_TOLD = 5  # sentences in a message
_PLAIN = frozenset(  # what leaves the request a mere GET of the URL
    (
        *("url", "timeout", "status", "response_headers", "json", "text", "not_text", "regex", "not_regex"),
        *("max_seconds", "critical_seconds"),
    )
)


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """Critical on anything unmet; unknown where that cannot be told, or the trouble is this machine's or this
    configuration's; warning when only slower than `max_seconds` or close to the certificate's end.

    values: status_code body_bytes total_seconds first_byte_seconds (both since the start), dns_seconds
    connect_seconds tls_seconds (each phase alone, redirects added up), http_version, certificate_days
    """
    reply = yield _request(config)
    assert isinstance(reply, HttpReply)
    values = _values(reply, now)
    if reply.error is not None:
        reached = {name: value for name, value in values.items() if name in ("total_seconds", "status_code") and value}
        return fruitless(reply.error + _whereabouts(config, reply), reply.error_class, reached)
    judged: tuple[tuple[Status, Iterator[str]], ...] = (
        ("critical", failures(config, reply, values)),
        ("unknown", undecided(config, reply)),
        ("warning", doubts(config, values)),
    )
    for status, sentences in judged:
        if told := list(sentences):
            return Observation(status, values, _told(told) + _whereabouts(config, reply))
    return Observation("ok", values, f"HTTP {reply.status} in {reply.total_seconds:.3f} s{_cut(reply)}")


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say: addresses that may be probed, certificates and patterns that can be read."""
    return list(config_faults(config))


def unmeasured(config: Mapping[str, Any]) -> frozenset[str]:
    """The values that a check so configured never has."""
    return frozenset() if _is_about_certificates(config) else frozenset({"certificate_days"})


def _is_about_certificates(config: Mapping[str, Any]) -> bool:
    return "certificate_days" in config or config.get("url", "").lower().startswith("https:")


def _request(config: Mapping[str, Any]) -> HttpRequest:
    if _PLAIN.issuperset(config):  # most are so, and every look builds one
        return HttpRequest(config["url"], timeout=patience(config), want_certificate=_is_about_certificates(config))
    headers, body = config.get("headers", {}), config.get("body")
    auth = config.get("auth", {})
    if auth:
        headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
    if "bearer" in auth:
        headers = {**headers, "Authorization": f"Bearer {auth['bearer']}"}
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
        if not any(name.lower() == "content-type" for name in headers):
            headers = {**headers, "Content-Type": "application/json"}
    return HttpRequest(
        url=config["url"],
        method=config.get("method", "GET" if body is None else "POST"),
        headers=headers,
        body=None if body is None else body.encode(),
        timeout=patience(config),
        max_bytes=config.get("max_bytes", _BYTES),
        follow_redirects=config.get("follow_redirects", True),
        max_redirects=config.get("max_redirects", 5),
        basic_auth=tuple(auth["basic"]) if "basic" in auth else None,
        digest_auth=tuple(auth["digest"]) if "digest" in auth else None,
        http_version=config.get("http_version"),
        proxy=config.get("proxy"),
        ca=config.get("ca"),
        client_certificate=config.get("client_certificate"),
        client_key=config.get("client_key"),
        client_key_password=config.get("client_key_password"),
        want_certificate=_is_about_certificates(config),
    )


def _values(reply: HttpReply, now: float) -> dict[str, float | None]:
    connected, resolved = reply.connect_seconds, reply.dns_seconds
    ends = reply.certificate_expires_at
    return {
        "status_code": reply.status or None,
        "total_seconds": reply.total_seconds,
        "dns_seconds": resolved,
        "connect_seconds": _between(resolved, connected),
        "tls_seconds": _between(connected, reply.tls_seconds),
        "first_byte_seconds": reply.first_byte_seconds,
        "http_version": reply.http_version,
        "body_bytes": len(reply.body),
        "certificate_days": None if ends is None else (ends - now) / _DAY,
    }


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else max(0.0, end - begin)


def _told(sentences: list[str]) -> str:
    more = len(sentences) - _MOST_TOLD
    return "; ".join(sentences[:_MOST_TOLD]) + (f"; and {more} more" if more > 0 else "")


def _whereabouts(config: Mapping[str, Any], reply: HttpReply) -> str:
    """Who said so, where it was not who was asked."""
    if not reply.elsewhere:
        return ""
    kept = any(key in config for key in ("headers", "auth", "client_certificate"))
    bare = ", which this check's headers and sign-in are not sent to" if kept else ""
    return f" (redirected to {reply.elsewhere}{bare})"


def _cut(reply: HttpReply) -> str:
    return f" (only the first {len(reply.body)} bytes of the body were read)" if reply.truncated else ""
