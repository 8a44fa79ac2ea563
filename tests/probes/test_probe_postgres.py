"""Kind `postgres`: a query on a real server, its value held to conditions, and every way to have none."""

import time
from typing import Any

import pytest

from probes import Observation
from probes._machinery.runner import check_config, run
from tests.servers.postgres import PostgresPair
from tests.waiting import wait_until


def look(pair: PostgresPair, query: str | None = None, **config: object) -> Observation:
    asked = {} if query is None else {"query": query}
    return run("postgres", {"dsn": pair.dsn, "timeout": 5, **asked, **config})


def test_a_server_that_answers_is_ok_with_its_times(postgres_pair: PostgresPair) -> None:
    seen = look(postgres_pair)
    assert seen.status == "ok", seen.message
    assert seen.message.startswith("the value is 1 in 0.")
    assert seen.values["result"] == 1 and seen.values["rows"] == 1
    phases = [seen.values[f"{name}_seconds"] for name in ("connect", "query", "total")]
    connect, query, total = (phase or 0.0 for phase in phases)
    assert 0 < connect < total < 5 and 0 < query < total
    assert seen.facts == {"value": 1}


@pytest.mark.parametrize(
    ("query", "value", "result"),
    [
        ("SELECT 12.50::numeric", 12.5, 12.5),
        ("SELECT 12::numeric", 12, 12.0),
        ("SELECT 1.5::float8", 1.5, 1.5),
        ("SELECT 'NaN'::float8", "nan", None),
        ("SELECT true", True, 1.0),
        ("SELECT 'Käse'", "Käse", None),
        ("SELECT null::int", None, None),
        ("SELECT interval '90 seconds'", 90.0, 90.0),
        ("SELECT date '2026-01-02'", "2026-01-02", None),
        ("SELECT 5 AS n, 6 AS n", 5, 5.0),
        ("SELECT n FROM generate_series(3, 5) n", 3, 3.0),
        ("SELECT repeat('x', 5000)", "x" * 1000, None),
    ],
)
def test_the_first_column_of_the_first_row_is_the_value(
    postgres_pair: PostgresPair, query: str, value: Any, result: float | None
) -> None:
    seen = look(postgres_pair, query)
    assert seen.status == "ok", seen.message
    assert (seen.facts["value"], seen.values["result"]) == (value, result)
    assert len(seen.message) < 200


@pytest.mark.parametrize(
    ("query", "config", "status", "said"),
    [
        ("SELECT 5", {"expect": 5}, "ok", "the value is 5"),
        ("SELECT 5", {"expect": 6}, "critical", "the value is 5, expected 6"),
        ("SELECT 5", {"expect": {"<": 5}}, "critical", "the value is 5, expected < 5"),
        ("SELECT 'on'", {"expect": "on"}, "ok", 'the value is "on"'),
        ("SELECT null", {"expect": None}, "ok", "the value is null"),
        ("SELECT 1 WHERE false", {}, "ok", "no row in"),
        ("SELECT 1 WHERE false", {"expect": {">": 3}}, "critical", "no row, expected > 3"),
        ("SELECT 50", {"warning": {">": 10}, "critical": {">": 100}}, "warning", "the value is 50, warning where > 10"),
        ("SELECT 500", {"warning": {">": 10}, "critical": {">": 100}}, "critical", "500, critical where > 100"),
        ("SELECT 5", {"warning": {">": 10}, "critical": {">": 100}}, "ok", "the value is 5"),
        ("SELECT 15", {"warning": {">": 10, "<": 20}}, "warning", "the value is 15, warning where > 10 and < 20"),
        (
            "SELECT 1 WHERE false",
            {"critical": {">": 3}},
            "unknown",
            "no row, which cannot be compared: critical where > 3",
        ),
        (
            "SELECT null",
            {"warning": {">": 3}},
            "unknown",
            "the value is null, which cannot be compared: warning where > 3",
        ),
        ("SELECT '9'", {"warning": {">": 3}}, "unknown", 'the value is "9", which cannot be compared'),
        ("SELECT null", {"critical": {"==": None}}, "critical", "the value is null, critical where == null"),
        ("SELECT 'off'", {"critical": {"==": "off"}}, "critical", 'the value is "off", critical where == "off"'),
    ],
)
def test_the_value_is_held_to_conditions(
    postgres_pair: PostgresPair, query: str, config: dict[str, object], status: str, said: str
) -> None:
    seen = look(postgres_pair, query, **config)
    assert seen.status == status
    assert said in seen.message


