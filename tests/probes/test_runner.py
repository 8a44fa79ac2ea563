"""The runner: many probes in one thread, deadlines that hold, and probes that break without breaking anything else."""

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from probes import Observation, find
from probes._machinery.requests import HostQuery, HttpReply, HttpRequest, Sleep, SqlQuery
from probes._machinery.runner import Runner, check_config, run
from probes._machinery.tasks import Running
from tests.servers.http_target import HttpTarget


@pytest.fixture
def runner() -> Iterator[Runner]:
    made = Runner()
    yield made
    made.close()


def finish(runner: Runner, timeout: float = 20.0) -> dict[Any, tuple[Observation, float]]:
    """Drive everything to its end: key → (observation, seconds until it came)."""
    began, done = time.monotonic(), {}
    while runner.in_flight:
        assert time.monotonic() - began < timeout, "probes are still under way"
        for key, seen in runner.run_once(1.0):
            done[key] = seen, time.monotonic() - began
    for key, seen in runner.run_once(0):
        done[key] = seen, time.monotonic() - began
    return done


def fetch(url: str, timeout: float = 10.0) -> Running:
    reply = yield HttpRequest(url, timeout=timeout)
    assert isinstance(reply, HttpReply)
    return Observation("ok" if reply.error is None else "critical", {"status": reply.status}, reply.error or "")


def sleep(seconds: float) -> Running:
    yield Sleep(seconds)
    return Observation("ok")


def test_many_end_at_once_while_a_hung_one_and_drips_wait_for_their_deadline(
    runner: Runner, http_target: HttpTarget
) -> None:
    for path in ("/hang", "/headerdrip", "/bodydrip"):
        runner.start(fetch(http_target.url(path), timeout=2), path, 10)
    for number in range(50):
        runner.start(fetch(http_target.url("/ok")), number, 10)
    done = finish(runner)
    assert all(done[number][0].status == "ok" for number in range(50))
    assert max(done[number][1] for number in range(50)) < 1.5
    for path in ("/hang", "/headerdrip", "/bodydrip"):
        seen, after = done[path]
        assert seen.status == "critical"
        assert 1.9 < after < 3.0


def test_a_probe_that_outlives_its_deadline_is_stopped(runner: Runner, http_target: HttpTarget) -> None:
    closed = []

    def stubborn() -> Running:
        try:
            yield HttpRequest(http_target.url("/hang"), timeout=60)
        finally:
            closed.append(True)
        raise AssertionError("never reached")

    runner.start(stubborn(), "a", 0.3)
    runner.start(sleep(60), "b", 0.3)
    done = finish(runner, 3)
    assert {seen.status for seen, _ in done.values()} == {"unknown"}
    assert "not ended within 0.3 s" in done["a"][0].message
    assert closed == [True]


