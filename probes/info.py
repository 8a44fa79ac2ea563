"""Kind `info`: what a service says of its own configuration, held to its contract, to expectations, to what it was."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from probes._machinery import contracts
from probes._machinery.checking import url_faults
from probes._machinery.conclusions import fruitless
from probes._machinery.differences import Difference, differences
from probes._machinery.documents import (
    MISSING,
    canonical,
    condition_faults,
    look_up,
    not_found,
    parse,
    pointer,
    unkeepable,
    unmet,
)
from probes._machinery.observation import Observation, Status
from probes._machinery.requests import HttpReply, HttpRequest, Reply, Request
from probes._machinery.times import seconds
from schemas import Fault

_DEFAULT_TIMEOUT = 10.0
_DAY = 86400.0
_MOST_READ = 262_144  # bytes of a document that is judged at all: that is done between two looks at others
_MOST_KEPT = 65_536  # bytes of a document that is kept as a fact
_MOST_TOLD = 5  # sentences of a sort in a message
_LONGEST = 160  # characters of a fault in a message
_MOST_REMEMBERED = 100
_COUNTS = {
    "connectors_loaded": "connectors_loaded",
    "dictionary_entries": "dictionary.entries",
    "screens_total": "screens.total",
    "charts_total": "charts.total",
    "dashboards_total": "dashboards.total",
}
_SWITCHES: Mapping[str, tuple[str, Any]] = {
    "ai_enabled": ("ai.enabled", True),
    "ai_available": ("ai.available", True),
    "crypto_configured": ("crypto.configured", True),
    "license_full": ("license.mode", "full"),
    "auth_oidc_enabled": ("auth.oidc_enabled", True),
}
"""Value → the path it is read from, and what is 1 there; anything else of the same type is 0."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is to be said of an answer: contract faults, unmet expectations, and changes (None: with no baseline)."""

    faults: tuple[Fault, ...]
    unmet: tuple[str, ...]
    changes: tuple[Difference, ...] | None

    @property
    def status(self) -> Status:
        """Critical for a fault, an unmet expectation or a breaking change; warning for a change of another value."""
        weights = {one.weight for one in self.changes or ()}
        if self.faults or self.unmet or "breaking" in weights:
            return "critical"
        return "warning" if "changed" in weights else "ok"


_Compared = tuple[Judged, dict[str, Any]]


