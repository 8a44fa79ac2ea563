"""Kind `replica` against a real primary and standby: every state a standby can be in, and a primary that hangs."""

import time
from typing import Any

import psycopg
import pytest

from probes import Observation, find
from probes._machinery.requests import Sleep, SqlReply
from probes._machinery.runner import check_config, run
from probes._machinery.standby import MIB, QUERY, Standby, position, remembered, seconds_behind
from probes._machinery.tasks import Running
from tests.servers.postgres import NAME, SLOT, PostgresPair
from tests.waiting import wait_until

NOW = 1_800_000_000.0
SMALL = {"warning_bytes": 2 * MIB, "warning_seconds": 1000, "critical_bytes": 8 * MIB, "critical_seconds": 2000}


def config(pair: PostgresPair, **more: Any) -> dict[str, Any]:
    return {"dsn": pair.dsn, "application_name": NAME, "slot_name": SLOT, "timeout": 5, **more}


def look(pair: PostgresPair, now: float = NOW, previous: Observation | None = None, **more: Any) -> Observation:
    return run("replica", config(pair, **more), now, previous)


def reported_again(pair: PostgresPair, before: Observation) -> bool:
    """The standby has sent a report since that look."""
    rows = pair.primary.sql("SELECT extract(epoch FROM reply_time)::float8 FROM pg_stat_replication")
    return rows[0][0] not in before.facts["reply_times"].values()


def test_a_healthy_standby_is_online(postgres_pair: PostgresPair) -> None:
    postgres_pair.wait_streaming()
    seen = look(postgres_pair)
    assert (seen.status, seen.facts["status"]) == ("ok", "online")
    assert seen.values == {"lag_bytes": 0, "lag_seconds": 0.0}
    assert seen.facts["error_message"] is None
    assert seen.facts["last_check"] == "2027-01-15T08:00:00.000Z"
    assert seen.facts["application_name"] == NAME


def test_a_healthy_standby_stays_online_look_after_look(postgres_pair: PostgresPair) -> None:
    first = look(postgres_pair)
    postgres_pair.primary.sql("SELECT pg_logical_emit_message(false, 'a', 'b')")  # makes the standby report
    wait_until(lambda: reported_again(postgres_pair, first), 60, "a new report of the standby")
    postgres_pair.wait_streaming()
    second = look(postgres_pair, NOW + 120, first)
    assert (second.status, second.facts["status"]) == ("ok", "online")
    assert len(second.facts["history"]) == 2


