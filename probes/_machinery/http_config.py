"""Whether a HTTP check's configuration makes sense, where its schema cannot tell."""

from collections.abc import Iterator, Mapping
from typing import Any

from probes._machinery.checking import url_faults
from probes._machinery.documents import condition_faults
from probes._machinery.identity import identity_faults
from probes._machinery.targets import pattern_faults, trust_faults
from schemas import Fault

PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_OF_A_BODY = ("text", "not_text", "regex", "not_regex", "json")
_OURS = ("content-length", "transfer-encoding", "connection")  # what they say must be true of what is sent


def config_faults(config: Mapping[str, Any]) -> Iterator[Fault]:
    """Everything that is wrong; no fault quotes a secret."""
    yield from url_faults("/url", config["url"])
    if "proxy" in config:
        yield from url_faults("/proxy", config["proxy"], PROXY_SCHEMES)
    yield from _status_faults(config.get("status", []))
    yield from condition_faults("/response_headers", config.get("response_headers", {}))
    yield from condition_faults("/json", config.get("json", {}))
    yield from _pattern_faults(config)
    yield from _header_faults(config)
    yield from _version_faults(config)
    if config.get("method") == "HEAD":
        for key in _OF_A_BODY:
            if key in config:
                yield Fault(f"/{key}", "an answer to HEAD has no body; expected another method")
    if "ca" in config:
        yield from trust_faults("/ca", config["ca"])
    yield from identity_faults(config)


def _status_faults(wanted: Any) -> Iterator[Fault]:
    single = not isinstance(wanted, list)
    for index, one in enumerate([wanted] if single else wanted):
        first, _, last = str(one).partition("-")
        if last and int(first) > int(last):
            yield Fault("/status" if single else f"/status/{index}", f"the range {one} is empty; expected e.g. 200-299")


def _pattern_faults(config: Mapping[str, Any]) -> Iterator[Fault]:
    for key in ("regex", "not_regex"):
        wanted = config.get(key, [])
        if isinstance(wanted, str):
            yield from pattern_faults(f"/{key}", wanted)
            continue
        for index, pattern in enumerate(wanted):
            yield from pattern_faults(f"/{key}/{index}", pattern)


def _header_faults(config: Mapping[str, Any]) -> Iterator[Fault]:
    names = {name.lower(): name for name in config.get("headers", {})}
    for lowered in _OURS:
        if lowered in names:
            yield Fault(f"/headers/{names[lowered]}", "this header is made from the request itself; take it out")


def _version_faults(config: Mapping[str, Any]) -> Iterator[Fault]:
    if config.get("http_version") != "3":
        return
    if not _speaks_http3():
        yield Fault("/http_version", "this machine's libcurl does not speak HTTP/3; expected 1.0, 1.1 or 2")
    if not config["url"].lower().startswith("https:"):
        yield Fault("/http_version", "HTTP/3 is spoken over TLS alone; expected an https URL")
    if "proxy" in config:
        yield Fault("/http_version", "HTTP/3 goes through no proxy; take one of both out")


def _speaks_http3() -> bool:
    import pycurl

    return bool(pycurl.version_info()[4] & pycurl.VERSION_HTTP3)