def probe(
    config: Mapping[str, Any], now: float, previous: Observation | None
) -> Generator[Request, Reply, Observation]:
    """Critical when there is no answer, it is not 200 or not JSON, breaks its contract, lacks what is expected or has
    lost something since its baseline; warning when another value than a count has changed since.

    values: connectors_loaded dictionary_entries screens_total charts_total dashboards_total; 0 or 1: ai_enabled
    ai_available crypto_configured license_full auth_oidc_enabled; contract_faults unmet_expectations; where there is a
    baseline drift_breaking drift_changed drift_additive; seconds it took
    facts: {"document": the answer, None where it is too large to keep, "drift": None where it is not followed, else
    {"baseline": digest, None while there is none, "compared_at", "told": [a line a change]}}
    """
    reply = yield request(config)
    assert isinstance(reply, HttpReply)
    took: dict[str, float | None] = {"seconds": reply.total_seconds}
    document, trouble = read(reply)
    if trouble:
        status_code = {"status_code": reply.status} if reply.error is None else {}
        return replace(fruitless(trouble, reply.error_class, took | status_code), facts=_carried(previous))
    judged, drift = judge(config, document), None
    keepable, words = len(reply.body) <= _MOST_KEPT, ""
    if keepable and config.get("drift", True):
        judged, drift = _compared(config, judged, now, previous)
    elif "baseline" not in config and config.get("drift", True):
        words = f"; over {_MOST_KEPT} bytes, too long to be kept as a baseline"
    facts = {"document": document if keepable else None, "drift": drift}
    return Observation(judged.status, took | _values(document, judged), _message(judged, reply) + words, facts)


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say."""
    contract = config.get("contract")
    return [
        *url_faults("/url", config["url"]),
        *(contracts.schema_faults("/contract", contract) if isinstance(contract, Mapping) else ()),
        *condition_faults("/conditions", config.get("conditions", {})),
    ]


def request(config: Mapping[str, Any]) -> HttpRequest:
    """What is asked of the service."""
    return HttpRequest(
        url=config["url"],
        headers=config.get("headers", {}),
        timeout=seconds(config.get("timeout", _DEFAULT_TIMEOUT)),
        max_bytes=_MOST_READ,
    )


def read(reply: HttpReply) -> tuple[Any, str]:
    """The document in the answer, and why there is none: "" where there is one."""
    if reply.error is not None:
        return None, reply.error
    if reply.status != 200:
        return None, f"HTTP {reply.status}, expected 200"
    if reply.truncated:
        return None, f"the answer is longer than {len(reply.body)} bytes, too long for an info document"
    try:
        document = parse(reply.body)
    except ValueError as trouble:
        return None, f"the answer is not JSON: {trouble}"
    why = unkeepable(document)
    return document, f"the answer cannot be taken: {why}" if why else ""


def judge(config: Mapping[str, Any], document: Any) -> Judged:
    """Hold a document to the contract, the expectations and the baseline in `config`."""
    baseline = config.get("baseline") if config.get("drift", True) else None
    ignored = [pointer(path) for path in config.get("drift_ignore", ())]
    expected = not_found(document, config["expect"]) if "expect" in config else ()
    return Judged(
        faults=tuple(contracts.broken(config.get("contract", True), document)),
        unmet=(*expected, *unmet(document, config.get("conditions", {}))),
        changes=None if baseline is None else tuple(differences(baseline, document, ignored)),
    )


def _carried(previous: Observation | None) -> dict[str, Any]:
    """What is still to be compared with after a look that saw no document."""
    drift = previous.facts.get("drift") if previous is not None else None
    return {"drift": drift} if drift is not None else {}


def _digest(config: Mapping[str, Any]) -> str | None:
    baseline = config.get("baseline")
    return None if baseline is None else sha256(canonical(baseline).encode()).hexdigest()[:16]


def _last_comparison(previous: Observation | None, digest: str | None) -> Mapping[str, Any]:
    """The last comparison with the same baseline, {} where there was none."""
    last = previous.facts.get("drift") if previous is not None else None
    return last if last and last["baseline"] == digest and last["compared_at"] is not None else {}


def _compared(config: Mapping[str, Any], judged: Judged, now: float, previous: Observation | None) -> _Compared:
    """What of the changes is told now: all at once where one breaks, else once in `drift_every`, until it is over."""
    digest, changes = _digest(config), judged.changes or ()
    last = _last_comparison(previous, digest)
    breaks = any(one.weight == "breaking" for one in changes)
    due = breaks or not last or not 0 <= now - last["compared_at"] < seconds(config.get("drift_every", _DAY))
    known = set(last.get("told", ()))
    told = [one for one in changes if due or str(one) in known]
    remembered = {
        "baseline": digest,
        "compared_at": None if digest is None else now if due else last["compared_at"],
        "told": [str(one) for one in told][:_MOST_REMEMBERED],
    }
    return replace(judged, changes=None if judged.changes is None else tuple(told)), remembered


def _values(document: Any, judged: Judged) -> dict[str, float | None]:
    changes = judged.changes
    return {
        **{name: _number(look_up(document, path)) for name, path in _COUNTS.items()},
        **{name: _switch(look_up(document, path), on) for name, (path, on) in _SWITCHES.items()},
        "contract_faults": len(judged.faults),
        "unmet_expectations": len(judged.unmet),
        **{
            f"drift_{weight}": None if changes is None else sum(one.weight == weight for one in changes)
            for weight in ("breaking", "changed", "additive")
        },
    }


def _message(judged: Judged, reply: HttpReply) -> str:
    sentences = list(_sentences(judged))
    if judged.status == "ok":
        sentences.insert(0, f"as expected, in {reply.total_seconds:.3f} s")
    elif judged.status == "warning" or not (judged.faults or judged.unmet):
        sentences.append("if that is wanted, accept it as the new baseline")
    return "; ".join(sentences)


def _sentences(judged: Judged) -> Iterator[str]:
    yield from _told([f"contract: {fault.pointer or '/'}: {fault.message[:_LONGEST]}" for fault in judged.faults])
    yield from _told(list(judged.unmet))
    if judged.changes:
        yield f"since the baseline: {', '.join(_told([str(one) for one in judged.changes]))}"


def _told(sentences: list[str]) -> list[str]:
    more = len(sentences) - _MOST_TOLD
    return sentences[:_MOST_TOLD] + ([f"and {more} more"] if more > 0 else [])


def _number(value: Any) -> float | None:
    if value is MISSING or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e300 else None


def _switch(value: Any, on: Any) -> float | None:
    return float(value == on) if isinstance(value, type(on)) else None
