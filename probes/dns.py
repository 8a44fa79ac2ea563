"""Kind `dns`: what a name server says of a name, held to what is expected."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from probes._machinery.conclusions import fruitless, judged, patience, slow
from probes._machinery.documents import condition_faults, shown, unmet_value
from probes._machinery.observation import Observation
from probes._machinery.questions import DnsReply, DnsRequest
from probes._machinery.records import canonical, question
from probes._machinery.requests import Reply, Request
from probes._machinery.targets import host_faults
from schemas import Fault

_PORT = 53
_OURS = ("REFUSED", "FORMERR", "NOTIMP")  # of our own name servers: they do not serve us, whatever the name
_MEANINGS = {
    "NXDOMAIN": "no such name",
    "SERVFAIL": "the server could not find out: the zone's own servers do not answer, or its signatures do not hold",
    "REFUSED": "the server does not answer such questions, or not to us",
    "NOTAUTH": "the server is not responsible for the zone",
}
_MOST_SHOWN = 5


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """Critical without an answer, with another rcode or other records than expected; warning when only slow.

    Unknown where no server is named and the system's own do not answer.
    values: answers (records), ttl_seconds (their least), total_seconds, serial (of a SOA record)
    facts: {rcode, answers, server}
    """
    sort = config.get("type", "A")
    reply = yield DnsRequest(
        name=question(config["name"], sort),
        type=sort,
        server=_server(config),
        tcp=config.get("tcp", False),
        patience=patience(config),
    )
    assert isinstance(reply, DnsReply)
    if reply.error is not None:
        return fruitless(reply.error, reply.error_class, _values(reply, sort, ()))
    answers = sorted(canonical(sort, text) for text in reply.answers)
    values = _values(reply, sort, answers)
    facts = {"rcode": reply.rcode, "answers": answers, "server": reply.server}
    if "server" not in config and reply.rcode in _OURS:
        return Observation("unknown", values, f"our own name server said {_rcode(reply)}", facts)
    took = reply.phases.total_seconds
    said = f"{_asked(config)}: {_listed(answers) if answers else reply.rcode} in {took:.3f} s"
    return judged(values, _failures(config, reply, answers), slow(config, took), said, facts)


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say."""
    found, sort = [], config.get("type", "A")
    try:
        question(config["name"], sort)
    except ValueError as trouble:
        found.append(Fault("/name", f"not a name that can be asked for: {trouble}"))
    found += _server_faults(config)
    for key in ("expect", "exactly"):
        found += _record_faults(key, sort, config)
    if isinstance(config.get("answers"), Mapping):
        found += condition_faults("", {"answers": config["answers"]})
    return found


def _server(config: Mapping[str, Any]) -> tuple[str, int] | None:
    """ "192.0.2.1", "192.0.2.1:5353", "2001:db8::1" or "[2001:db8::1]:5353" as address and port. Raises ValueError."""
    text = config.get("server")
    if text is None:
        return None
    try:
        return str(ip_address(text)), _PORT
    except ValueError:
        host, _, port = text.rpartition(":")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError("no port") from None
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        return str(ip_address(bare)), int(port)


def _server_faults(config: Mapping[str, Any]) -> list[Fault]:
    try:
        server = _server(config)
    except ValueError:
        return [Fault("/server", "not an address; expected e.g. 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53")]
    return host_faults("/server", server[0]) if server else []


def _wanted(config: Mapping[str, Any], key: str) -> Sequence[str]:
    """The records at that key: a list, or one alone."""
    records: str | Sequence[str] = config.get(key, ())
    return (records,) if isinstance(records, str) else records


def _record_faults(key: str, sort: str, config: Mapping[str, Any]) -> Iterator[Fault]:
    alone = isinstance(config.get(key), str)
    for index, record in enumerate(_wanted(config, key)):
        try:
            canonical(sort, record)
        except ValueError as trouble:
            yield Fault(f"/{key}" if alone else f"/{key}/{index}", f"not a record of type {sort}: {trouble}")


def _values(reply: DnsReply, sort: str, answers: Sequence[str]) -> dict[str, float | None]:
    known = reply.error is None
    values: dict[str, float | None] = {
        "answers": len(answers) if known else None,
        "ttl_seconds": reply.ttl,
        "total_seconds": reply.phases.total_seconds,
    }
    if sort == "SOA":
        values["serial"] = float(answers[0].split()[2]) if answers else None
    return values


def _failures(config: Mapping[str, Any], reply: DnsReply, answers: Sequence[str]) -> Iterator[str]:
    wanted_rcode = config.get("rcode", "NOERROR")
    if reply.rcode != wanted_rcode:
        yield f"{_asked(config)}: {_rcode(reply)} from {reply.server}, expected {_expected(config)}"
        return
    yield from (f"{_asked(config)}: {words}" for words in _record_failures(config, answers))


def _record_failures(config: Mapping[str, Any], answers: Sequence[str]) -> Iterator[str]:
    sort = config.get("type", "A")
    wanted = [canonical(sort, one) for one in _wanted(config, "expect")]
    if lacking := [one for one in wanted if one not in answers]:
        yield f"{_listed(answers)}, expected {_listed(lacking)} among them"
    exact = [canonical(sort, one) for one in _wanted(config, "exactly")]
    if "exactly" in config and set(answers) != set(exact):
        yield f"{_listed(answers)}, expected exactly {_listed(exact)}"
    count = config.get("answers", {">": 0} if config.get("rcode", "NOERROR") == "NOERROR" else {})
    if not (lacking or "exactly" in config) and count != {}:
        yield from unmet_value("the number of records", len(answers), count)


def _rcode(reply: DnsReply) -> str:
    return f"{reply.rcode} ({_MEANINGS[reply.rcode]})" if reply.rcode in _MEANINGS else reply.rcode


def _expected(config: Mapping[str, Any]) -> str:
    wanted = [*_wanted(config, "expect"), *_wanted(config, "exactly")]
    return _listed(wanted) if wanted else str(config.get("rcode", "an answer"))


def _asked(config: Mapping[str, Any]) -> str:
    return f"{config.get('type', 'A')} of {config['name']}"


def _listed(records: Sequence[str]) -> str:
    more = f" and {len(records) - _MOST_SHOWN} more" if len(records) > _MOST_SHOWN else ""
    return (", ".join(shown(one)[1:-1] for one in records[:_MOST_SHOWN]) or "no record") + more
