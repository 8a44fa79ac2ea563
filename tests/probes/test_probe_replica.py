"""Kind `replica` on real pairs of every version: in step, frozen, paused, catching up, gone; and a hanging primary."""

import time
from typing import Any

import pytest

from probes import find
from probes._machinery.requests import SqlReply
from probes._machinery.runner import check_config, run
from probes._machinery.standby import MIB
from tests.probes.standbys import NOW, SMALL, config, look, look_by_hand, told, wait_gone, wait_reported
from tests.servers.postgres import NAME, SLOT, PostgresPair
from tests.waiting import wait_until


def test_a_healthy_standby_is_online_look_after_look(every_postgres_pair: PostgresPair) -> None:
    pair = every_postgres_pair
    first = look(pair)
    assert told(first) == ("ok", "online")
    assert first.values == {
        "lag_bytes": 0, "lag_seconds": 0.0, "slot_retained_bytes": 0, "slot_safe_bytes": None, "standbys": 1
    }  # fmt: skip
    assert first.facts["error_message"] is None
    assert first.facts["last_check"] == "2027-01-15T08:00:00.000Z"
    assert first.facts["application_name"] == NAME
    pair.primary.sql("SELECT pg_logical_emit_message(false, 'a', 'b')")  # makes the standby report
    wait_reported(pair)
    assert told(look(pair, NOW + 120, first)) == ("ok", "online")


def test_a_frozen_standby_is_stalled_though_it_still_streams(every_postgres_pair: PostgresPair) -> None:
    pair = every_postgres_pair
    pair.primary.set(wal_sender_timeout=0)
    pair.standby.freeze()
    before = look(pair)
    assert told(before) == ("ok", "online")  # nothing to see yet: this is what a look at lag alone would go on saying
    pair.write(1)
    after = look(pair, NOW + 120, before)
    assert told(after) == ("critical", "offline")
    assert "stalled: 'replica' is connected but has given no sign of life for" in after.message
    assert after.values["lag_bytes"] and after.values["lag_bytes"] > MIB / 2
    pair.standby.thaw()
    pair.wait_streaming()
    assert told(look(pair, NOW + 240, after)) == ("ok", "online")


