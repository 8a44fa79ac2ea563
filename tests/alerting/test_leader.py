"""Of several schedulers one leads, and its death, however it comes, gives the lead to another."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import Empty
from typing import Any

import pytest

from alerting.leader import FileLead, PostgresLead, lead
from tests.alerting import racing
from tests.databases import opened
from tests.waiting import wait_until

Contender = Callable[[str], Any]


@pytest.fixture
def said() -> Any:
    """What the contenders say."""
    return racing.queue()


@pytest.fixture
def contender(store: str, said: Any) -> Iterator[Contender]:
    """Start a process that wants the lead."""
    with ExitStack() as stack:

        def start(name: str) -> Any:
            process = racing.start(racing.lead, store, name, said)
            stack.callback(process.join, 10)
            stack.callback(process.kill)
            return process

        yield start


def test_each_database_has_its_kind(store: str) -> None:
    assert isinstance(lead(), FileLead if store.startswith("sqlite") else PostgresLead)


def test_one_leads_until_it_gives_it_back(store: str) -> None:
    first, second = lead(), lead()
    try:
        assert first.take()
        assert first.held()
        assert not second.take()
        assert not second.held()
        first.release()
        assert not first.held()
        assert second.take()
        first.release()
        assert second.held()
    finally:
        first.release()
        second.release()


def test_a_killed_leaders_lead_goes_to_another(contender: Contender, said: Any) -> None:
    first = contender("first")
    assert said.get(timeout=30) == ("first", "leads")
    contender("second")
    with pytest.raises(Empty):
        said.get(timeout=2)
    os.kill(first.pid, signal.SIGKILL)
    assert said.get(timeout=30) == ("second", "leads")


def test_leads_of_two_files_are_two(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path / 'one.db'}"):
        first = lead()
        assert first.take()
    with opened(f"sqlite:///{tmp_path / 'two.db'}"):
        second = lead()
        assert second.take()
    first.release()
    second.release()


def test_a_session_the_server_ended_is_a_lead_lost(postgres_pair: Any) -> None:
    url = postgres_pair.primary.new_database("led")
    with opened(url):
        first, second = PostgresLead(), PostgresLead()
        try:
            assert first.take()
            postgres_pair.primary.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'led'")
            wait_until(second.take, 10, "the lead to be free")
            assert not first.held()
            assert not first.take()
            assert second.held()
        finally:
            first.release()
            second.release()


def test_leads_in_two_databases_of_one_server_are_two(postgres_pair: Any) -> None:
    with opened(postgres_pair.primary.new_database("led_one")):
        first = PostgresLead()
        assert first.take()
    with opened(postgres_pair.primary.new_database("led_two")):
        second = PostgresLead()
        assert second.take()
    first.release()
    second.release()


def test_a_database_that_cannot_be_asked_is_an_error_not_a_lead() -> None:
    with opened("postgresql://vedette@127.0.0.1:1/none"):
        ours = lead()
        with pytest.raises(Exception, match=r"refused|failed"):
            ours.take()
        assert not ours.held()