def test_a_probe_that_raises_is_unknown_and_logged_under_its_id(
    runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Running:
        yield HostQuery()
        raise ZeroDivisionError("the bug")

    with caplog.at_level(logging.ERROR, "vedette.probes"):
        runner.start(broken(), "check/x", 5)
        seen, _ = finish(runner)["check/x"]
    assert seen.status == "unknown"
    record = caplog.records[0]
    number = record.__dict__["id"]
    assert seen.message == f"the check itself failed (id {number}); see the log"
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError
    assert record.name == "vedette.probes"


def test_a_probe_that_asks_or_returns_nonsense_is_unknown(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    def asks() -> Any:
        yield "please"

    def returns() -> Any:
        yield HostQuery()
        return None

    runner.start(asks(), "asks", 5)
    runner.start(returns(), "returns", 5)
    done = finish(runner)
    assert {seen.status for seen, _ in done.values()} == {"unknown"}
    assert "please" not in done["asks"][0].message


def test_a_probe_that_will_not_be_stopped_does_no_harm(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    def clings() -> Running:
        try:
            yield Sleep(60)
        finally:
            yield Sleep(60)
        return Observation("ok")

    runner.start(clings(), "a", 0.1)
    assert finish(runner, 3)["a"][0].status == "unknown"


def test_exchanges_beyond_the_limit_wait_in_line_in_order_and_none_is_lost(http_target: HttpTarget) -> None:
    runner = Runner(http_limit=2)
    try:
        for number in range(6):
            runner.start(fetch(http_target.url("/slow?seconds=0.2")), number, 0.5)
        done = finish(runner)
    finally:
        runner.close()
    assert [done[number][0].status for number in range(6)] == ["ok"] * 6  # the wait in line was not their own
    ended = [done[number][1] for number in range(6)]
    assert ended[0] < 0.4 < ended[4]
    assert ended[:2] < ended[2:4] < ended[4:]
    assert all(seen.duration < 0.4 for seen, _ in done.values())


def test_a_second_request_waits_behind_those_before_it(http_target: HttpTarget) -> None:
    def two() -> Running:
        yield HttpRequest(http_target.url("/status/201"))
        yield HttpRequest(http_target.url("/status/202"))
        return Observation("ok")

    runner = Runner(http_limit=1)
    try:
        runner.start(two(), "two", 5)
        runner.start(fetch(http_target.url("/status/203")), "one", 5)
        done = finish(runner)
    finally:
        runner.close()
    assert http_target.hits == ["/status/201", "/status/203", "/status/202"]
    assert len(done) == 2


def test_a_wait_in_line_in_the_middle_is_not_the_probes_own_either(http_target: HttpTarget) -> None:
    def two() -> Running:
        yield HttpRequest(http_target.url("/slow?seconds=0.1"))
        yield HttpRequest(http_target.url("/ok"))
        return Observation("ok")

    runner = Runner(http_limit=1)
    try:
        runner.start(two(), "two", 0.6)
        runner.start(fetch(http_target.url("/slow?seconds=1")), "before it in line", 5)
        done = finish(runner)
    finally:
        runner.close()
    assert done["two"][0].status == "ok", done["two"][0].message
    assert done["two"][1] > 1


def test_a_request_libcurl_will_not_take_is_a_reply_and_no_crash(runner: Runner) -> None:
    def odd() -> Running:
        reply = yield HttpRequest("http://a.example/", http_version="9")
        assert isinstance(reply, HttpReply)
        return Observation("critical", message=reply.error or "")

    runner.start(odd(), "a", 5)
    seen, after = finish(runner)["a"]
    assert "cannot be sent" in seen.message
    assert after < 1


def test_wake_ends_the_wait_from_another_thread(runner: Runner) -> None:
    threading.Timer(0.1, runner.wake).start()
    began = time.monotonic()
    assert runner.run_once(10) == []
    assert time.monotonic() - began < 2


def test_waking_a_closed_runner_does_nothing() -> None:
    runner = Runner()
    runner.close()
    runner.wake()


def test_closing_stops_what_is_under_way(http_target: HttpTarget) -> None:
    runner = Runner(http_limit=1)
    probes = [fetch(http_target.url("/hang")), fetch(http_target.url("/ok")), sleep(60)]
    for probe in probes:
        runner.start(probe, id(probe), 60)
    runner.run_once(0.05)
    runner.close()
    assert runner.in_flight == 0
    for probe in probes:
        assert next(probe, None) is None


def test_a_thousand_at_once_are_no_trouble_for_one_thread(http_target: HttpTarget) -> None:
    runner, before = Runner(), threading.active_count()
    try:
        for number in range(1000):
            runner.start(sleep(0.01), number, 10)
        assert threading.active_count() == before
        assert runner.in_flight == 1000
        assert all(seen.status == "ok" for seen, _ in finish(runner).values())
    finally:
        runner.close()


def test_stale_timers_do_not_pile_up(runner: Runner) -> None:
    for number in range(3000):
        runner.start(sleep(0), number, 3600)
        runner.run_once(0)
    finish(runner)
    assert len(runner._timers) < 2000


def test_a_query_without_an_answer_is_given_up_at_its_deadline_and_keeps_its_place_until_free() -> None:
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)  # the kernel takes the connection, nobody ever speaks
        dsn = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d"

        def ask() -> Running:
            reply = yield SqlQuery(dsn, "SELECT 1", timeout=0.4)
            return Observation("unknown", message=getattr(reply, "error_class", ""))

        runner = Runner(sql_limit=1)
        try:
            runner.start(ask(), 1, 5)
            runner.start(ask(), 2, 5)
            done = finish(runner)
        finally:
            runner.close()
    assert [done[key][0].message for key in (1, 2)] == ["timeout", "timeout"]
    assert 0.3 < done[1][1] < 0.9
    assert done[2][1] > 1.5  # psycopg waits two seconds at least for a connection: only then was there a place


def test_an_unknown_kind_is_named() -> None:
    seen = run("gopher", {})
    assert seen.status == "unknown"
    assert "'gopher'" in seen.message and "http" in seen.message
    assert check_config("gopher", {})[0].pointer == ""


def test_run_stamps_the_moment_and_the_duration(http_target: HttpTarget) -> None:
    seen = run("http", {"url": http_target.url()}, now=1000.0)
    assert seen.at == 1000.0
    assert 0 < seen.duration < 5


def test_the_probes_of_a_schedule_run_beside_each_other(runner: Runner, http_target: HttpTarget) -> None:
    runner.start(find("http")({"url": http_target.url()}, 0.0, None), "web", 5)
    runner.start(find("local")({}, 0.0, None), "here", 5)
    done = finish(runner)
    assert {seen.status for seen, _ in done.values()} == {"ok"}
