"""Kind `metrics`: what a service exposes for Prometheus, its values compared without one."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from probes._machinery import exposition
from probes._machinery.checking import url_faults
from probes._machinery.conclusions import fruitless
from probes._machinery.counters import Record
from probes._machinery.limits import LEVELS, OPERATORS, judged
from probes._machinery.measures import Measure, Reading, measure, reading
from probes._machinery.observation import Observation
from probes._machinery.requests import HttpReply, HttpRequest, Reply, Request, Sleep
from probes._machinery.times import seconds
from schemas import Fault

_DEFAULT_TIMEOUT = 10.0
_DEFAULT_BYTES = 4_194_304
_BETWEEN_LOOKS = 5.0  # seconds from the first look ever to the second, where a rate is asked for
_ACCEPT = (
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.9, text/plain;version=0.0.4;q=0.8,"
    " application/openmetrics-text;version=1.0.0;q=0.5, */*;q=0.1"
)


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """Critical or warning where a condition holds, critical when there is no exposition, unknown where a value asked
    for is not there; what waits for more looks, or for something to happen, is not judged and told so.

    values: each of `values` by its name, None where it is not known; total_seconds and body_bytes of the exchange
    facts: {"records": {name: what is remembered for its window}, "missing": {name: why there is no value}}
    """
    asked = {name: measure(given) for name, given in config["values"].items()}
    records = _remembered(asked, previous, now)
    reply = yield _request(config)
    assert isinstance(reply, HttpReply)
    now += reply.total_seconds
    readings = _look(asked, reply, records, now)
    if isinstance(readings, dict) and any(one.tells_early and name not in records for name, one in asked.items()):
        yield Sleep(_BETWEEN_LOOKS)
        records = {name: one.record for name, one in readings.items() if one.record is not None}
        reply = yield _request(config)
        assert isinstance(reply, HttpReply)
        readings = _look(asked, reply, records, now + _BETWEEN_LOOKS + reply.total_seconds)
    exchange = {"total_seconds": reply.total_seconds, "body_bytes": float(len(reply.body))}
    if isinstance(readings, Observation):
        return replace(readings, values=exchange, facts={"records": _records(asked, records)})
    return _observation(config, asked, readings, exchange, previous is None)


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say: selectors that can be read, conditions about values there are."""
    return [*url_faults("/url", config["url"]), *_measure_faults(config), *_condition_faults(config)]


def _measure_faults(config: Mapping[str, Any]) -> Iterator[Fault]:
    for name, given in config["values"].items():
        try:
            measure(given)
        except ValueError as trouble:
            yield Fault(f"/values/{name}", str(trouble))


def _condition_faults(config: Mapping[str, Any]) -> Iterator[Fault]:
    known = ", ".join(config["values"])
    for level in LEVELS:
        for name, condition in config.get(level, {}).items():
            if name not in config["values"]:
                yield Fault(f"/{level}/{name}", f"no such value; there are: {known}")
            if not condition.get("absent") and not OPERATORS.keys() & condition.keys():
                yield Fault(f"/{level}/{name}", f"expected a limit; there are: {' '.join(OPERATORS)} and absent = true")
            for other in condition.get("while", {}):
                if other not in config["values"]:
                    yield Fault(f"/{level}/{name}/while/{other}", f"no such value; there are: {known}")


def _request(config: Mapping[str, Any]) -> HttpRequest:
    auth = config.get("auth", {})
    bearer = {"Authorization": f"Bearer {auth['bearer']}"} if "bearer" in auth else {}
    return HttpRequest(
        url=config["url"],
        headers={"Accept": _ACCEPT, **bearer, **config.get("headers", {})},
        timeout=seconds(config.get("timeout", _DEFAULT_TIMEOUT)),
        max_bytes=config.get("max_bytes", _DEFAULT_BYTES),
        basic_auth=tuple(auth["basic"]) if "basic" in auth else None,
    )


def _remembered(asked: Mapping[str, Measure], previous: Observation | None, now: float) -> dict[str, Record]:
    """What earlier looks left of each value that is still drawn the same way; of a rate, what is of use still."""
    kept = previous.facts.get("records", {}) if previous is not None else {}
    found = {name: kept[name] for name, one in asked.items() if kept.get(name, {}).get("of") == one.identity}
    return {name: one for name, one in found.items() if not asked[name].tells_early or asked[name].goes_on(one, now)}


def _records(asked: Mapping[str, Measure], records: Mapping[str, Record | None]) -> dict[str, Any]:
    """The records as facts, each with what it is a record of."""
    return {name: {**record, "of": asked[name].identity} for name, record in records.items() if record is not None}


def _look(
    asked: Mapping[str, Measure], reply: HttpReply, records: Mapping[str, Record], now: float
) -> dict[str, Reading] | Observation:
    """What the answer says of each value; an observation where it is no exposition."""
    if reply.error is not None:
        return fruitless(reply.error, reply.error_class, {})
    if reply.status != 200:
        return Observation("critical", message=f"HTTP {reply.status}, expected 200")
    if reply.truncated:
        words = f"the exposition is longer than {len(reply.body)} bytes and was not read: raise max_bytes"
        return Observation("unknown", message=words)
    names = {one.name for each in asked.values() for one in each.selectors}
    openmetrics = "openmetrics" in reply.headers.get("content-type", "").lower()
    try:
        found = exposition.series(reply.body, names, openmetrics)
    except ValueError as why:
        return Observation("critical", message=f"the answer is no Prometheus exposition: {why}")
    return {name: reading(one, found, records.get(name), now) for name, one in asked.items()}


def _observation(
    config: Mapping[str, Any],
    asked: Mapping[str, Measure],
    readings: Mapping[str, Reading],
    exchange: Mapping[str, float | None],
    is_first: bool,
) -> Observation:
    status, told = judged(config, readings, is_first)
    facts = {
        "records": _records(asked, {name: one.record for name, one in readings.items()}),
        "missing": {name: one.words for name, one in readings.items() if one.value is None},
    }
    values = {name: one.value for name, one in readings.items()}
    return Observation(status, {**values, **exchange}, "; ".join(told), facts)