def test_silence_is_told_although_the_looks_follow_closely(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.standby.freeze()
    seen = look(pair)
    for second in range(1, 15):
        seen = look(pair, NOW + second, seen)
        assert told(seen) == ("ok", "online"), seen.message
    seen = look(pair, NOW + 15, seen)
    assert told(seen) == ("critical", "offline")
    assert "for 15 s" in seen.message


def test_paused_replay_is_lag_held_for_two_looks_then_told_by_its_size(every_postgres_pair: PostgresPair) -> None:
    pair = every_postgres_pair
    before = look(pair, thresholds=SMALL)
    pair.standby.sql("SELECT pg_wal_replay_pause()")
    pair.write(4)
    wait_reported(pair, 2 * MIB)
    first = look(pair, NOW + 120, before, thresholds=SMALL)
    assert told(first) == ("ok", "online")
    assert "held until the next look" in first.message
    assert first.values["lag_bytes"] and first.values["lag_bytes"] > 2 * MIB
    wait_reported(pair)
    second = look(pair, NOW + 240, first, thresholds=SMALL)
    assert told(second) == ("warning", "lagging")
    assert "received but not replayed" in second.message and "over 2.0 MB or 1000 s" in second.message
    assert second.values["lag_seconds"] == 120  # proven by where the primary was at the look before
    pair.write(8)
    wait_reported(pair, 8 * MIB)
    third = look(pair, NOW + 360, second, thresholds=SMALL)
    assert told(third) == ("warning", "lagging")  # critical is held for two looks as well
    fourth = look(pair, NOW + 360, third, thresholds=SMALL, standby_dsn=pair.standby.url())
    assert told(fourth) == ("critical", "lagging")
    assert fourth.message.endswith("to go on, run on the standby: SELECT pg_wal_replay_resume()")
    pair.standby.sql("SELECT pg_wal_replay_resume()")
    pair.wait_streaming()
    assert told(look(pair, NOW + 480, fourth, thresholds=SMALL)) == ("ok", "online")


def test_a_standby_that_catches_up_is_lagging_then_online_at_once(every_postgres_pair: PostgresPair) -> None:
    pair = every_postgres_pair
    proxy = pair.proxied()
    before = look(pair)
    pair.standby.stop()
    wait_gone(pair)
    gone = look(pair, NOW + 120, before)
    assert told(gone) == ("critical", "offline")
    pair.write(24)
    proxy.rate = 6 * MIB
    pair.standby.start(wait=False)
    # A standby that has just come back has not said yet where it is.
    placed = "SELECT 1 FROM pg_stat_replication WHERE state = 'catchup' AND replay_lsn IS NOT NULL"
    wait_until(lambda: pair.primary.sql(placed), 60, "catch-up")
    first = look(pair, NOW + 240, gone)
    assert told(first) == ("warning", "lagging")
    assert first.message.startswith("catching up after an interruption: ")
    wait_until(
        lambda: (look(pair, NOW + 240, gone).values["lag_bytes"] or 0) < (first.values["lag_bytes"] or 0), 60, "gain"
    )
    second = look(pair, NOW + 241, first)
    assert told(second) == ("warning", "lagging")
    assert "gaining" in second.message and "/s, there in about" in second.message
    proxy.rate = None
    pair.wait_streaming()
    done = look(pair, NOW + 242, second)
    assert told(done) == ("ok", "online")
    assert (done.values["lag_bytes"], done.values["lag_seconds"]) == (0, 0.0)  # whatever write_lag and replay_lag say


def test_a_lost_slot_must_be_rebuilt(every_postgres_pair: PostgresPair) -> None:
    pair = every_postgres_pair
    pair.primary.set(max_slot_wal_keep_size="16MB")
    nameless = {key: value for key, value in config(pair).items() if key != "slot_name"}
    before = run("replica", nameless, NOW)
    pair.standby.kill()
    lost = f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{SLOT}' AND wal_status = 'lost'"

    def outrun() -> bool:
        pair.write(20)
        pair.primary.sql("SELECT pg_switch_wal()")
        pair.primary.sql("CHECKPOINT")
        return bool(pair.primary.sql(lost))

    wait_until(outrun, 60, "the slot is lost")
    seen = look(pair)
    assert told(seen) == ("critical", "offline")
    assert "is lost: it cannot come back by itself and must be rebuilt" in seen.message
    assert run("replica", nameless, NOW + 120, before).message == seen.message  # it was seen to use that slot
    unseen = run("replica", nameless, NOW)
    assert told(unseen) == ("critical", "offline")
    assert "a slot is lost ('replica_slot'): a standby that used it must be rebuilt" in unseen.message


def test_a_killed_standby_is_offline_at_the_first_look_and_online_once_back(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    before = look(pair)
    pair.standby.kill()
    wait_gone(pair)
    gone = look(pair, NOW + 120, before)
    assert told(gone) == ("critical", "offline")
    assert gone.message.startswith("no standby is connected as 'replica'; its slot 'replica_slot' keeps")
    assert gone.values["lag_bytes"] is None and gone.values["lag_seconds"] is None
    pair.standby.start()
    pair.wait_streaming()
    assert told(look(pair, NOW + 240, gone)) == ("ok", "online")


def test_lag_seen_for_the_first_time_is_looked_at_twice(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.standby.sql("SELECT pg_wal_replay_pause()")
    pair.write(4)
    wait_reported(pair, 2 * MIB)
    stays = look_by_hand(pair, lambda: wait_reported(pair), thresholds=SMALL)
    assert told(stays) == ("warning", "lagging")

    def goes_on() -> None:
        pair.standby.sql("SELECT pg_wal_replay_resume()")
        pair.wait_streaming()

    assert told(look_by_hand(pair, goes_on, thresholds=SMALL)) == ("ok", "online")


def test_a_standby_frozen_since_before_the_first_look_is_looked_at_twice(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.standby.freeze()
    pair.write(2)  # unconfirmed: a standby that lives confirms as it comes
    wait_until(
        lambda: pair.primary.sql("SELECT 1 FROM pg_stat_replication WHERE now() - reply_time > '2.5 s'"), 60, "age"
    )
    looks: list[int] = []
    seen = look_by_hand(pair, lambda: looks.append(1))
    assert looks and told(seen) == ("critical", "offline")
    assert "no sign of life for 12 s" in seen.message


def test_a_primary_frozen_before_the_connection_is_an_error_by_the_deadline(fresh_postgres_pair: PostgresPair) -> None:
    fresh_postgres_pair.primary.freeze_postmaster()
    began = time.monotonic()
    seen = look(fresh_postgres_pair, timeout=1)
    assert 0.9 < time.monotonic() - began < 2
    assert told(seen) == ("unknown", "error")
    assert "no answer within 1 s" in seen.message


def test_a_primary_that_is_gone_is_an_error_with_its_remedy(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    before = look(pair)
    pair.primary.kill()
    seen = look(pair, NOW + 120, before, standby_dsn=pair.standby.url())
    assert told(seen) == ("unknown", "error")
    assert "Connection refused" in seen.message and "is PostgreSQL running there" in seen.message
    assert "the standby answers, in recovery" in seen.message
    assert seen.values == {"lag_bytes": None, "lag_seconds": None, "status": 2.0}
    assert seen.facts["memory"] == before.facts["memory"]  # kept: the next look still compares
    pair.standby.sql("SELECT pg_promote()")
    after = look(pair, NOW + 240, seen, standby_dsn=pair.standby.url())
    assert "the standby is a primary now (timeline 2): after a failover, point dsn at it" in after.message


def test_our_own_trouble_is_not_told_as_the_replicas(postgres_pair: PostgresPair) -> None:
    seen = run("replica", config(postgres_pair), denied_networks=("127.0.0.0/8",))
    assert told(seen) == ("unknown", "error")
    assert "may not be probed" in seen.message
    assert "status" not in seen.values  # so that no rule takes it for a replica in trouble


def test_a_primary_too_old_for_the_question_is_told_so() -> None:
    asking = find("replica")({"dsn": "postgresql://h/d", "application_name": "r"}, NOW, None)
    next(asking)
    with pytest.raises(StopIteration) as end:
        asking.send(SqlReply(error="function pg_current_wal_lsn() does not exist", error_class="undefined"))
    assert "(needs PostgreSQL 13 or later)" in end.value.value.message


def test_a_password_is_in_no_message(postgres_pair: PostgresPair) -> None:
    for dsn in (
        "postgresql://alice:s3cr3t@127.0.0.1:1/x",
        "postgresql://alice:s3cr3t@nowhere.invalid/x",
        f"postgresql://alice:s3cr3t@127.0.0.1:{postgres_pair.primary.port}/postgres",
        f"postgresql://alice:s3cr3t@127.0.0.1:{postgres_pair.primary.port}/postgres?sslmode=require",
    ):
        seen = run("replica", {"dsn": dsn, "application_name": NAME, "timeout": 5, "standby_dsn": dsn})
        assert seen.facts["status"] == "error"
        assert "s3cr3t" not in repr(seen)


@pytest.mark.parametrize(
    ("dsn", "named"),
    [
        ("mysql://alice:s3cr3t@h/d", "'mysql'"),
        ("postgresql://alice:s3cr3t@h:port/d", "expected postgresql://"),
        ("postgresql://alice:s3cr3t@169.254.169.254/d", "may not be probed"),
        ("host=fe80::1%eth0 password=s3cr3t", "may not be probed"),
        ("host=db hostaddr=169.254.1.1 password=s3cr3t", "may not be probed"),
    ],
)
def test_a_dsn_that_leads_nowhere_good_is_a_fault_without_its_text(dsn: str, named: str) -> None:
    (fault,) = check_config("replica", {"dsn": dsn, "application_name": "r"})
    assert fault.pointer == "/dsn" and named in fault.message
    assert "s3cr3t" not in fault.message


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"dsn": "postgresql://h/d", "aplication_name": "r"}, "aplication_name"),
        ({"application_name": "r"}, "expected one of dsn"),
        ({"dsn": "postgresql://h/d", "ssh": "u@h", "application_name": "r"}, "expected one of dsn"),
        (
            {"dsn": "postgresql://h/d", "container": "c", "application_name": "r"},
            "goes with ssh alone",
        ),
        ({"ssh": "u@h@i", "application_name": "r"}, "expected user@host"),
        ({"ssh": "u@h", "container": "--privileged", "application_name": "r"}, "does not match"),
        (
            {"dsn": "postgresql://h/d", "application_name": "r", "thresholds": {"warning_bytes": 2e9}},
            "warning_bytes is over",
        ),
    ],
)
def test_faults_name_the_key(wrong: dict[str, Any], named: str) -> None:
    messages = [fault.message for fault in check_config("replica", wrong)]
    assert any(named in message for message in messages), messages


def test_what_is_right_has_no_faults(postgres_pair: PostgresPair) -> None:
    assert check_config("replica", config(postgres_pair)) == []
    by_ssh = {"ssh": "u@h:22", "container": "pg", "user": "odoo", "database": "shop", "port": 5433, "host": "/run/pg"}
    assert check_config("replica", {**by_ssh, "application_name": "r", "expected": 2, "cascade": True}) == []
    assert check_config("replica", {"ssh": "user@host", "container": "postgres-primary-shop", "user": "odoo"}) == []


def test_a_standby_is_named_replica_where_nothing_else_is_said(postgres_pair: PostgresPair) -> None:
    seen = run("replica", {"dsn": postgres_pair.primary.url()})
    assert told(seen) == ("ok", "online")
    assert seen.facts["application_name"] == "replica"
