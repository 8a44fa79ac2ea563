"""A network that is denied is out of bounds from the moment the file says so, in a scheduler that is running."""

from dataclasses import replace

import pytest

from alerting.config import Config, Watch
from alerting.prober import Prober
from alerting.store import subjects
from alerting.store.database import reading
from probes import Observation
from probes._machinery.guard import REFUSED
from tests.alerting.heart import CONFIG
from tests.servers.http_target import HttpTarget
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _open(store: str) -> None:
    """The test has its own database."""


def last() -> Observation:
    with reading():
        states = subjects.states()
    return states["check/website"].observation if "check/website" in states else Observation("unknown")


def test_a_changed_policy_holds_at_once(http_target: HttpTarget) -> None:
    watch = Watch("check/website", "http", "acme", 0.5, {"url": http_target.url()})
    current: list[Config] = [replace(CONFIG, watches=(watch,), rules=())]
    prober = Prober(lambda: current[0], lambda: None)
    prober.start()
    try:
        wait_until(lambda: last().status == "ok", 10, "the first look")
        current[0] = replace(current[0], denied_networks=("127.0.0.0/8",))
        wait_until(lambda: last().message == REFUSED, 10, "a look that is refused")
        refused, hits = last(), len(http_target.hits)
        assert refused.status == "unknown"
        wait_until(lambda: last().at > refused.at + 1, 10, "two more turns")
        assert len(http_target.hits) == hits
        current[0] = replace(current[0], allowed_networks=("127.0.0.1/32",))
        wait_until(lambda: last().status == "ok", 10, "a look that is allowed again")
    finally:
        prober.stop(5)
