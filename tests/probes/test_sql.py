"""SQL against a real server: rows, every class of failure, and deadlines that hold against a frozen one."""

import threading
import time
from typing import Any

import pytest

from probes import Observation
from probes._machinery.requests import SqlQuery, SqlReply
from probes._machinery.runner import Runner
from probes._machinery.sql_errors import REMEDIES, classify
from probes._machinery.tasks import Running
from tests.servers.postgres import PostgresPair
from tests.waiting import wait_until


def ask(*queries: SqlQuery, limit: int = 8) -> list[tuple[SqlReply, float]]:
    """The replies, and how long each took to come, in seconds."""
    replies: dict[int, tuple[SqlReply, float]] = {}
    began = time.monotonic()

    def probe(number: int, query: SqlQuery) -> Running:
        reply = yield query
        assert isinstance(reply, SqlReply)
        replies[number] = reply, time.monotonic() - began
        return Observation("ok")

    runner = Runner(sql_limit=limit)
    try:
        for number, query in enumerate(queries):
            runner.start(probe(number, query), number, 30)
        while runner.in_flight:
            runner.run_once(1.0)
    finally:
        runner.close()
    return [replies[number] for number in range(len(queries))]


def test_rows_come_as_dictionaries(postgres_pair: PostgresPair) -> None:
    ((reply, _),) = ask(SqlQuery(postgres_pair.dsn, "SELECT %s::int AS n, %s AS t, '50%%' AS p", (7, "Käse")))
    assert (reply.error, reply.rows) == (None, ({"n": 7, "t": "Käse", "p": "50%"},))
    assert reply.connect_seconds and reply.query_seconds
    assert 0 < reply.connect_seconds < 5 and 0 < reply.query_seconds < 5


def test_of_columns_with_one_name_the_first_is_kept(postgres_pair: PostgresPair) -> None:
    ((reply, _),) = ask(SqlQuery(postgres_pair.dsn, "SELECT 1 AS n, 2 AS n, 3 AS m"))
    assert [*reply.rows[0].items()] == [("n", 1), ("m", 3)]


def test_of_endless_rows_as_many_are_read_as_are_kept(postgres_pair: PostgresPair) -> None:
    endless = "SELECT generate_series(1, 100000000) AS n, repeat('x', 1000) AS x"  # in FROM it would be made first
    ((reply, after),) = ask(SqlQuery(postgres_pair.dsn, endless, timeout=20))
    assert (reply.error, len(reply.rows)) == (None, 10_000)
    assert after < 15


def test_nothing_is_written(postgres_pair: PostgresPair) -> None:
    ((reply, _),) = ask(SqlQuery(postgres_pair.dsn, "CREATE TABLE touched ()"))
    assert reply.error and "read-only transaction" in reply.error
    ((two, _),) = ask(SqlQuery(postgres_pair.dsn, "SET default_transaction_read_only = off; CREATE TABLE touched ()"))
    assert two.error and "multiple commands" in two.error


def test_a_percent_sign_is_itself_where_there_are_no_parameters(postgres_pair: PostgresPair) -> None:
    ((reply, _),) = ask(SqlQuery(postgres_pair.dsn, "SELECT '50%' AS p"))
    assert reply.rows == ({"p": "50%"},)


def test_a_statement_that_asks_for_nothing_is_told_as_such(postgres_pair: PostgresPair) -> None:
    ((reply, _),) = ask(SqlQuery(postgres_pair.dsn, "SET work_mem = '4MB'"))
    assert (reply.error, reply.rows) == ("the statement gives no rows", ())
    ((empty, _),) = ask(SqlQuery(postgres_pair.dsn, "SELECT 1 WHERE false"))
    assert (empty.error, empty.rows) == (None, ())


def test_the_dsns_own_options_are_kept(postgres_pair: PostgresPair) -> None:
    dsn = postgres_pair.dsn + "?options=-c%20work_mem%3D5MB&application_name=mine"
    ((reply, _),) = ask(
        SqlQuery(dsn, "SELECT current_setting('work_mem') AS w, current_setting('application_name') AS a")
    )
    assert reply.rows == ({"w": "5MB", "a": "mine"},)


