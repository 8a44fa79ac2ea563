"""From a real failure to a Slack message, an email and an open stream, and back, whatever is killed meanwhile."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process import Start
from tests.servers.slack import Answer, SlackServer, silence
from tests.servers.smtp import SmtpServer
from tests.spine.installation import REPLICA_AND_SERVER, WEBSITE, Installation, Website, installed
from tests.waiting import wait_until

PATIENCE = 30.0


@pytest.fixture
def begin(start: Start, tmp_path: Path, environ: dict[str, str]) -> Iterator[Callable[[], Installation]]:
    """Starts an installation that watches the website."""
    yield from installed(start, tmp_path, environ, WEBSITE)


@pytest.fixture
def begin_whole(
    start: Start, tmp_path: Path, environ: dict[str, str], fresh_postgres_pair: Any, fresh_netdata_agent: Any
) -> Iterator[Callable[[], Installation]]:
    """Starts an installation that watches the website, a replica and a server."""
    targets = {"SHOP_URL": fresh_postgres_pair.dsn, "NETDATA_URL": fresh_netdata_agent.url}
    yield from installed(start, tmp_path, environ | targets, WEBSITE + REPLICA_AND_SERVER)


def told(slack: SlackServer, smtp: SmtpServer, title: str, state: str) -> bool:
    """Whether both providers have a message about `title` in that state."""
    mark = {"triggered": "critical:", "resolved": "resolved:"}[state]
    by_slack = [one for one in slack.messages if title in one.text and mark in one.text.lower()]
    word = {"triggered": "[critical]", "resolved": "[resolved]"}[state]
    mails = [str(one.message["Subject"]) for one in smtp.mails]
    by_mail = [one for one in mails if title in one and word in one.lower()]
    return bool(by_slack) and bool(by_mail)


def wait_told(slack: SlackServer, smtp: SmtpServer, title: str, state: str) -> None:
    what = f"{title!r} told as {state}; Slack has {[one.text for one in slack.messages]}"
    wait_until(lambda: told(slack, smtp, title, state), PATIENCE, what)


def test_each_failure_reaches_everyone_once_and_so_does_its_end(
    begin_whole: Callable[[], Installation],
    website: Website,
    fresh_postgres_pair: Any,
    fresh_netdata_agent: Any,
    slack_server: SlackServer,
    smtp_server: SmtpServer,
) -> None:
    fresh_netdata_agent.wait_data()
    running = begin_whole()
    stream = running.stream
    wait_until(lambda: stream.of("server.connected"), PATIENCE, "the server to be seen")
    wait_until(lambda: stream.of("replica.health_updated", status="online"), PATIENCE, "the replica to be seen")
    wait_until(lambda: stream.of("check.updated", status="ok"), PATIENCE, "the website to be seen")
    assert slack_server.messages == []

    breakdowns: list[tuple[str, str, Callable[[], None], Callable[[], None]]] = [
        ("HTTP down: website", "http_down:website:status", website.break_down, website.mend),
        ("Replica lag: shop-prod", "replica_lag:shop-prod:status", fresh_postgres_pair.standby.kill,
         fresh_postgres_pair.standby.start),
        ("Server down: prod-1", "server_down:prod-1:status", fresh_netdata_agent.kill, fresh_netdata_agent.start),
    ]  # fmt: skip
    for title, fingerprint, break_down, mend in breakdowns:
        break_down()
        wait_told(slack_server, smtp_server, title, "triggered")
        [triggered] = wait_until(
            lambda name=fingerprint: stream.of("alert_triggered", fingerprint=name), PATIENCE, fingerprint
        )
        assert triggered["severity"] == "critical"
        mend()
        wait_told(slack_server, smtp_server, title, "resolved")
        wait_until(lambda alert=triggered["alert_id"]: stream.of("alert_resolved", alert_id=alert), PATIENCE, "its end")
    assert len(slack_server.messages) == len(smtp_server.mails) == 6
    assert slack_server.refusals == []
    ids = [number for number, _, _ in stream.events]
    assert ids == sorted(set(ids))
    assert running.process.stop(10) < 10


ARRIVED = Answer(200, "ok", hold=2.0)
"""Slack has the message, and is slow to say so."""


@pytest.mark.parametrize(
    ("victim", "answer"),
    [("scheduler", ARRIVED), ("scheduler", silence(2.0)), ("worker", ARRIVED), ("web", ARRIVED)],
    ids=["scheduler-arrived", "scheduler-lost", "worker", "web"],
)
def test_nothing_is_lost_when_a_process_is_killed(
    begin: Callable[[], Installation],
    website: Website,
    slack_server: SlackServer,
    smtp_server: SmtpServer,
    victim: str,
    answer: Answer,
) -> None:
    """Killed while the messages are on their way, and again while the resolved ones are."""
    running = begin()
    wait_until(lambda: running.stream.of("check.updated", status="ok"), PATIENCE, "the website to be seen")
    for state, change in (("triggered", website.break_down), ("resolved", website.mend)):
        slack_server.answer(answer)
        before = len(slack_server.attempts)
        change()
        wait_until(lambda seen=before: len(slack_server.attempts) > seen, PATIENCE, "a delivery to begin")
        running.kill(victim)
        wait_told(slack_server, smtp_server, "HTTP down: website", state)
        kind = {"triggered": "alert_triggered", "resolved": "alert_resolved"}[state]
        wait_until(
            lambda kind=kind: running.stream.of(kind, fingerprint="http_down:website:status"), PATIENCE, f"{kind}"
        )
    ids = [number for number, _, _ in running.stream.events]
    assert ids == sorted(set(ids)), "an event came twice or out of order"
    unmarked = [one.text for one in slack_server.messages if "may be repeated" not in one.everything]
    assert len(unmarked) <= 2, "a repeat was not marked"


def test_a_provider_in_trouble_is_told_later_and_the_other_at_once(
    begin: Callable[[], Installation], website: Website, slack_server: SlackServer, smtp_server: SmtpServer
) -> None:
    begin()
    slack_server.always = Answer(503, "down")
    website.break_down()
    smtp_server.wait_for(1, PATIENCE)
    wait_until(lambda: slack_server.attempts, PATIENCE, "Slack to be tried")
    assert slack_server.messages == []
    slack_server.always = None
    wait_told(slack_server, smtp_server, "HTTP down: website", "triggered")
    assert "may be repeated" in slack_server.messages[0].everything
