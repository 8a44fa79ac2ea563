"""What web does when no scheduler runs, what a running scheduler does with an edited file, and who takes over."""

import json
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.servers.process import Start
from tests.servers.slack import SlackServer
from tests.servers.smtp import SmtpServer
from tests.spine.installation import WEBSITE, Website
from tests.waiting import free_port, wait_until

PATIENCE = 30.0


def ready(port: int) -> tuple[int, dict[str, dict[str, str]]]:
    try:
        with urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
            return answer.status, json.load(answer)["checks"]
    except HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)["checks"]


def test_web_alone_says_that_nothing_is_being_checked_and_the_scheduler_says_when_it_is_back(
    start: Start, tmp_path: Path, environ: dict[str, str], slack_server: SlackServer, smtp_server: SmtpServer
) -> None:
    assert start("migrate", env=environ).wait(20) == 0
    with sqlite3.connect(tmp_path / "vedette.db") as connection:
        connection.execute("update setting set value = ? where name = 'migrated_at'", (str(time.time() - 121),))
    port = free_port()
    web = start("web", env=environ | {"PORT": str(port)})
    web.wait_ready(f"http://127.0.0.1:{port}/health")
    status, checks = ready(port)
    assert (status, checks["scheduler"]["status"]) == (503, "fail")
    [told] = slack_server.wait_for(1, PATIENCE)
    assert "nothing is being checked" in told.everything
    [mail] = smtp_server.wait_for(1, PATIENCE)
    assert "nothing is being checked" in mail.text

    scheduler = start("scheduler", env=environ)
    resolved = slack_server.wait_for(2, PATIENCE)[1]
    assert "Resolved" in resolved.text
    wait_until(lambda: ready(port)[0] == 200, PATIENCE, "web to be ready")
    assert len(slack_server.messages) == 2
    assert scheduler.stop(10) < 10
    assert web.stop(10) < 10


def test_a_faulty_edit_keeps_the_last_good_file_and_is_told(
    start: Start, tmp_path: Path, environ: dict[str, str], website: Website, slack_server: SlackServer
) -> None:
    start("scheduler", env=environ).wait_said("this scheduler acts")
    (tmp_path / "vedette.toml").write_text(WEBSITE + '\n[checks.other]\nkind = "htp"\n')
    [refused] = slack_server.wait_for(1, PATIENCE)
    assert "vedette.toml:" in refused.everything
    website.break_down()
    down = slack_server.wait_for(2, PATIENCE)[1]
    assert "HTTP down: website" in down.text, "the last good file is no longer in force"
    (tmp_path / "vedette.toml").write_text(WEBSITE.replace('every = "1s"', 'every = "2s"'))
    mended = slack_server.wait_for(3, PATIENCE)[2]
    assert "Resolved" in mended.text
    assert "configuration" in mended.text


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_second_scheduler_takes_over_from_a_killed_one(
    start: Start,
    tmp_path: Path,
    environ: dict[str, str],
    website: Website,
    slack_server: SlackServer,
    kind: str,
    request: pytest.FixtureRequest,
) -> None:
    if kind == "postgresql":
        pair = request.getfixturevalue("postgres_pair")
        environ = environ | {"DATABASE_URL": pair.primary.new_database(f"spine{free_port()}")}
    first = start("scheduler", env=environ)
    first.wait_said("this scheduler acts")
    second = start("scheduler", env=environ)
    assert second.runs
    website.break_down()
    slack_server.wait_for(1, PATIENCE)
    first.kill()
    website.mend()
    second.wait_said("this scheduler acts", PATIENCE)
    wait_until(lambda: "Resolved" in slack_server.messages[-1].text, PATIENCE, "the website's end to be told")
    for again in slack_server.messages[1:-1]:  # killed between Slack's yes and our noting it
        assert "may be repeated" in again.text
    assert second.stop(10) < 10


def test_a_scheduler_whose_database_hangs_still_ends_in_time(
    start: Start, environ: dict[str, str], fresh_postgres_pair: Any
) -> None:
    primary = fresh_postgres_pair.primary
    scheduler = start("scheduler", env=environ | {"DATABASE_URL": primary.new_database("frozen")})
    scheduler.wait_said("this scheduler acts")
    primary.freeze()
    try:
        assert scheduler.stop(10) < 10
    finally:
        primary.thaw()
