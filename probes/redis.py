"""Kind `redis`: whether Redis or Valkey answers, and what it says of itself, its keys and their lengths."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from probes._machinery.conclusions import fruitless, judged, patience, phase_values, slow
from probes._machinery.documents import MISSING, condition_faults, unmet, unmet_value
from probes._machinery.observation import Observation
from probes._machinery.questions import RedisReply, RedisRequest, Refusal
from probes._machinery.redis_errors import in_words
from probes._machinery.redis_info import info_values, kept, number, read
from probes._machinery.redis_target import target, target_faults
from probes._machinery.requests import Reply, Request
from schemas import Fault

_LAST_BYTE = "4095"  # of a value that is looked at
_LENGTHS = {b"set": "SCARD", b"zset": "ZCARD", b"hash": "HLEN", b"stream": "XLEN", b"string": "STRLEN"}
_CONDITIONS = ("info", "values", "lengths")

Look = tuple[str, Any, Any]
"""What a person calls it, what was seen (a Refusal where it was refused), what is expected."""


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """Critical without an answer, when Redis refuses, or with anything unmet; warning when only slow, or not in touch
    with its master.

    Unknown where the user may not ask what the check asks.
    values: ping_seconds used_memory_bytes memory_percent connected_clients, dns_seconds connect_seconds tls_seconds
    total_seconds. facts: fields of INFO
    """
    reply = yield _request(config, (("PING",), ("INFO",), *_about_keys(config)))
    assert isinstance(reply, RedisReply)
    if reply.error is not None:
        return fruitless(reply.error, reply.error_class, phase_values(reply.phases))
    ping, about, *keys = reply.answers
    info = {} if isinstance(about, Refusal) else read(about)
    values = phase_values(reply.phases) | {"ping_seconds": reply.seconds[0]} | info_values(info)
    looks = [("PING", ping, b"PONG"), *_values_seen(config, keys)]
    if isinstance(about, Refusal) and "info" in config:
        looks.append(("INFO", about, None))
    if counts := _counts(config, keys):
        counted = yield _request(config, counts)
        assert isinstance(counted, RedisReply)
        if counted.error is not None:
            return fruitless(counted.error, counted.error_class, values)
        looks += _lengths_seen(config, counted.answers)
    return _judge(config, looks, info, values)


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say."""
    found = target_faults(config)
    for key in _CONDITIONS:
        found += condition_faults(f"/{key}", config.get(key, {}))
    return found


def _request(config: Mapping[str, Any], commands: Sequence[tuple[str, ...]]) -> RedisRequest:
    whole = target(config)
    return RedisRequest(**whole, commands=tuple(commands), trust=config.get("ca"), patience=patience(config))


def _about_keys(config: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name in config.get("values", {}):
        yield "EXISTS", name
        yield "GETRANGE", name, "0", _LAST_BYTE
    for name in config.get("lengths", {}):
        yield "TYPE", name


def _values_seen(config: Mapping[str, Any], answers: Sequence[Any]) -> Iterator[Look]:
    wanted = config.get("values", {})
    for index, (name, expected) in enumerate(wanted.items()):
        there, text = answers[2 * index : 2 * index + 2]
        refused = next((one for one in (there, text) if isinstance(one, Refusal)), None)
        yield name, refused or (_comparable(text, expected) if there else MISSING), expected


def _comparable(answer: bytes, expected: Any) -> Any:
    """The value as a number where it is one and is compared with one, else as text."""
    text = answer.decode("utf-8", "replace")
    operands = list(expected.values()) if isinstance(expected, Mapping) else [expected]
    return text if any(isinstance(one, str) for one in operands) else number(text)


def _counts(config: Mapping[str, Any], answers: Sequence[Any]) -> list[tuple[str, ...]]:
    """How to ask for each length, by the key's type; a key that is not there is an empty list."""
    names = list(config.get("lengths", {}))
    types = answers[len(answers) - len(names) :]
    return [(_LENGTHS.get(sort, "LLEN"), name) for name, sort in zip(names, types, strict=True)]


def _lengths_seen(config: Mapping[str, Any], answers: Sequence[Any]) -> Iterator[Look]:
    for (name, expected), answer in zip(config["lengths"].items(), answers, strict=True):
        yield f"the length of {name}", answer, expected


def _judge(
    config: Mapping[str, Any], looks: Sequence[Look], info: Mapping[str, Any], values: Mapping[str, float | None]
) -> Observation:
    refused = [(called, *in_words(seen.text)) for called, seen, _ in looks if isinstance(seen, Refusal)]
    if refused:
        called, sentence, error_class = refused[0]
        return fruitless(sentence if called == "PING" else f"{called}: {sentence}", error_class, values)
    took = values["total_seconds"]
    said = f"answered in {took:.3f} s, role {info.get('role', 'unknown')}"
    return judged(values, _failures(config, looks, info), _doubts(config, info, took), said, kept(info))


def _failures(config: Mapping[str, Any], looks: Sequence[Look], info: Mapping[str, Any]) -> Iterator[str]:
    for called, seen, expected in looks:
        yield from unmet_value(called, seen, expected)
    yield from unmet(info, config.get("info", {}))


def _doubts(config: Mapping[str, Any], info: Mapping[str, Any], took: float | None) -> Iterator[str]:
    """A replica without its master answers all the same, with what it knew; a condition on that link goes before."""
    if info.get("master_link_status") == "down" and "master_link_status" not in config.get("info", {}):
        since = info.get("master_link_down_since_seconds")
        lasts = f" for {since} s" if isinstance(since, int) and since >= 0 else ""
        yield f"the link to its master is down{lasts}: what this replica answers may be old"
    yield from slow(config, took)
