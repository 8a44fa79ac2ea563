"""Kind `tcp`: a port that takes connections, and says what is expected of it."""

import re
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from probes._machinery.conclusions import fruitless, judged, patience, phase_values, slow
from probes._machinery.documents import shown
from probes._machinery.observation import Observation
from probes._machinery.questions import TcpReply, TcpRequest
from probes._machinery.requests import Reply, Request
from probes._machinery.targets import host_faults, pattern_faults, trust_faults
from schemas import Fault

_ANYTHING = "(?s)."


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """Critical when there is no connection or not the expected answer; warning when slower than `max_seconds`.

    values: dns_seconds connect_seconds tls_seconds (each phase alone), first_byte_seconds total_seconds
    """
    reply = yield TcpRequest(
        host=config["host"],
        port=config["port"],
        send=config.get("send", "").encode(),
        until=_until(config),
        tls=config.get("tls", False),
        server_name=config.get("server_name"),
        trust=config.get("ca"),
        patience=patience(config),
    )
    assert isinstance(reply, TcpReply)
    values = phase_values(reply.phases)
    if reply.error is not None:
        return fruitless(reply.error + _instead(config, reply), reply.error_class, values)
    took = reply.phases.total_seconds
    said = f"answered as expected in {took:.3f} s" if _until(config) else f"connected in {took:.3f} s"
    return judged(values, _failures(config, reply), slow(config, took), said)


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say."""
    found = host_faults("/host", config["host"])
    if "pattern" in config:
        found += pattern_faults("/pattern", config["pattern"])
    if "pattern" in config and "expect" in config:
        found.append(Fault("/pattern", "expect or pattern, not both"))
    return found + trust_faults("/ca", config.get("ca"))


def _until(config: Mapping[str, Any]) -> str | None:
    if "expect" in config:
        return re.escape(str(config["expect"]))
    pattern: str | None = config.get("pattern", _ANYTHING if "send" in config else None)
    return pattern


def _wanted(config: Mapping[str, Any]) -> str:
    if "expect" in config:
        return f", expected {shown(config['expect'])}"
    return f", expected a match of {shown(config['pattern'])}" if "pattern" in config else ""


def _instead(config: Mapping[str, Any], reply: TcpReply) -> str:
    """What came in place of what was waited for."""
    if not reply.received:
        return _wanted(config) if reply.phases.connect_seconds is not None and reply.error_class == "timeout" else ""
    return f"; received {_text(reply)}{_wanted(config)}"


def _failures(config: Mapping[str, Any], reply: TcpReply) -> Iterator[str]:
    if reply.ended == "closed":
        said = f"after {_text(reply)}" if reply.received else "without a word"
        yield f"the server closed the connection {said}{_wanted(config)}"
    elif reply.ended == "full":
        yield f"received {_text(reply)}{_wanted(config)} among the first {len(reply.received)} bytes"


def _text(reply: TcpReply) -> str:
    return shown(reply.received.decode("utf-8", "replace"))
