"""Log lines: one JSON object each, and no secret anywhere in one."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

import pytest

from alerting import logs, settings

PLANTED = {
    "SECRET_KEY": 'planted-"signing"-key-äöü',
    "MASTER_KEY": "planted-master-key",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.example/services/T000/B000/planted-webhook",
    "SLACK_BOT_TOKEN": "xoxb-planted-bot-token",
    "SMTP_URL": "smtp://vedette:planted%40smtp@mail.example:587",
    "DATABASE_URL": "postgresql://vedette:planted-database@db.example/vedette",
    "POSTMARK_SERVER_TOKEN": "planted-postmark-token",
    "METRICS_TOKEN": "planted-metrics-token",
}
SHOWN_BY_ERRORS = [
    *PLANTED.values(),
    "/services/T000/B000/planted-webhook",
    "planted%40smtp",
    "planted@smtp",
    "planted-database",
]

Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def logging_as(form: str) -> Iterator[io.StringIO]:
    """Logging as a process sets it up, which knows nothing of a test run's own handlers and would close them."""
    root, written = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    with redirect_stderr(written):
        logs.set_up(settings.load({**PLANTED, "LOG_FORMAT": form, "LOG_LEVEL": "INFO"}), "scheduler")
    (ours,) = root.handlers
    root.handlers.extend(handlers)
    yield written
    root.removeHandler(ours)
    root.setLevel(level)


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Logging in JSON; what it wrote, each line read."""
    with logging_as("json") as written:
        yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]


log = logs.logger("vedette.test")


def assert_clean(line: dict[str, Any]) -> None:
    text = json.dumps(line, ensure_ascii=False)
    assert "planted" not in text, text
    assert "***" in text


def test_a_line_has_the_promised_fields(lines: Lines) -> None:
    log.warning("%d rows are left", 3, extra={"request_id": "abc", "latency_ms": 1.5})
    (line,) = lines()
    assert line.pop("time").startswith("20")
    assert line == {
        "level": "WARNING",
        "logger": "vedette.test",
        "message": "3 rows are left",
        "component": "scheduler",
        "request_id": "abc",
        "latency_ms": 1.5,
    }


def test_the_level_holds(lines: Lines) -> None:
    log.debug("too quiet")
    assert lines() == []


@pytest.mark.parametrize("secret", SHOWN_BY_ERRORS)
def test_no_secret_in_words_or_arguments(lines: Lines, secret: str) -> None:
    log.info("it is %s", secret)
    log.info(f"it is {secret}")
    for line in lines():
        assert_clean(line)


@pytest.mark.parametrize("secret", SHOWN_BY_ERRORS)
def test_no_secret_in_a_traceback(lines: Lines, secret: str) -> None:
    try:
        try:
            raise ValueError(f"inner {secret}")
        except ValueError as error:
            raise RuntimeError(f"outer {secret}") from error
    except RuntimeError:
        log.exception("it failed")
    (line,) = lines()
    assert_clean(line)
    assert "RuntimeError: outer" in line["exc_info"]
    assert "ValueError: inner" in line["exc_info"]


@pytest.mark.parametrize("secret", SHOWN_BY_ERRORS)
def test_no_secret_in_what_a_line_carries(lines: Lines, secret: str) -> None:
    carried = {"url": secret, "deep": {"list": [secret, {secret: 1}], "error": ValueError(secret)}, "number": 7}
    log.info("look", extra=carried)
    (line,) = lines()
    assert_clean(line)
    assert line["number"] == 7


def test_no_secret_in_a_stack(lines: Lines) -> None:
    log.info("here", stack_info=True)
    (line,) = lines()
    assert "test_logs.py" in line["stack_info"]


def test_text_for_a_terminal_is_as_clean() -> None:
    with logging_as("text") as stream:
        try:
            raise ValueError(PLANTED["MASTER_KEY"])
        except ValueError:
            log.exception("it failed with %s", PLANTED["SECRET_KEY"])
    written = stream.getvalue()
    assert "planted" not in written
    assert "ValueError: ***" in written


def test_wrong_arguments_are_a_poor_line_not_a_broken_program(lines: Lines) -> None:
    log.info("%d rows", "three " + PLANTED["MASTER_KEY"])
    (line,) = lines()
    assert "%d rows" in line["message"]
    assert_clean(line)


def test_short_secrets_and_ordinary_paths_do_not_blot_out_words() -> None:
    found = logs.secrets_of(settings.load({**PLANTED, "NETDATA_PARENT_URL": "http://netdata.example:19999"}))
    assert "/vedette" not in found
    record = logging.makeLogRecord({"msg": "abc"})
    logs.Redaction(["abc"]).filter(record)
    assert record.msg == "abc"


def test_a_sqlite_path_is_no_secret() -> None:
    assert logs.secrets_of(settings.load({"DATABASE_URL": "sqlite:////var/lib/vedette.db"})) == []


def test_chatty_libraries_are_heard_only_when_something_is_wrong(lines: Lines) -> None:
    logging.getLogger("urllib3.connectionpool").info("POST %s", PLANTED["SLACK_WEBHOOK_URL"])
    logging.getLogger("apscheduler.scheduler").info("added job")
    assert lines() == []
