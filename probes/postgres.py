"""Kind `postgres`: a query, and the value it gives."""

from collections.abc import Generator, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from math import isfinite
from typing import Any

from probes._machinery.checking import dsn_faults
from probes._machinery.conclusions import fruitless, judged, patience, slow
from probes._machinery.documents import MISSING, condition_faults, met, shown, unmet_value
from probes._machinery.observation import Observation
from probes._machinery.requests import Reply, Request, SqlQuery, SqlReply
from probes._machinery.sql_errors import REMEDIES
from schemas import Fault

_DEFAULT_QUERY = "SELECT 1"
_CONDITIONS = ("expect", "warning", "critical")
_MOST_KEPT = 1000  # characters of a text
_WRITES = "read-only transaction"  # in PostgreSQL's own words
_REMEDIES = REMEDIES | {"privilege": "grant the check's user what the query reads"}


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """Critical without an answer or where the value is not as it should be; warning as configured, or when slow.

    Unknown where the user may not read what the query reads, the query would write, or the value cannot be compared.
    values: result (the first column of the first row, None where it is no number), rows connect_seconds query_seconds
    total_seconds. facts: {"value": …}
    """
    reply = yield SqlQuery(config["dsn"], config.get("query", _DEFAULT_QUERY), timeout=patience(config))
    assert isinstance(reply, SqlReply)
    if reply.error is not None:
        return _failed(reply.error, reply.error_class)
    value = next(iter(reply.rows[0].values()), MISSING) if reply.rows else MISSING
    seen = value if value is MISSING else _json(value)
    values = _values(reply, seen)
    took = values["total_seconds"] or 0.0
    said = f"{_called(seen)} in {took:.3f} s"
    if unlike := next(_unlike(config, seen), ""):
        return Observation("unknown", values, f"{_called(seen)}, which cannot be {unlike}")
    facts = {} if seen is MISSING else {"value": seen[:_MOST_KEPT] if isinstance(seen, str) else seen}
    return judged(values, _failures(config, seen), _doubts(config, seen, took), said, facts)


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say."""
    found = dsn_faults("/dsn", config["dsn"])
    for key in _CONDITIONS:
        if key in config:
            found += condition_faults("", {key: config[key]})
    return found


def _failed(said: str, error_class: str | None) -> Observation:
    if _WRITES in said:
        return Observation("unknown", message=f"the query writes, and a check only reads: {said}")
    remedy = f"; {_REMEDIES[error_class]}" if error_class in _REMEDIES else ""
    return fruitless(f"{said}{remedy}", error_class, {})


def _json(value: Any) -> Any:
    """A value of PostgreSQL as JSON has it; an interval in seconds."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal) and value.is_finite():
        return int(value) if value == value.to_integral_value() else float(value)
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    return str(value)


def _values(reply: SqlReply, seen: Any) -> dict[str, float | None]:
    phases = [reply.connect_seconds, reply.query_seconds]
    known = [phase for phase in phases if phase is not None]
    return {
        "result": float(seen) if isinstance(seen, int | float) else None,
        "rows": len(reply.rows),
        "connect_seconds": reply.connect_seconds,
        "query_seconds": reply.query_seconds,
        "total_seconds": sum(known) if known else None,
    }


def _failures(config: Mapping[str, Any], seen: Any) -> Iterator[str]:
    if "expect" in config:
        for sentence in unmet_value("the value", seen, config["expect"]):
            yield sentence if seen is not MISSING else f"no row, {sentence.partition(', ')[2]}"
    yield from _reached("critical", config, seen)


def _doubts(config: Mapping[str, Any], seen: Any, took: float) -> Iterator[str]:
    yield from _reached("warning", config, seen)
    yield from slow(config, took)


def _reached(name: str, config: Mapping[str, Any], seen: Any) -> Iterator[str]:
    if name in config and (condition := met(seen, config[name])):
        yield f"the value is {shown(seen)}, {name} where {condition}"


def _unlike(config: Mapping[str, Any], seen: Any) -> Iterator[str]:
    """What the value cannot be held to: no row and no value are neither more nor less than a number, nor is a text."""
    for name in ("critical", "warning"):
        for sign, limit in config.get(name, {}).items():
            if seen is MISSING or (sign[0] in "<>" and _sort(seen) != _sort(limit)):
                yield f"compared: {name} where {sign} {shown(limit)}"


def _sort(value: Any) -> str:
    return "a number" if isinstance(value, int | float) else type(value).__name__


def _called(seen: Any) -> str:
    return "no row" if seen is MISSING else f"the value is {shown(seen)}"
