"""Kind `ping`: whether a host answers ICMP echoes, how many of them, and how fast."""

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from probes._machinery.conclusions import fruitless, judged, patience
from probes._machinery.observation import Observation
from probes._machinery.questions import PingReply, PingRequest
from probes._machinery.requests import Reply, Request
from probes._machinery.targets import host_faults
from schemas import Fault

_DEFAULT_COUNT = 3
_MOST_LOSS = 0.0  # percent


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """Critical when nothing comes back; warning when more is lost than `max_loss`, or slower than `max_seconds`.

    Unknown where this machine may send no ping.
    values: loss_percent, rtt_min_seconds rtt_avg_seconds rtt_max_seconds (None where nothing came back)
    """
    count = config.get("count", _DEFAULT_COUNT)
    reply = yield PingRequest(config["host"], count, patience=patience(config))
    assert isinstance(reply, PingReply)
    if reply.error is not None:
        return fruitless(reply.error, reply.error_class, _values(reply))
    values = _values(reply)
    average = values["rtt_avg_seconds"] or 0.0
    said = f"{len(reply.round_trips)} of {reply.sent} echoes came back, on average in {_spoken(average)}"
    return judged(values, _failures(reply, config), _doubts(config, values, said), said, {"address": reply.address})


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say."""
    return host_faults("/host", config["host"])


def _values(reply: PingReply) -> dict[str, float | None]:
    trips = reply.round_trips
    return {
        "loss_percent": (1 - len(trips) / reply.sent) * 100 if reply.sent else None,
        "rtt_min_seconds": min(trips, default=None),
        "rtt_avg_seconds": sum(trips) / len(trips) if trips else None,
        "rtt_max_seconds": max(trips, default=None),
    }


def _failures(reply: PingReply, config: Mapping[str, Any]) -> Iterator[str]:
    if not reply.round_trips:
        why = f": {reply.said}" if reply.said else f" within {patience(config):g} s"
        yield f"{reply.address} answered none of {reply.sent} echoes{why}"


def _doubts(config: Mapping[str, Any], values: Mapping[str, float | None], said: str) -> Iterator[str]:
    loss, average = values["loss_percent"], values["rtt_avg_seconds"]
    most = config.get("max_loss", _MOST_LOSS)
    if loss is not None and loss > most:
        yield f"{said}: {loss:.0f} % lost, expected at most {most:g} %"
    if "max_seconds" in config and average is not None and average > config["max_seconds"]:
        yield f"took {_spoken(average)} on average, expected at most {_spoken(config['max_seconds'])}"


def _spoken(span: float) -> str:
    return f"{span * 1000:.2f} ms"