def test_failures_have_a_class(postgres_pair: PostgresPair) -> None:
    pair = postgres_pair
    pair.primary.sql("DROP ROLE IF EXISTS single")
    pair.primary.sql("CREATE ROLE single LOGIN CONNECTION LIMIT 0")
    pair.primary.sql("DROP ROLE IF EXISTS group_role")
    pair.primary.sql("CREATE ROLE group_role NOLOGIN")
    wanted = {
        SqlQuery("postgresql://u@127.0.0.1:1/d", "SELECT 1"): "refused",
        SqlQuery("postgresql://u@nowhere.invalid/d", "SELECT 1"): "dns",
        SqlQuery(pair.primary.url("absent"), "SELECT 1"): "database",
        SqlQuery(pair.primary.url(user="nobody_here"), "SELECT 1"): "auth",
        SqlQuery(pair.primary.url(user="group_role"), "SELECT 1"): "auth",
        SqlQuery(pair.primary.url(user="single"), "SELECT 1"): "too_many",
        SqlQuery(pair.dsn + "?sslmode=require", "SELECT 1"): "tls",
        SqlQuery(pair.standby.url() + "?target_session_attrs=primary", "SELECT 1"): "not_primary",
        SqlQuery(pair.standby.url(), "SELECT pg_current_wal_lsn()"): "not_primary",
        SqlQuery(pair.dsn, "SELECT pg_sleep(20)", timeout=0.5): "timeout",
        SqlQuery(pair.dsn, "SELECT pg_terminate_backend(pg_backend_pid())"): "terminated",
        SqlQuery(pair.dsn, "SELECT nonsense"): "undefined",
        SqlQuery("postgresql://u:s3cr3t@[::1/d", "SELECT 1"): "database",
    }
    replies = ask(*wanted)
    assert [reply.error_class for reply, _ in replies] == list(wanted.values())
    assert all(reply.error and "\n" not in reply.error for reply, _ in replies)


@pytest.mark.parametrize(
    ("state", "text", "name"),
    [
        (None, 'FATAL: password authentication failed for user "x"', "auth"),
        (None, "fe_sendauth: no password supplied", "auth"),
        (None, 'FATAL: no pg_hba.conf entry for host "10.0.0.1", user "x", no encryption', "auth"),
        (None, 'FATAL: too many connections for role "x"', "too_many"),
        (None, "FATAL: sorry, too many clients already", "too_many"),
        (None, "FATAL: remaining connection slots are reserved for superusers", "too_many"),
        (None, "FATAL: the database system is shutting down", "starting"),
        (None, "FATAL: the database system is not accepting connections", "starting"),
        (None, "connection timeout expired", "timeout"),
        (None, "the connection is closed", "terminated"),
        ("42501", "permission denied for function pg_ls_waldir", "privilege"),
        ("42703", 'column "wal_status" does not exist', "undefined"),
        ("57P01", "terminating connection due to administrator command", "terminated"),
        ("57014", "canceling statement due to statement timeout", "timeout"),
        (None, "something new", "other"),
    ],
)
def test_texts_and_codes_are_classified(state: str | None, text: str, name: str) -> None:
    assert classify(state, text) == name
    assert name == "other" or REMEDIES[name]


def test_the_deadline_holds_against_a_server_frozen_before_the_connection(fresh_postgres_pair: PostgresPair) -> None:
    fresh_postgres_pair.primary.freeze_postmaster()
    ((reply, after),) = ask(SqlQuery(fresh_postgres_pair.dsn, "SELECT 1", timeout=1))
    assert reply.error_class == "timeout"
    assert 0.9 < after < 1.9


def test_the_deadline_holds_against_a_server_frozen_in_the_middle(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    freezer = threading.Thread(target=_freeze_once_it_sleeps, args=(pair,))
    freezer.start()
    ((reply, after),) = ask(SqlQuery(pair.dsn, "SELECT pg_sleep(60)", timeout=3))
    freezer.join()
    assert reply.error_class == "timeout"
    assert reply.error == "no answer within 3 s"
    assert 2.9 < after < 3.9
    # Its connection was shut from outside, so the thread is not left behind.
    wait_until(lambda: not _threads(), 3, "the thread has ended")


def test_stuck_queries_do_not_hold_up_others_while_there_is_room(fresh_postgres_pair: PostgresPair) -> None:
    pair = fresh_postgres_pair
    pair.standby.freeze_postmaster()
    stuck = [SqlQuery(pair.standby.url(), "SELECT 1", timeout=2)] * 4
    replies = ask(*stuck, *[SqlQuery(pair.dsn, "SELECT 1 AS n", timeout=5)] * 20)
    assert all(reply.error_class == "timeout" and 1.9 < after < 3 for reply, after in replies[:4])
    assert all(reply.rows == ({"n": 1},) and after < 1.9 for reply, after in replies[4:])


def _threads() -> list[Any]:
    return [thread for thread in threading.enumerate() if thread.name == "vedette-sql"]


def _freeze_once_it_sleeps(pair: PostgresPair) -> None:
    asleep = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
    wait_until(lambda: pair.primary.sql(asleep), 10, "the query is running")
    pair.primary.freeze()
