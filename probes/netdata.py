"""Kind `netdata`: a server seen by its Netdata agent, or by a parent that its agent streams to."""

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

from probes._machinery.checking import url_faults
from probes._machinery.documents import parse
from probes._machinery.netdata_answers import ALLMETRICS, CPU, UPTIME, Age, age, charts, readings, row_sum
from probes._machinery.observation import Observation
from probes._machinery.requests import HttpReply, HttpRequest, Reply, Request, Sleep
from probes._machinery.summary import metrics, said, summary, unreachable
from probes._machinery.times import seconds
from schemas import Fault

_DEFAULT_TIMEOUT = 5.0
_STALE_AFTER = 15.0  # seconds; an agent writes a row each second
_SECOND_LOOK = 3.0
_PARENT_SETTLED = 120.0  # seconds after its start until a parent's children have all come back
_REFUSALS = (401, 403, 412, 451, 503)

Asking = Generator[Request, Reply, Observation]


class _Seen(NamedTuple):
    """What the last answer with data said, kept while there is none: its newest row, when it was seen, the version."""

    last_updated: float | None
    looked_at: float | None
    version: str | None


def probe(config: Mapping[str, Any], now: float, previous: Observation | None) -> Asking:
    """Ok while the data is fresh (metric rules judge the values), critical when the server is gone, unknown when
    nobody could tell: the agent refused, has no data yet, or the parent itself is away or has just started.

    facts: the server summary, `netdata_version`, and `last_updated` (epoch seconds of the newest row)
    """
    reply = yield _ask(config, ALLMETRICS)
    assert isinstance(reply, HttpReply)
    if reply.error is not None or reply.status != 200:
        return (yield from _no_answer(config, reply, now, _seen(previous)))
    try:
        found = charts(reply)
    except ValueError as trouble:
        return _unknown(f"the answer is not Netdata's: {trouble}", now, _seen(previous))
    freshness = age(found, reply)
    if freshness is None:
        return (yield from _without_data(config, now, _seen(previous)))
    if _is_stale(freshness, now, previous) and not (yield from _goes_on(config, freshness, previous)):
        why = f"its data is {freshness.seconds:.0f} s old"
        return (yield from _gone(config, why, now, _Seen(freshness.updated_at, now, _known_version(previous))))
    cpu = yield _ask(config, CPU)
    assert isinstance(cpu, HttpReply)
    measured = readings(found, row_sum(cpu), freshness.updated_at, _STALE_AFTER)
    thresholds = config.get("thresholds", {})
    facts = summary(measured, thresholds, now) | {
        "netdata_version": (yield from _version(config, reply, previous)),
        "last_updated": freshness.updated_at,
        "looked_at": now,
    }
    return Observation("ok", metrics(facts), said(measured, thresholds) + _skew(freshness), facts)


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say."""
    return url_faults("/url", config["url"])


def _ask(config: Mapping[str, Any], call: str, of_parent: bool = False) -> HttpRequest:
    guid = None if of_parent else config.get("machine_guid")
    host = f"/host/{guid.lower()}" if guid else ""  # agents before 2.0 know the lower-case form alone
    headers = dict(config.get("headers", {}))
    if config.get("api_key"):
        headers.setdefault("Authorization", f"Bearer {config['api_key']}")
    return HttpRequest(
        url=f"{config['url'].rstrip('/')}{host}/api/v1/{call}",
        headers=headers,
        timeout=seconds(config.get("timeout", _DEFAULT_TIMEOUT)),
        follow_redirects=not headers,  # a key is for this server, not for where it points
    )


def _no_answer(config: Mapping[str, Any], reply: HttpReply, now: float, seen: _Seen) -> Asking:
    by_parent = bool(config.get("machine_guid"))
    if reply.error is not None:
        if by_parent:
            return _unknown(f"the Netdata parent does not answer: {reply.error}", now, seen)
        return _critical(f"Netdata does not answer: {reply.error}", now, seen)
    if reply.status in _REFUSALS:
        return _unknown(f"Netdata refused: HTTP {reply.status} ({_refusal(reply.status)})", now, seen)
    if reply.status == 404 and by_parent:
        return (yield from _gone(config, "the parent has no database for it", now, seen))
    return _unknown(f"Netdata answered HTTP {reply.status}, expected 200", now, seen)


def _without_data(config: Mapping[str, Any], now: float, seen: _Seen) -> Asking:
    if config.get("machine_guid"):
        return (yield from _gone(config, "the parent has no data of it", now, seen))
    return _unknown("Netdata answers but has no data yet", now, seen)


def _gone(config: Mapping[str, Any], why: str, now: float, seen: _Seen) -> Asking:
    """The server is gone, unless a parent says so that has itself just started: its live children look dead then."""
    if config.get("machine_guid"):
        reply = yield _ask(config, UPTIME, of_parent=True)
        assert isinstance(reply, HttpReply)
        uptime = row_sum(reply)
        if uptime is not None and uptime < _PARENT_SETTLED:
            return _unknown(f"{why}, but the parent started only {uptime:.0f} s ago", now, seen)
    return _critical(f"the server is gone: {why}", now, seen)


def _is_stale(freshness: Age, now: float, previous: Observation | None) -> bool:
    """Older than a live agent's data can be, and not going on in step with time either (a clock that is behind)."""
    if freshness.seconds is None or freshness.seconds <= _STALE_AFTER:
        return False
    before = _seen(previous)
    if before.last_updated is None or before.looked_at is None:
        return True
    return freshness.updated_at - before.last_updated < now - before.looked_at - _STALE_AFTER


