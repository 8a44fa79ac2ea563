"""Kind `certificate`: what a TLS port shows of itself, whether it is to be trusted, and for how long yet."""

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from probes._machinery.conclusions import fruitless, judged, patience, phase_values
from probes._machinery.leaf import Leaf, read
from probes._machinery.observation import Observation
from probes._machinery.questions import TlsReply, TlsRequest
from probes._machinery.requests import Reply, Request
from probes._machinery.starttls import PORTS
from probes._machinery.targets import host_faults, trust_faults
from probes._machinery.times import rfc3339
from probes._machinery.trust import EXPIRED, NOT_YET_VALID, WRONG_NAME
from schemas import Fault

_DEFAULT_DAYS = 14
_DAY = 86400.0
_MOST_NAMES = 5  # shown in a message


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """Critical when it has expired, is not valid yet, not trusted, for another name; a warning when it soon ends.

    values: certificate_days (left; below 0 since it ended), dns_seconds connect_seconds tls_seconds total_seconds
    facts: {subject, issuer, names, not_before, not_after, serial, protocol}
    """
    reply = yield TlsRequest(
        host=config["host"],
        port=_port(config),
        starttls=config.get("starttls"),
        server_name=config.get("server_name"),
        trust=config.get("ca"),
        patience=patience(config),
    )
    assert isinstance(reply, TlsReply)
    values = phase_values(reply.phases) | {"certificate_days": None}
    if reply.error is not None:
        message = f"{reply.distrust}; {reply.error}" if reply.distrust else reply.error
        return fruitless(message, reply.error_class, values)
    try:
        leaf = read(reply.certificate)
    except ValueError:
        return Observation("critical", values, "the certificate cannot be read")
    days = (leaf.not_after - now) / _DAY
    said = f"{_left(days, leaf)}; {_whose(leaf)}"
    facts = leaf.facts() | {"protocol": reply.protocol}
    values["certificate_days"] = days
    return judged(values, _failures(config, reply, leaf, now), _doubts(config, leaf, days), said, facts)


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say."""
    found = host_faults("/host", config["host"]) + trust_faults("/ca", config.get("ca"))
    if config.get("critical_days", 0) > config.get("days", _DEFAULT_DAYS):
        found.append(Fault("/critical_days", "more than days, which then could never warn"))
    return found


def _port(config: Mapping[str, Any]) -> int:
    port: int = config.get("port", PORTS[config.get("starttls")])
    return port


def _failures(config: Mapping[str, Any], reply: TlsReply, leaf: Leaf, now: float) -> Iterator[str]:
    days = (leaf.not_after - now) / _DAY
    if days < 0:
        yield f"the certificate expired {-days:.1f} days ago ({_day(leaf.not_after)}); {_whose(leaf)}"
    elif leaf.not_before > now:
        yield f"the certificate is not valid before {rfc3339(leaf.not_before)}; {_whose(leaf)}"
    elif days < config.get("critical_days", 0):
        yield f"{_left(days, leaf)}, expected at least {config['critical_days']:g}; {_whose(leaf)}"
    if reply.distrust and config.get("verify", True):
        yield from _distrusted(config, reply, leaf, now)
    if config.get("issuer", "").lower() not in leaf.issuer.lower():
        yield f"issued by {leaf.issuer}, expected {config['issuer']}"


def _distrusted(config: Mapping[str, Any], reply: TlsReply, leaf: Leaf, now: float) -> Iterator[str]:
    dated = {EXPIRED: leaf.not_after < now, NOT_YET_VALID: leaf.not_before > now}
    if reply.distrust_code in WRONG_NAME:
        wanted = config.get("server_name", config["host"])
        yield f"the certificate is for {_names(leaf)}, not for {wanted}; {_days(leaf, now)}"
    elif not dated.get(reply.distrust_code):
        yield f"{reply.distrust}; {_whose(leaf)}; {_days(leaf, now)}"


def _doubts(config: Mapping[str, Any], leaf: Leaf, days: float) -> Iterator[str]:
    wanted = config.get("days", _DEFAULT_DAYS)
    if days < wanted:
        yield f"{_left(days, leaf)}, expected at least {wanted:g}; {_whose(leaf)}"


def _left(days: float, leaf: Leaf) -> str:
    return f"the certificate ends in {days:.1f} days ({_day(leaf.not_after)})"


def _days(leaf: Leaf, now: float) -> str:
    days = (leaf.not_after - now) / _DAY
    return f"{days:.1f} days left" if days >= 0 else f"ended {-days:.1f} days ago"


def _whose(leaf: Leaf) -> str:
    return f"for {_names(leaf)}, issued by {leaf.issuer}"


def _names(leaf: Leaf) -> str:
    names = leaf.names or (leaf.subject,)
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _day(moment: float) -> str:
    return rfc3339(moment)[:10]
