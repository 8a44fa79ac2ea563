"""Kind `replica`: the situations in which the query that guides give says something else than what is so."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from probes._machinery.standby import MIB
from tests.probes.standbys import NOW, SMALL, look, look_by_hand, told, wait_gone, wait_reported
from tests.servers.postgres import NAME, SLOT, PostgresPair
from tests.waiting import wait_until

TWINS = (
    f"SELECT 1 FROM pg_stat_replication WHERE application_name = '{NAME}' AND state = 'streaming'"
    " AND replay_lsn = pg_current_wal_lsn()"
)


def test_a_network_that_is_cut_is_told_before_and_after_the_primary_gives_up(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    proxy = pair.proxied()
    proxy.cut()
    before = look(pair)
    pair.write(40)
    cut = look(pair, NOW + 30, before)
    assert told(cut) == ("critical", "offline")
    assert "no sign of life for 30 s: frozen, or its network cut" in cut.message
    assert cut.values["lag_bytes"] and cut.values["lag_bytes"] > 35 * MIB  # not what fits into the network's buffers
    pair.primary.set(wal_sender_timeout="2s")
    wait_gone(pair)
    gone = look(pair, NOW + 60, cut, standby_dsn=pair.standby.url())
    assert told(gone) == ("critical", "offline")
    assert "its slot 'replica_slot' keeps" in gone.message
    assert "the standby itself answers, in recovery: see its log" in gone.message


def test_a_frozen_synchronous_standby_is_seen_to_block_commits(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.primary.set(synchronous_standby_names=NAME)
    wait_until(lambda: pair.primary.sql("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"), 60, "sync")
    pair.standby.freeze()
    assert "commits on the primary wait for it" in look(pair, NOW + 120, look(pair)).message
    with _hanging_commit(pair):
        seen = look_by_hand(pair)  # without an earlier look: the blocked commit alone is reason to look twice
        assert told(seen) == ("critical", "offline")
        assert "commits on the primary are blocked (wait_event SyncRep): 1" in seen.message
        pair.standby.thaw()
    pair.wait_streaming()
    assert told(look(pair, NOW + 120, seen)) == ("ok", "online")


def test_two_standbys_of_one_name_are_counted_and_the_worse_one_judged(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    twin = pair.add_standby("t", NAME)
    wait_until(lambda: len(pair.primary.sql(TWINS)) == 2, 30, "both to stream and to have reported")
    both = look(pair)
    assert told(both) == ("warning", "online")
    assert "2 standbys are connected as 'replica', expected 1: give each its own name" in both.message
    assert both.values["standbys"] == 2
    assert told(look(pair, expected=2)) == ("ok", "online")
    twin.freeze()
    before = look(pair, expected=2)
    pair.primary.sql("SELECT pg_logical_emit_message(false, 'a', 'b')")
    wait_until(
        lambda: look(pair, NOW + 20, before, expected=2).message.startswith("stalled: 1 of 2"), 30, "one to report"
    )
    assert told(look(pair, NOW + 20, before)) == ("critical", "offline")  # nor does an expectation of one hide it
    twin.kill()
    wait_until(lambda: look(pair).values["standbys"] == 1, 30, "the primary noticed")
    fewer = look(pair, NOW + 120, both, expected=2)
    assert told(fewer) == ("critical", "offline")
    assert "only 1 of 2 standbys connected as 'replica'" in fewer.message


def test_a_base_backup_under_way_is_not_the_standby(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.write(8)
    source = f"host=127.0.0.1 port={pair.primary.port} user=odoo application_name={NAME}"
    slowly = ("-D", str(pair.home / "b"), "-X", "stream", "-c", "fast", "--no-sync", "--max-rate", "32k")
    with pair.primary.running("pg_basebackup", "-d", source, *slowly):
        rows = "SELECT state FROM pg_stat_replication WHERE application_name = 'replica' ORDER BY 1"
        wait_until(lambda: ("backup",) in pair.primary.sql(rows), 30, "the backup to be under way")
        wait_until(lambda: len(pair.primary.sql(rows)) == 3, 30, "its own stream of WAL")
        pair.wait_streaming()
        assert look(pair).values["standbys"] == 1
        assert told(look(pair)) == ("ok", "online")
        pair.standby.kill()
        wait_until(lambda: len(pair.primary.sql(rows)) == 2, 30, "the primary noticed")
        assert told(look(pair)) != ("ok", "online")


def test_a_standby_that_was_never_given_its_name_is_found(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.add_standby("n", None)
    there = "SELECT 1 FROM pg_stat_replication WHERE application_name = 'walreceiver' AND replay_lsn IS NOT NULL"
    wait_until(lambda: pair.primary.sql(there), 30, "it to have reported")
    wrong = look(pair, application_name="reporting", slot_name="no_such_slot")
    assert told(wrong) == ("unknown", "error")
    assert "no standby is connected as 'reporting', but one is as 'walreceiver'" in wrong.message
    assert "set application_name=reporting in its primary_conninfo" in wrong.message
    by_slot = look(pair, application_name="reporting", slot_name=SLOT)
    assert "but one is as 'replica'" in by_slot.message  # the slot proves it
    before = look(pair)
    pair.standby.kill()
    wait_gone(pair)
    gone = look(pair, NOW + 120, before)  # it was there under its name: then another's want of one explains nothing
    assert told(gone) == ("critical", "offline")
    assert gone.message.endswith("connected are: walreceiver")


def test_another_standby_does_not_stand_in_for_the_one_that_is_gone(postgres_pair: PostgresPair) -> None:
    seen = look(postgres_pair, application_name="reporting", slot_name="no_such_slot")
    assert told(seen) == ("critical", "offline")
    assert seen.message == (
        "no standby is connected as 'reporting'; connected are: replica;"
        " if one of them is it, set application_name in its primary_conninfo"
    )


def test_a_role_without_the_privilege_is_told_what_to_grant(postgres_pair: PostgresPair) -> None:
    postgres_pair.primary.sql('DROP ROLE IF EXISTS "No sy"')
    postgres_pair.primary.sql('CREATE ROLE "No sy" LOGIN')
    dsn = f"host=127.0.0.1 port={postgres_pair.primary.port} dbname=postgres user='No sy'"
    seen = look(postgres_pair, dsn=dsn)
    assert told(seen) == ("unknown", "error")
    assert seen.facts["error_message"].endswith('run: GRANT pg_monitor TO "No sy"')
    postgres_pair.primary.sql('GRANT pg_monitor TO "No sy"')
    assert told(look(postgres_pair, dsn=dsn)) == ("ok", "online")


def test_a_dsn_that_leads_to_a_standby_is_an_error_not_an_absence(postgres_pair: PostgresPair) -> None:
    seen = look(postgres_pair, dsn=postgres_pair.standby.url(), standby_dsn=postgres_pair.dsn)
    assert told(seen) == ("unknown", "error")
    assert "in recovery, not a primary" in seen.message
    assert "the server behind standby_dsn is the primary now: point dsn at it" in seen.message
    clean = look(postgres_pair, dsn=postgres_pair.standby.url() + "?target_session_attrs=primary")
    assert told(clean) == ("unknown", "error")
    assert "point the DSN at the primary" in clean.message


def test_the_query_answers_in_an_sql_ascii_database(postgres_pair: PostgresPair) -> None:
    postgres_pair.primary.sql("DROP DATABASE IF EXISTS ascii")
    postgres_pair.primary.sql("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    with psycopg.connect(postgres_pair.primary.url("ascii")) as connection:
        state = connection.execute("SELECT 'a'::text").fetchone()
    assert state == (b"a",)  # the trap this is about
    seen = look(postgres_pair, dsn=postgres_pair.primary.url("ascii"))
    assert seen.status == "ok", seen.message


def test_pg_receivewal_is_no_standby(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    source = f"host=127.0.0.1 port={pair.primary.port} user=odoo application_name=archive"
    (pair.home / "wal").mkdir()
    (pair.home / "wal").chmod(0o777)
    with pair.primary.running("pg_receivewal", "-d", source, "-D", str(pair.home / "wal")):
        there = "SELECT 1 FROM pg_stat_replication WHERE application_name = 'archive' AND state = 'streaming'"
        wait_until(lambda: pair.primary.sql(there), 30, "pg_receivewal to stream")
        seen = look_by_hand(pair, application_name="archive")
        assert told(seen) == ("unknown", "error")
        assert "what is connected as 'archive' replays nothing (pg_receivewal?): it is no standby" in seen.message
        gone = look(pair, application_name="gone", slot_name="none")
        assert "archive" not in gone.message  # nor one of those that are connected


def test_a_subscription_is_no_standby(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.primary.set(wal_level="logical")
    pair.primary.stop()
    pair.primary.start()
    pair.primary.sql("CREATE PUBLICATION everything FOR ALL TABLES")
    target = pair.primary.new_database("target")
    pair.primary.sql("SELECT pg_create_logical_replication_slot('changes', 'pgoutput')")
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute(
            f"CREATE SUBSCRIPTION changes CONNECTION 'host=127.0.0.1 port={pair.primary.port} user=odoo"
            " dbname=postgres' PUBLICATION everything WITH (create_slot = false)".encode()
        )
    there = "SELECT 1 FROM pg_stat_replication WHERE application_name = 'changes'"
    wait_until(lambda: pair.primary.sql(there), 30, "the subscription to be connected")
    seen = look(pair, application_name="changes")
    assert told(seen) == ("unknown", "error")
    assert "what is connected as 'changes' is a logical subscription: it is no standby" in seen.message


def test_a_slot_that_nobody_uses_is_a_warning_although_the_standby_is_fine(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.primary.sql("SELECT pg_create_physical_replication_slot('old', true)")
    before = look(pair)
    assert told(before) == ("ok", "online")  # it keeps nothing yet
    pair.write(40)
    pair.wait_streaming()
    seen = look(pair, NOW + 120, before)
    assert told(seen) == ("warning", "online")
    assert "slot 'old', which nobody uses, keeps" in seen.message and "of WAL, without limit" in seen.message
    assert "if nobody comes back for it: SELECT pg_drop_replication_slot('old')" in seen.facts["error_message"]
    assert seen.values["slot_retained_bytes"] and seen.values["slot_retained_bytes"] > 16 * MIB
    pair.primary.set(max_slot_wal_keep_size="400MB")
    limited = look(pair, NOW + 240, seen)
    assert "more until it is lost" in limited.message
    assert limited.values["slot_safe_bytes"] and limited.values["slot_safe_bytes"] > 300 * MIB  # of the standby's own


def test_a_promoted_standby_is_split_brain_even_where_another_took_its_name(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    before = look(pair, standby_dsn=pair.standby.url())
    assert told(before) == ("ok", "online")
    pair.standby.sql("SELECT pg_promote()")
    wait_gone(pair)
    seen = look(pair, NOW + 120, before, standby_dsn=pair.standby.url())
    assert told(seen) == ("critical", "offline")
    assert seen.message.startswith("promoted: two primaries of the same data (split brain), the standby on timeline 2")
    pair.add_standby("r", NAME)
    wait_until(lambda: pair.primary.sql(TWINS), 30, "the new one to have reported")
    again = look(pair, NOW + 240, seen, standby_dsn=pair.standby.url())
    assert told(again) == ("critical", "offline")
    assert "split brain" in again.message
    pair.standby.kill()
    alone = look(pair, NOW + 241, again, standby_dsn=pair.standby.url())
    assert told(alone) == ("ok", "online")  # that the standby itself does not answer is no trouble of the primary's
    assert "the standby itself could not be asked: " in alone.message


def test_a_stranger_is_not_called_a_split_brain(postgres_pair: PostgresPair, fresh_postgres_pair: PostgresPair) -> None:
    seen = look(postgres_pair, standby_dsn=fresh_postgres_pair.dsn)
    assert told(seen) == ("warning", "online")
    assert "standby_dsn leads to another cluster (system identifier" in seen.message
    itself = look(postgres_pair, standby_dsn=postgres_pair.dsn)
    assert told(itself) == ("warning", "online")
    assert "standby_dsn leads to the very server asked" in itself.message


def test_a_cascaded_leaf_is_judged_from_its_intermediate(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    leaf = pair.add_standby("l", "leaf", pair.standby)
    intermediate = pair.standby.url()
    wait_until(lambda: _leaf(pair) == (0,), 30, "the leaf in step")
    before = look(pair, dsn=intermediate, application_name="leaf", thresholds=SMALL)
    assert told(before) == ("ok", "online")
    leaf.sql("SELECT pg_wal_replay_pause()")
    pair.write(4)
    wait_until(lambda: _leaf(pair) > (3 * MIB,), 30, "the leaf to report")
    held = look(pair, NOW + 120, before, dsn=intermediate, application_name="leaf", thresholds=SMALL)
    seen = look(pair, NOW + 121, held, dsn=intermediate, application_name="leaf", thresholds=SMALL)
    assert told(seen) == ("warning", "lagging")
    leaf.kill()
    wait_until(lambda: not _leaf(pair), 30, "the intermediate noticed")
    gone = look(pair, NOW + 240, seen, dsn=intermediate, application_name="leaf", cascade=True)
    assert told(gone) == ("critical", "offline")


def test_a_leaf_of_an_intermediate_that_receives_nothing_is_not_called_online(
    fresh_postgres_pair: PostgresPair,
) -> None:
    pair = fresh_postgres_pair
    pair.add_standby("l", "leaf", pair.standby)
    wait_until(lambda: _leaf(pair) == (0,), 30, "the leaf in step")
    pair.primary.kill()
    receives = "SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'"
    wait_until(lambda: not pair.standby.sql(receives), 30, "the intermediate noticed")
    seen = look(pair, dsn=pair.standby.url(), application_name="leaf")
    assert told(seen) == ("unknown", "error")
    assert "nobody can tell how far behind 'leaf' is; look after that server first" in seen.message
    pair.standby.sql("SELECT pg_promote()")
    followed = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn = pg_current_wal_lsn()"
    wait_until(lambda: pair.standby.sql(followed), 60, "the leaf to follow")
    promoted = look(pair, dsn=pair.standby.url(), application_name="leaf", cascade=True)
    assert told(promoted) == ("warning", "online")
    assert "the intermediate asked is a primary (timeline 2): was it promoted?" in promoted.message


def test_an_idle_primary_gives_no_false_alarm(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    seen = look(pair)
    for number in range(1, 6):
        pair.primary.sql("CHECKPOINT")  # a record that is no commit
        wait_reported(pair)
        seen = look(pair, NOW + 120 * number, seen)
        assert told(seen) == ("ok", "online"), seen.message
        assert (seen.values["lag_seconds"] or 0) < 15
    assert len(seen.facts["memory"]["history"]) == 6


def _leaf(pair: PostgresPair) -> tuple[int, ...]:
    """How many bytes the leaf lacks, as the intermediate has it; nothing where it is not connected."""
    rows = pair.standby.sql(
        "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), replay_lsn)::int FROM pg_stat_replication"
        " WHERE application_name = 'leaf' AND state = 'streaming' AND replay_lsn IS NOT NULL"
    )
    return rows[0] if rows else ()


@contextmanager
def _hanging_commit(pair: PostgresPair) -> Iterator[None]:
    """A transaction that waits for the synchronous standby, until that one goes on."""
    hanging = threading.Thread(target=pair.primary.sql, args=("CREATE TABLE waits (n int)",))
    hanging.start()
    blocked = (
        "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND clock_timestamp() - state_change > '2.1 s'"
    )
    try:
        wait_until(lambda: pair.primary.sql(blocked), 30, "the commit to hang")
        yield
    finally:
        hanging.join(30)
        assert not hanging.is_alive()


@pytest.fixture(autouse=True)
def _in_step(request: pytest.FixtureRequest) -> None:
    """The pair that all share is in step before a test looks at it."""
    if "postgres_pair" in request.fixturenames:
        request.getfixturevalue("postgres_pair").wait_streaming()
