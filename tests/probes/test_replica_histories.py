"""Kind `replica` over several looks, fed with what a primary would say: nothing of earlier looks may mislead."""

import json
from typing import Any

import pytest

from probes import Observation, find
from probes._machinery.requests import Sleep, SqlQuery, SqlReply
from probes._machinery.standby import MIB

CONFIG = {"dsn": "postgresql://db.example", "application_name": "replica"}
NOW = 1_800_000_000.0
LSN = 1000 * MIB


def primary(report: float, at: float, lsn: int = LSN, system: str = "1", **more: Any) -> dict[str, Any]:
    """What the primary says at `at` of a standby whose last report was at `report`, both by the primary's clock."""
    clock = more.pop("clock", 0.0)  # seconds the standby's is ahead
    standby = {
        "key": "7@1.5", "state": "streaming", "sync_state": "async", "flush_bytes": 0, "replay_bytes": 0,
        "replay_lag": None, "reply_time": report + clock, "reply_age": at - report - clock, "slot": None, "sort": None,
    }  # fmt: skip
    said = {
        "version": 150018, "role": "monitor", "in_recovery": False, "lsn": lsn, "timeline": 1, "system": system,
        "started": 1.0, "receives": None, "commits_waiting": more.pop("commits_waiting", 0), "others": None,
        "slots": None,
    }  # fmt: skip
    return {**said, "standbys": [{**standby, **more}]}


def look(now: float, previous: Observation | None, *answers: dict[str, Any]) -> Observation:
    """One check at `now`, whose looks are answered in turn; every answer must be asked for."""
    asking, left, reply = find("replica")(CONFIG, now, previous), list(answers), None
    while True:
        try:
            request = asking.send(reply)
        except StopIteration as end:
            assert not left
            observation: Observation = end.value
            return observation
        assert isinstance(request, SqlQuery | Sleep)
        text = None if isinstance(request, Sleep) else json.dumps(left.pop(0))
        reply = None if text is None else SqlReply(rows=({"answer": text},))


@pytest.mark.parametrize("clock", [0.0, -120.0, 120.0])
def test_a_standby_that_froze_since_the_last_look_is_not_called_online(clock: float) -> None:
    first = _healthy(clock)
    frozen = [primary(NOW + 20, NOW + 120 + later, clock=clock) for later in (0, 12)]
    seen = look(NOW + 120, first, *frozen)
    assert (seen.status, seen.facts["status"]) == ("critical", "offline")
    assert "no sign of life" in seen.message
    again = look(NOW + 240, seen, primary(NOW + 20, NOW + 240, clock=clock))
    assert again.facts["status"] == "offline"
    back = look(NOW + 360, again, primary(NOW + 355, NOW + 360, clock=clock))
    assert back.facts["status"] == "online"


@pytest.mark.parametrize("clock", [0.0, -120.0, 120.0])
def test_a_standby_whose_clock_is_wrong_is_not_looked_at_twice_for_ever(clock: float) -> None:
    first = _healthy(clock)
    seen = look(NOW + 120, first, primary(NOW + 110.5, NOW + 120, clock=clock))
    assert seen.facts["status"] == "online"
    assert look(NOW + 240, seen, primary(NOW + 239.5, NOW + 240, clock=clock)).facts["status"] == "online"


def test_commits_that_wait_are_looked_at_twice_at_any_look() -> None:
    frozen = [primary(NOW + 115, NOW + at, sync_state="sync", commits_waiting=3) for at in (120, 132)]
    seen = look(NOW + 120, _healthy(), *frozen)
    assert seen.facts["status"] == "offline"
    assert "commits on the primary are blocked" in seen.message


def test_our_clock_set_back_keeps_no_frozen_standby_online() -> None:
    first = look(NOW, None, primary(NOW - 1, NOW))
    back = NOW - 3600
    second = look(back, first, primary(NOW - 1, NOW + 9))
    assert look(back + 16, second, primary(NOW - 1, NOW + 25)).facts["status"] == "offline"


def test_positions_of_another_cluster_date_nothing() -> None:
    first = look(NOW, None, primary(NOW - 1, NOW, lsn=10 * MIB))
    behind: dict[str, Any] = {"replay_bytes": 20 * MIB, "replay_lag": 600.0, "key": "9@2.5"}
    seen = look(NOW + 5, first, primary(NOW + 4, NOW + 5, system="2", **behind))
    assert seen.values["lag_seconds"] == 600.0


@pytest.mark.parametrize("rows", [(), ({},), ({"answer": None},), ({"answer": "{"},), ({"answer": "[]"},)])
def test_an_answer_of_another_sort_is_an_error_and_never_a_replica_that_is_away(
    rows: tuple[dict[str, Any], ...],
) -> None:
    asking = find("replica")(CONFIG, NOW, _healthy())
    next(asking)
    with pytest.raises(StopIteration) as end:
        asking.send(SqlReply(rows=rows))
    seen = end.value.value
    assert (seen.status, seen.facts["status"], seen.values["lag_bytes"]) == ("unknown", "error", None)
    assert seen.message == "could not ask the primary: the answer cannot be read"


def _healthy(clock: float = 0.0) -> Observation:
    """A first look, and the second one that a wrong clock calls for."""
    answers = [primary(NOW - 1, NOW, clock=clock), primary(NOW + 10, NOW + 12, clock=clock)]
    seen = look(NOW, None, *(answers if clock else answers[:1]))
    assert seen.facts["status"] == "online"
    return seen
