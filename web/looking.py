"""One look, now, in a process of its own: a web worker has no epoll, and must not wait for anybody's target."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from math import isfinite
from typing import Any, NamedTuple

from alerting.config import Config
from alerting.logs import logger
from probes import Observation
from web.errors import Problem

_log = logger("vedette.web.looking")

LONGEST = 25.0
"""Seconds a look may take: most proxies give up on an answer after 30."""

_STARTING = 5.0  # seconds more until a process that has not answered is ended
_AT_ONCE = 4
_PATIENCE = 2.0  # seconds to wait for one of those to end
_places = threading.BoundedSemaphore(_AT_ONCE)

_NOT_PUBLIC = (
    "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15",
    "240.0.0.0/4", "::1/128", "fc00::/7",
)  # fmt: skip
_EVERYTHING = ("0.0.0.0/0", "::/0")


class Policy(NamedTuple):
    """The networks a look may and may not reach, as `guard.address_guard` has them."""

    denied: Sequence[str]
    allowed: Sequence[str]


def file_policy(config: Config) -> Policy:
    """What the configuration file says: it holds for what the file itself declares, and for those who own it."""
    return Policy(config.denied_networks, config.allowed_networks)


def public_policy(config: Config) -> Policy:
    """Besides, nothing that is not public: for callers who have no business in the network Vedette stands in."""
    denied = config.denied_networks or (_EVERYTHING if config.allowed_networks else ())
    return Policy((*denied, *_NOT_PUBLIC), config.allowed_networks)


def look(kind: str, config: Mapping[str, Any], policy: Policy, previous: Observation | None = None) -> Observation:
    """What the probe saw. `config` is complete and held to its schema. Raises Problem 503 where too many look."""
    told = {
        "kind": kind,
        "config": config,
        "seconds": LONGEST,
        "denied": policy.denied,
        "allowed": policy.allowed,
        "previous": None if previous is None else asdict(previous),
    }
    with _place():
        said = _answer(json.dumps(told).encode())
    values = {name: value if value is None or isfinite(value) else None for name, value in said["values"].items()}
    return Observation(**{**said, "values": values})


@contextmanager
def _place() -> Iterator[None]:
    if not _places.acquire(timeout=_PATIENCE):
        raise Problem(503, f"{_AT_ONCE} probes are being run here already; try again", headers={"Retry-After": "5"})
    try:
        yield
    finally:
        _places.release()


def _answer(told: bytes) -> dict[str, Any]:
    """What the process says; an observation that says so where it says nothing."""
    with subprocess.Popen(
        [sys.executable, "-m", "probes"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            said, complaint = process.communicate(told, LONGEST + _STARTING)
        except subprocess.TimeoutExpired:
            return {"status": "unknown", "message": f"the look had not ended within {LONGEST:g} s", "values": {}}
        finally:
            process.kill()
    if complaint:
        _log.warning("a look said: %s", complaint.decode("utf-8", "replace").strip()[-2000:])
    if process.returncode:
        return {"status": "unknown", "message": "the look broke by itself; see the log", "values": {}}
    answer: dict[str, Any] = json.loads(said)
    return answer
