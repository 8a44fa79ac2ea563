"""Kind `info`: what a service says of its own configuration, held to its contract and to what a team expects of it."""

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import schemas
from probes._machinery.checking import url_faults
from probes._machinery.documents import MISSING, look_up, not_found, parse
from probes._machinery.observation import Observation
from probes._machinery.requests import HttpReply, HttpRequest, Reply, Request
from probes._machinery.times import seconds
from schemas import Fault

_DEFAULT_TIMEOUT = 10.0
_MOST_KEPT = 65_536  # bytes of a document that is kept as a fact
_MOST_TOLD = 5
_COUNTS = {
    "connectors_loaded": "connectors_loaded",
    "dictionary_entries": "dictionary.entries",
    "screens_total": "screens.total",
    "charts_total": "charts.total",
    "dashboards_total": "dashboards.total",
}


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """Critical when there is no answer, it is not 200 or not JSON, breaks its contract or lacks what is expected.

    values: connectors_loaded dictionary_entries screens_total charts_total dashboards_total, and seconds it took
    facts: {"document": the answer, None where it is too large to keep}
    """
    reply = yield HttpRequest(
        url=config["url"],
        headers=config.get("headers", {}),
        timeout=seconds(config.get("timeout", _DEFAULT_TIMEOUT)),
    )
    assert isinstance(reply, HttpReply)
    took: dict[str, float | None] = {"seconds": reply.total_seconds}
    if reply.error is not None:
        return Observation("critical", took, reply.error)
    if reply.status != 200:
        return Observation("critical", took | {"status_code": reply.status}, f"HTTP {reply.status}, expected 200")
    try:
        document = parse(reply.body)
    except ValueError as trouble:
        return Observation("critical", took, f"the answer is not JSON: {trouble}")
    return _judge(config, document, took | _counts(document), len(reply.body))


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say."""
    return url_faults("/url", config["url"])


def _judge(config: Mapping[str, Any], document: Any, values: Mapping[str, float | None], size: int) -> Observation:
    broken = [*_contract_faults(document)] if config.get("contract", True) else []
    unmet = [*not_found(document, config["expect"])] if "expect" in config else []
    facts = {"document": document if size <= _MOST_KEPT else None}
    if broken or unmet:
        return Observation("critical", values, "; ".join(_told(broken + unmet)), facts)
    return Observation("ok", values, f"as expected, in {values['seconds']:.3f} s", facts)


def _contract_faults(document: Any) -> Iterator[str]:
    try:
        found = schemas.faults("info", document)
    except FileNotFoundError:
        return
    for fault in found:
        yield f"contract: {fault.pointer or '/'}: {fault.message}"


def _told(sentences: list[str]) -> list[str]:
    more = len(sentences) - _MOST_TOLD
    return sentences[:_MOST_TOLD] + ([f"and {more} more"] if more > 0 else [])


def _counts(document: Any) -> dict[str, float | None]:
    return {name: _number(look_up(document, path)) for name, path in _COUNTS.items()}


def _number(value: Any) -> float | None:
    return None if value is MISSING or isinstance(value, bool) or not isinstance(value, int | float) else value
