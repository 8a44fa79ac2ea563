"""Kind `http`: one exchange with a web server; its status, body, speed and certificate judged."""

import json
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from probes._machinery.checking import url_faults
from probes._machinery.documents import parse, unmet
from probes._machinery.observation import Observation
from probes._machinery.requests import HttpReply, HttpRequest, Reply, Request
from probes._machinery.times import seconds
from schemas import Fault

_DEFAULT_STATUS = "200-299"
_DEFAULT_TIMEOUT = 10.0
_DAY = 86400.0


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """Critical on anything unmet, warning when only slower than `max_seconds` or close to the certificate's end.

    values: status_code body_bytes total_seconds first_byte_seconds (both since the start), dns_seconds
    connect_seconds tls_seconds (each phase alone), certificate_days
    """
    reply = yield _request(config)
    assert isinstance(reply, HttpReply)
    if reply.error is not None:
        return Observation("critical", {"total_seconds": reply.total_seconds}, reply.error)
    values = _values(reply, now)
    if failed := "; ".join(_failures(config, reply)):
        return Observation("critical", values, failed)
    if doubts := "; ".join(_doubts(config, values)):
        return Observation("warning", values, doubts)
    return Observation("ok", values, f"HTTP {reply.status} in {reply.total_seconds:.3f} s")


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say: URLs that can be read, ranges of statuses that make sense."""
    found = url_faults("/url", config["url"])
    if config.get("proxy"):
        found += url_faults("/proxy", config["proxy"])
    return found


def _request(config: Mapping[str, Any]) -> HttpRequest:
    headers, body = dict(config.get("headers", {})), config.get("body")
    auth = config.get("auth", {})
    if "bearer" in auth:
        headers["Authorization"] = f"Bearer {auth['bearer']}"
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    return HttpRequest(
        url=config["url"],
        method=config.get("method", "GET" if body is None else "POST"),
        headers=headers,
        body=None if body is None else body.encode(),
        timeout=seconds(config.get("timeout", _DEFAULT_TIMEOUT)),
        follow_redirects=config.get("follow_redirects", True),
        basic_auth=tuple(auth["basic"]) if "basic" in auth else None,
        http_version=config.get("http_version"),
        proxy=config.get("proxy"),
        want_certificate="certificate_days" in config or config["url"].lower().startswith("https:"),
    )


def _values(reply: HttpReply, now: float) -> dict[str, float | None]:
    connected, resolved = reply.connect_seconds, reply.dns_seconds
    ends = reply.certificate_expires_at
    return {
        "status_code": reply.status,
        "total_seconds": reply.total_seconds,
        "dns_seconds": resolved,
        "connect_seconds": _between(resolved, connected),
        "tls_seconds": _between(connected, reply.tls_seconds),
        "first_byte_seconds": reply.first_byte_seconds,
        "body_bytes": len(reply.body),
        "certificate_days": None if ends is None else (ends - now) / _DAY,
    }


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else max(0.0, end - begin)


def _failures(config: Mapping[str, Any], reply: HttpReply) -> Iterator[str]:
    wanted = config.get("status", _DEFAULT_STATUS)
    if not _is_status(reply.status, wanted):
        yield f"HTTP {reply.status}, expected {_said(wanted)}"
        return  # the body of an error page tells nothing more
    yield from _text_failures(config.get("text", ()), reply)
    yield from _json_failures(config.get("json"), reply)


def _is_status(status: int, wanted: int | str | list[int | str]) -> bool:
    if isinstance(wanted, int):
        return status == wanted
    if isinstance(wanted, list):
        return any(_is_status(status, one) for one in wanted)
    first, _, last = wanted.partition("-")
    return int(first) <= status <= int(last or first)


def _said(wanted: int | str | list[int | str]) -> str:
    return " or ".join(map(str, wanted)) if isinstance(wanted, list) else str(wanted)


def _text_failures(wanted: str | list[str], reply: HttpReply) -> Iterator[str]:
    if not wanted:
        return
    text = reply.body.decode(_charset(reply.headers.get("content-type", "")), "replace")
    for part in [wanted] if isinstance(wanted, str) else wanted:
        if part not in text:
            whole = f"the first {len(reply.body)} bytes" if reply.truncated else f"{len(reply.body)} bytes"
            yield f"the text {part[:80]!r} is not in the body ({whole})"


def _charset(content_type: str) -> str:
    _, _, name = content_type.lower().partition("charset=")
    try:
        "".encode(name.strip("\"' ;"))
    except (LookupError, ValueError):
        return "utf-8"
    return name.strip("\"' ;") or "utf-8"


def _json_failures(wanted: Mapping[str, Any] | None, reply: HttpReply) -> Iterator[str]:
    if wanted is None:
        return
    if reply.truncated:
        yield f"the body is not JSON within its first {len(reply.body)} bytes"
        return
    try:
        document = parse(reply.body)
    except ValueError as trouble:
        yield f"the body is not JSON: {trouble}"
        return
    yield from unmet(document, wanted)


def _doubts(config: Mapping[str, Any], values: Mapping[str, float | None]) -> Iterator[str]:
    took, days = values["total_seconds"], values["certificate_days"]
    if "max_seconds" in config and took is not None and took > config["max_seconds"]:
        yield f"took {took:.3f} s, expected at most {config['max_seconds']:g} s"
    if "certificate_days" in config and days is not None and days < config["certificate_days"]:
        yield f"the certificate ends in {days:.1f} days, expected at least {config['certificate_days']:g}"
