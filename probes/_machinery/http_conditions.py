"""What an HTTP answer is held to: its status, headers, body, speed, certificate. Each sentence says what was seen."""

import codecs
from collections.abc import Iterator, Mapping
from typing import Any

from probes._machinery.documents import MISSING, parse, unmet, unmet_value
from probes._machinery.patterns import matches
from probes._machinery.requests import HttpReply

DEFAULT_STATUS = "200-299"
_OF_TEXT = frozenset({"text", "not_text", "regex", "not_regex"})
_MOST_SHOWN = 80  # characters of a text or pattern in a message
# Of Python alone, some of them slow.
_NO_CHARSETS = ("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined")

Values = Mapping[str, float | None]


def failures(config: Mapping[str, Any], reply: HttpReply, values: Values) -> Iterator[str]:
    """What makes the answer a failure."""
    wanted = config.get("status", DEFAULT_STATUS)
    if not is_status(reply.status, wanted):
        yield f"HTTP {reply.status}, expected {_listed(wanted)}"
        return  # the body of an error page tells nothing more
    if "response_headers" in config:
        yield from _header_failures(config["response_headers"], reply.headers)
    if not _OF_TEXT.isdisjoint(config):
        yield from _text_failures(config, reply)
    if "json" in config:
        yield from _json_failures(config["json"], reply)
    if "critical_seconds" in config:
        yield from _slowness(values["total_seconds"], config["critical_seconds"])
    if "certificate_days" in config and values["certificate_days"] is None:
        yield "no certificate was shown: the answer came without TLS"


def undecided(config: Mapping[str, Any], reply: HttpReply) -> Iterator[str]:
    """What cannot be told of the answer, since its body was not read to its end."""
    if reply.truncated and ("not_text" in config or "not_regex" in config):
        yield f"only the first {len(reply.body)} bytes of the body were read: what must not be in it may follow"


def doubts(config: Mapping[str, Any], values: Values) -> Iterator[str]:
    """What is worth a warning."""
    if "max_seconds" in config:
        yield from _slowness(values["total_seconds"], config["max_seconds"])
    days = values["certificate_days"]
    if "certificate_days" in config and days is not None and days < config["certificate_days"]:
        yield f"the certificate ends in {days:.1f} days, expected at least {config['certificate_days']:g}"


def is_status(status: int, wanted: int | str | list[int | str]) -> bool:
    """Whether a status is one, in a range like "200-299", or in a list of these."""
    if isinstance(wanted, int):
        return status == wanted
    if isinstance(wanted, list):
        return any(is_status(status, one) for one in wanted)
    first, _, last = wanted.partition("-")
    return int(first) <= status <= int(last or first)


def _listed(wanted: int | str | list[int | str]) -> str:
    return " or ".join(map(str, wanted)) if isinstance(wanted, list) else str(wanted)


def _header_failures(wanted: Mapping[str, Any], headers: Mapping[str, str]) -> Iterator[str]:
    for name, expected in wanted.items():
        seen: Any = headers.get(name.lower(), MISSING)
        yield from unmet_value(f"the header {name}", _like(seen, expected), expected)


def _like(seen: Any, expected: Any) -> Any:
    """A header's text as a number, where it is one and is compared with one."""
    compared = list(expected.values()) if isinstance(expected, Mapping) else [expected]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in compared) or not compared:
        return seen
    try:
        return float(seen)
    except (TypeError, ValueError):
        return seen


def _text_failures(config: Mapping[str, Any], reply: HttpReply) -> Iterator[str]:
    text = _decoded(reply.body, reply.headers.get("content-type", ""))
    whole = f"the first {len(reply.body)} bytes" if reply.truncated else f"{len(reply.body)} bytes"
    for key, what in (("text", "the text"), ("regex", "what matches")):
        for part in _several(config.get(key, ())):
            if not _is_in(key, part, text):
                yield f"{what} {part[:_MOST_SHOWN]!r} is not in the body ({whole})"
        for part in _several(config.get(f"not_{key}", ())):
            if _is_in(key, part, text):
                yield f"{what} {part[:_MOST_SHOWN]!r} is in the body, expected not to be"


def _is_in(key: str, part: str, text: str) -> bool:
    return part in text if key == "text" else matches(part, text)


def _several(wanted: str | list[str]) -> list[str]:
    return [wanted] if isinstance(wanted, str) else list(wanted)


def _decoded(body: bytes, content_type: str) -> str:
    """The body as text, in the charset its headers name where that is one for texts of others, else in UTF-8."""
    _, _, rest = content_type.lower().partition("charset=")
    try:
        named = codecs.lookup(rest.partition(";")[0].strip("\"' ")).name
        return body.decode("utf-8" if named in _NO_CHARSETS else named, "replace")
    except (LookupError, ValueError):
        return body.decode("utf-8", "replace")


def _json_failures(wanted: Mapping[str, Any], reply: HttpReply) -> Iterator[str]:
    if reply.truncated:
        yield f"the body is not JSON within its first {len(reply.body)} bytes"
        return
    try:
        document = parse(reply.body)
    except ValueError as trouble:
        yield f"the body is not JSON: {trouble}"
        return
    yield from unmet(document, wanted)


def _slowness(took: float | None, most: float) -> Iterator[str]:
    if took is not None and took > most:
        yield f"took {took:.3f} s, expected at most {most:g} s"