def _goes_on(
    config: Mapping[str, Any], freshness: Age, previous: Observation | None
) -> Generator[Request, Reply, bool]:
    """A first look at old data looks twice: a clock that is behind is no dead server."""
    if _seen(previous).last_updated is not None:
        return False
    yield Sleep(_SECOND_LOOK)
    reply = yield _ask(config, ALLMETRICS)
    assert isinstance(reply, HttpReply)
    try:
        newer = age(charts(reply), reply)
    except ValueError:
        return False
    return newer is not None and newer.updated_at > freshness.updated_at


def _skew(freshness: Age) -> str:
    if freshness.seconds is None or abs(freshness.seconds) <= _STALE_AFTER:
        return ""
    side = "behind" if freshness.seconds > 0 else "ahead of"
    return f"; its clock is {abs(freshness.seconds):.0f} s {side} Netdata's"


def _version(
    config: Mapping[str, Any], reply: HttpReply, previous: Observation | None
) -> Generator[Request, Reply, str | None]:
    """The agent's version: an agent names it in every answer; a parent is asked for its child's, once."""
    if not config.get("machine_guid"):
        _, _, version = reply.headers.get("server", "").partition("Netdata Embedded HTTP Server ")
        return version.strip() or None
    known = _known_version(previous)
    if known and previous is not None and previous.status == "ok":
        return known
    answer = yield _ask(config, "info")
    assert isinstance(answer, HttpReply)
    try:
        version = parse(answer.body)["version"]
    except (ValueError, TypeError, KeyError):
        return None
    return str(version)[:100]


def _refusal(status: int) -> str:
    reasons = {503: "it is starting, or a proxy has nobody behind it", 451: "this address is not on its list"}
    return reasons.get(status, "it wants an authorization: set api_key or headers")


def _critical(message: str, now: float, seen: _Seen) -> Observation:
    return Observation("critical", {}, message, _nothing(now, seen))


def _unknown(message: str, now: float, seen: _Seen) -> Observation:
    return Observation("unknown", {}, message, _nothing(now, seen))


def _nothing(now: float, seen: _Seen) -> dict[str, Any]:
    """The facts where there are none, but for what the next look compares with."""
    kept = {"netdata_version": seen.version, "last_updated": seen.last_updated, "looked_at": seen.looked_at}
    return unreachable(now) | kept


def _seen(previous: Observation | None) -> _Seen:
    facts = previous.facts if previous is not None else {}
    return _Seen(facts.get("last_updated"), facts.get("looked_at"), _known_version(previous))


def _known_version(previous: Observation | None) -> str | None:
    return previous.facts.get("netdata_version") if previous is not None else None
