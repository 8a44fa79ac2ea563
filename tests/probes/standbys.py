"""Looking at the standby of a pair: by the runner, or by hand where a test must not wait between two looks."""

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.rows import dict_row

from probes import Observation, find
from probes._machinery.requests import Sleep, SqlQuery, SqlReply
from probes._machinery.runner import run
from probes._machinery.standby import MIB
from tests.servers.postgres import NAME, SLOT, PostgresPair
from tests.waiting import wait_until

NOW = 1_800_000_000.0
SMALL = {"warning_bytes": 2 * MIB, "warning_seconds": 1000, "critical_bytes": 8 * MIB, "critical_seconds": 2000}


def config(pair: PostgresPair, **more: Any) -> dict[str, Any]:
    """What a team would write for the pair."""
    return {"dsn": pair.dsn, "application_name": NAME, "slot_name": SLOT, "timeout": 5, **more}


def look(pair: PostgresPair, now: float = NOW, previous: Observation | None = None, **more: Any) -> Observation:
    """One check, as it is run: with a second look of its own where the first is odd and there was none before."""
    return run("replica", config(pair, **more), now, previous)


def look_by_hand(
    pair: PostgresPair, meanwhile: Callable[[], object] = lambda: None, previous: Observation | None = None, **more: Any
) -> Observation:
    """The same against the same servers, but instead of the wait between two looks `meanwhile` happens."""
    asking = find("replica")(config(pair, **more), NOW, previous)
    reply: SqlReply | None = None
    while True:
        try:
            request = asking.send(reply)
        except StopIteration as end:
            observation: Observation = end.value
            return observation
        if isinstance(request, Sleep):
            reply = None
            meanwhile()
        else:
            assert isinstance(request, SqlQuery)
            reply = _answer(request)


def told(seen: Observation) -> tuple[str, str]:
    """The status of the check and the health of the replica."""
    return seen.status, seen.facts["status"]


def wait_reported(pair: PostgresPair, behind: int | None = None) -> None:
    """Until the standby has reported anew; `behind`: and lacks at least so many bytes by its own report."""
    before = _report(pair)

    def news() -> bool:
        now = _report(pair)
        return now[0] != before[0] and (behind is None or now[1] >= behind)

    wait_until(news, 60, "a new report of the standby")


def wait_gone(pair: PostgresPair, name: str = NAME) -> None:
    """Until the primary knows that nobody of that name is connected."""
    gone = f"SELECT 1 FROM pg_stat_replication WHERE application_name = '{name}'"
    wait_until(lambda: not pair.primary.sql(gone), 60, "the primary noticed")


def _report(pair: PostgresPair) -> tuple[Any, int]:
    row = pair.primary.sql(
        "SELECT reply_time, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) FROM pg_stat_replication"
        f" WHERE application_name = '{NAME}'"
    )[0]
    return row[0], int(row[1] or 0)


def _answer(query: SqlQuery) -> SqlReply:
    with psycopg.connect(query.dsn, row_factory=dict_row) as connection:
        return SqlReply(tuple(connection.execute(query.sql.encode(), query.parameters or None).fetchall()))