def test_a_killed_standby_is_offline_at_the_first_look_and_online_once_back(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    before = look(pair)
    pair.standby.kill()
    wait_until(lambda: not pair.primary.sql("SELECT 1 FROM pg_stat_replication"), 60, "the primary noticed")
    gone = look(pair, NOW + 120, before)
    assert (gone.status, gone.facts["status"]) == ("critical", "offline")
    assert gone.message.startswith("no standby is connected as 'replica'; its slot 'replica_slot' keeps")
    assert gone.values == {"lag_bytes": None, "lag_seconds": None}
    pair.standby.start()
    pair.wait_streaming()
    assert look(pair, NOW + 240, gone).status == "ok"


def test_a_frozen_standby_is_stalled_though_it_still_streams(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.standby.freeze()
    before = look(pair)
    assert before.status == "ok"  # nothing to see yet: this is what a look at lag alone would go on saying
    pair.write(1)
    after = look(pair, NOW + 120, before)
    assert (after.status, after.facts["status"]) == ("critical", "offline")
    assert after.message == "stalled: 'replica' is connected but has given no sign of life for 120 s"
    assert after.values["lag_bytes"] and after.values["lag_bytes"] > MIB / 2
    pair.standby.thaw()
    pair.wait_streaming()
    assert look(pair, NOW + 240, after).status == "ok"


def test_a_frozen_synchronous_standby_is_said_to_block_commits(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.primary.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{NAME}'")
    pair.primary.sql("SELECT pg_reload_conf()")
    wait_until(lambda: pair.primary.sql("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"), 60, "sync")
    pair.standby.freeze()
    before = look(pair)
    assert "commits on the primary wait for it" in look(pair, NOW + 120, before).message


def test_a_frozen_standby_seen_for_the_first_time_is_looked_at_twice(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.standby.freeze()
    asking = find("replica")(config(pair), NOW, None)
    next(asking)
    wait = asking.send(SqlReply(({**_rows(pair)[0], "reply_age": 30.0},)))
    assert wait == Sleep(12.0)
    asking.send(None)
    seen = _end(asking, SqlReply(tuple(_rows(pair))))
    assert (seen.status, seen.facts["status"]) == ("critical", "offline")
    assert "no sign of life for 12 s" in seen.message


def test_paused_replay_is_lag_held_for_two_looks_then_told_by_its_size(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    before = look(pair, thresholds=SMALL)
    pair.standby.sql("SELECT pg_wal_replay_pause()")
    pair.write(4)
    wait_until(lambda: reported_again(pair, before), 60, "a new report")
    first = look(pair, NOW + 120, before, thresholds=SMALL)
    assert (first.status, first.facts["status"]) == ("ok", "online")
    assert "held until the next look" in first.message
    assert first.values["lag_bytes"] and first.values["lag_bytes"] > 2 * MIB
    wait_until(lambda: reported_again(pair, first), 30, "a new report")
    second = look(pair, NOW + 240, first, thresholds=SMALL)
    assert (second.status, second.facts["status"]) == ("warning", "lagging")
    assert second.values["lag_seconds"] and second.values["lag_seconds"] >= 120  # proven by the kept positions
    pair.write(8)
    wait_until(lambda: reported_again(pair, second), 30, "a new report")
    third = look(pair, NOW + 360, second, thresholds=SMALL)
    assert (third.status, third.facts["status"]) == ("critical", "lagging")
    assert "over 8.0 MB or 2000 s" in third.message
    pair.standby.sql("SELECT pg_wal_replay_resume()")
    pair.wait_streaming()
    assert look(pair, NOW + 480, third, thresholds=SMALL).status == "ok"


def test_lag_seen_for_the_first_time_is_looked_at_twice(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.standby.sql("SELECT pg_wal_replay_pause()")
    pair.write(4)
    asking, first = find("replica")(config(pair, thresholds=SMALL), NOW, None), _rows(pair)
    next(asking)
    assert asking.send(SqlReply(tuple(first))) == Sleep(12.0)
    asking.send(None)
    wait_until(lambda: _rows(pair)[0]["reply_time"] != first[0]["reply_time"], 60, "a new report")
    seen = _end(asking, SqlReply(tuple(_rows(pair))))
    assert (seen.status, seen.facts["status"]) == ("warning", "lagging")


def test_a_primary_frozen_before_the_connection_is_an_error_by_the_deadline(fresh_postgres_pair: PostgresPair) -> None:
    fresh_postgres_pair.primary.freeze_postmaster()
    began = time.monotonic()
    seen = look(fresh_postgres_pair, timeout=1)
    assert 0.9 < time.monotonic() - began < 2
    assert (seen.status, seen.facts["status"]) == ("unknown", "error")
    assert "no answer within 1 s" in seen.message


def test_a_primary_that_is_gone_is_an_error_with_its_remedy(fresh_postgres_pair: PostgresPair) -> None:
    before = look(fresh_postgres_pair)
    fresh_postgres_pair.primary.kill()
    seen = look(fresh_postgres_pair, NOW + 120, before)
    assert (seen.status, seen.facts["status"]) == ("unknown", "error")
    assert "Connection refused" in seen.message and "is PostgreSQL running there" in seen.message
    assert seen.facts["history"] == before.facts["history"]  # kept: the next look still compares


def test_a_role_without_the_privilege_is_told_what_to_grant(postgres_pair: PostgresPair) -> None:
    postgres_pair.primary.sql("DROP ROLE IF EXISTS nosy")
    postgres_pair.primary.sql("CREATE ROLE nosy LOGIN")
    seen = look(postgres_pair, dsn=postgres_pair.primary.url(user="nosy"))
    assert (seen.status, seen.facts["status"]) == ("unknown", "error")
    assert "GRANT pg_monitor" in seen.facts["error_message"]
    postgres_pair.primary.sql("GRANT pg_monitor TO nosy")
    assert look(postgres_pair, dsn=postgres_pair.primary.url(user="nosy")).status == "ok"


def test_a_dsn_that_leads_to_a_standby_is_an_error_not_an_absence(postgres_pair: PostgresPair) -> None:
    seen = look(postgres_pair, dsn=postgres_pair.standby.url())
    assert (seen.status, seen.facts["status"]) == ("unknown", "error")
    assert "in recovery" in seen.message
    clean = look(postgres_pair, dsn=postgres_pair.standby.url() + "?target_session_attrs=primary")
    assert clean.facts["status"] == "error"
    assert "point the DSN at the primary" in clean.message


def test_a_name_nobody_set_is_offline(postgres_pair: PostgresPair) -> None:
    seen = look(postgres_pair, application_name="walreceiver", slot_name="no_such_slot")
    assert (seen.status, seen.facts["status"]) == ("critical", "offline")
    assert seen.message == "no standby is connected as 'walreceiver'"


def test_a_lost_slot_must_be_rebuilt(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.primary.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'")
    pair.primary.sql("SELECT pg_reload_conf()")
    pair.standby.kill()
    lost = f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{SLOT}' AND wal_status = 'lost'"

    def outrun() -> bool:
        pair.write(20)
        pair.primary.sql("SELECT pg_switch_wal()")
        pair.primary.sql("CHECKPOINT")
        return bool(pair.primary.sql(lost))

    wait_until(outrun, 60, "the slot is lost")
    seen = look(pair)
    assert (seen.status, seen.facts["status"]) == ("critical", "offline")
    assert "is lost: it must be rebuilt" in seen.message


def test_a_promoted_standby_is_told_from_an_absent_one(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.standby.sql("SELECT pg_promote()")
    wait_until(lambda: not pair.primary.sql("SELECT 1 FROM pg_stat_replication"), 60, "the primary noticed")
    seen = look(pair, standby_dsn=pair.standby.url())
    assert (seen.status, seen.facts["status"]) == ("critical", "offline")
    assert seen.message.startswith("promoted: two primaries")
    pair.standby.kill()
    assert "the standby itself: connection failed" in look(pair, standby_dsn=pair.standby.url()).message


def test_a_password_is_in_no_message(postgres_pair: PostgresPair) -> None:
    for dsn in (
        "postgresql://alice:s3cr3t@127.0.0.1:1/x",
        "postgresql://alice:s3cr3t@nowhere.invalid/x",
        f"postgresql://alice:s3cr3t@127.0.0.1:{postgres_pair.primary.port}/postgres",
        f"postgresql://alice:s3cr3t@127.0.0.1:{postgres_pair.primary.port}/postgres?sslmode=require",
    ):
        seen = run("replica", {"dsn": dsn, "application_name": NAME, "timeout": 5})
        assert seen.facts["status"] == "error"
        assert "s3cr3t" not in repr(seen)


@pytest.mark.parametrize(
    ("dsn", "named"),
    [("mysql://alice:s3cr3t@h/d", "'mysql'"), ("postgresql://alice:s3cr3t@h:port/d", "expected postgresql://")],
)
def test_a_dsn_that_cannot_be_read_is_a_fault_without_its_text(dsn: str, named: str) -> None:
    (fault,) = check_config("replica", {"dsn": dsn, "application_name": "r"})
    assert fault.pointer == "/dsn" and named in fault.message
    assert "s3cr3t" not in fault.message


def test_faults_name_the_key() -> None:
    messages = [fault.message for fault in check_config("replica", {"dsn": "postgresql://h/d", "aplication_name": "r"})]
    assert any("aplication_name" in message for message in messages)
    assert check_config("replica", {"dsn": "postgresql://h/d", "application_name": "r"}) == []


def test_the_query_answers_in_an_sql_ascii_database(postgres_pair: PostgresPair) -> None:
    postgres_pair.primary.sql("DROP DATABASE IF EXISTS ascii")
    postgres_pair.primary.sql("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    with psycopg.connect(postgres_pair.primary.url("ascii")) as connection:
        state = connection.execute("SELECT 'a'::text").fetchone()
    assert state == (b"a",)  # the trap this is about
    seen = look(postgres_pair, dsn=postgres_pair.primary.url("ascii"))
    assert seen.status == "ok", seen.message


def test_two_standbys_of_one_name_are_judged_by_the_worse(postgres_pair: PostgresPair) -> None:
    postgres_pair.wait_streaming()
    rows = _rows(postgres_pair)
    behind = {**rows[0], "pid": rows[0]["pid"] + 1, "replay_bytes": 300 * MIB}
    seen = _answered([rows[0], behind], {"status": "lagging"})
    assert (seen.status, seen.facts["status"]) == ("critical", "lagging")


def test_catching_up_is_lagging_and_says_so(postgres_pair: PostgresPair) -> None:
    row = {**_rows(postgres_pair)[0], "state": "catchup", "replay_bytes": 5 * MIB}
    seen = _answered([row], {"status": "offline"})
    assert (seen.status, seen.facts["status"]) == ("warning", "lagging")
    assert seen.message.startswith("catching up after an interruption: 5.0 MB behind")


def test_what_replays_nothing_is_no_standby(postgres_pair: PostgresPair) -> None:
    row = {**_rows(postgres_pair)[0], "replay_bytes": None}
    seen = _answered([row], {"status": "online"})
    assert seen.facts["status"] == "error"
    assert "it is no standby" in seen.message


def test_a_position_is_a_number_of_bytes() -> None:
    assert position("0/3000148") == 0x3000148
    assert position("16/B374D848") - position("16/B374D000") == 0x848


def test_the_age_of_replayed_data_is_bound_by_kept_positions() -> None:
    history = [[0.0, "0/1000"], [120.0, "0/2000"], [240.0, "0/3000"]]

    def behind(replayed: int, reported: float | None = None) -> float | None:
        standby = Standby(1, "streaming", "async", 0x4000 - replayed, reported, 1.0, 1.0, None)
        return seconds_behind(standby, "0/4000", history, 360.0)

    assert behind(0x4000) == 0.0
    assert behind(0x3000) == 0.0  # what is missing was written after the last look
    assert behind(0x2800) == 120.0
    assert behind(0x0800) == 360.0
    assert behind(0x3000, reported=44.0) == 0.0  # a left-over of an outage that is over


def test_positions_of_another_life_of_the_server_are_forgotten() -> None:
    history = [[0.0, "0/1000"], [120.0, "1/0"]]
    assert remembered(history, "0/2000", 240.0) == [[0.0, "0/1000"], [240.0, "0/2000"]]
    long = [[float(n), "0/1"] for n in range(100)]
    assert len(remembered(long, "0/2", 200.0)) == 30


def _rows(pair: PostgresPair) -> list[dict[str, Any]]:
    with psycopg.connect(pair.dsn, row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(QUERY.encode(), (NAME, SLOT)).fetchall()


def _answered(rows: list[dict[str, Any]], before: dict[str, Any]) -> Observation:
    """What the probe concludes from these rows, its last look having said `before`."""
    previous = Observation("ok", facts={"checked_at": NOW - 120, "reply_times": {}, "history": [], **before})
    asking = find("replica")({"dsn": "postgresql://h/d", "application_name": NAME}, NOW, previous)
    next(asking)
    return _end(asking, SqlReply(tuple(rows)))


def _end(asking: Running, reply: SqlReply) -> Observation:
    with pytest.raises(StopIteration) as end:
        asking.send(reply)
    observation: Observation = end.value.value
    return observation