def test_slow_is_a_warning(postgres_pair: PostgresPair) -> None:
    seen = look(postgres_pair, "SELECT 1 FROM pg_sleep(0.2)", max_seconds=0.1)
    assert seen.status == "warning" and "expected at most 0.1 s" in seen.message


def test_a_query_that_writes_is_refused_and_no_failure_of_the_target(postgres_pair: PostgresPair) -> None:
    seen = look(postgres_pair, "CREATE TABLE touched_by_a_check ()")
    assert seen.status == "unknown"
    assert seen.message.startswith("the query writes, and a check only reads: cannot execute CREATE TABLE")
    assert postgres_pair.primary.sql("SELECT to_regclass('touched_by_a_check')") == [(None,)]


def test_a_query_that_fails_is_critical_in_one_line(postgres_pair: PostgresPair) -> None:
    seen = look(postgres_pair, "SELECT *\nFROM no_such_table")
    assert seen.status == "critical"
    assert seen.message.startswith('relation "no_such_table" does not exist')
    assert "\n" not in seen.message


def test_what_the_user_may_not_read_is_not_known(postgres_pair: PostgresPair) -> None:
    primary = postgres_pair.primary
    primary.sql("CREATE ROLE check_reader LOGIN")
    primary.sql("CREATE TABLE kept_secret ()")
    try:
        dsn = primary.url(user="check_reader")
        seen = run("postgres", {"dsn": dsn, "query": "SELECT count(*) FROM kept_secret"})
    finally:
        primary.sql("DROP TABLE kept_secret")
        primary.sql("DROP ROLE check_reader")
    assert seen.status == "unknown"
    assert seen.message == ("permission denied for table kept_secret; grant the check's user what the query reads")


def test_a_query_without_an_end_is_ended(postgres_pair: PostgresPair) -> None:
    began = time.monotonic()
    seen = look(postgres_pair, "SELECT pg_sleep(60)", timeout=0.5)
    assert seen.status == "critical"
    assert time.monotonic() - began < 10
    assert "0.5 s" in seen.message or "statement timeout" in seen.message
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%'"
    wait_until(lambda: postgres_pair.primary.sql(sleeping) == [(0,)], 10, "the query to be ended there too")


def test_no_connection_is_critical_with_what_to_do(postgres_pair: PostgresPair) -> None:
    gone = run("postgres", {"dsn": "postgresql://odoo:s3cr3t@127.0.0.1:1/postgres"})
    assert gone.status == "critical"
    assert "refused" in gone.message.lower() and "is PostgreSQL running there" in gone.message
    missing = run("postgres", {"dsn": postgres_pair.primary.url("nowhere")})
    assert missing.status == "critical"
    assert 'database "nowhere" does not exist' in missing.message
    nobody = run("postgres", {"dsn": postgres_pair.primary.url(user="nobody_here")})
    assert nobody.status == "critical" and "check the user, the password and pg_hba.conf" in nobody.message
    assert "s3cr3t" not in repr((gone, missing, nobody))


@pytest.mark.parametrize(
    ("config", "pointer", "named"),
    [
        ({}, "", "dsn"),
        ({"dsn": "mysql://a/b"}, "/dsn", "mysql"),
        ({"dsn": "postgresql://a:port/b"}, "/dsn", "cannot be read"),
        ({"dsn": "postgresql://a/b", "query": ""}, "/query", ""),
        ({"dsn": "postgresql://a/b", "warning": 5}, "/warning", "5"),
        ({"dsn": "postgresql://a/b", "critical": {"above": 5}}, "/critical", "above"),
        ({"dsn": "postgresql://a/b", "expect": {"<": [1]}}, "/expect", "takes a number"),
        ({"dsn": "postgresql://a/b", "sql": "SELECT 1"}, "", "'sql'"),
    ],
)
def test_a_faulty_configuration_is_named(config: dict[str, object], pointer: str, named: str) -> None:
    faults = check_config("postgres", config)
    assert any(fault.pointer == pointer and named in fault.message for fault in faults), faults
    assert run("postgres", config).status == "unknown"
