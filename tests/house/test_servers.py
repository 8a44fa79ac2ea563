"""The servers and processes that tests are told on work, and say so when they do not."""

import sys
import time
from typing import Any

import pytest

from tests.servers.process import Start
from tests.waiting import free_port, listens, wait_until

_DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
_PARENT = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]).wait()"


def test_redis_starts_empty_each_time(redis_url: str) -> None:
    import redis

    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_redis_starts_empty_after_another_test(redis_url: str) -> None:
    test_redis_starts_empty_each_time(redis_url)


def test_the_browser_shows_a_page_of_this_machine_and_no_other(browser: Any, start: Start) -> None:
    from selenium.common.exceptions import WebDriverException

    port = free_port()
    server = start("-m", "http.server", str(port), "--bind", "127.0.0.1", program=sys.executable)
    server.wait_ready(f"http://127.0.0.1:{port}/")
    browser.get(f"http://127.0.0.1:{port}/")
    assert "Directory listing" in browser.title
    with pytest.raises(WebDriverException, match="ERR_NAME_NOT_RESOLVED"):
        browser.get("http://example.com/")


def test_a_process_that_ignores_sigterm_is_an_error(start: Start) -> None:
    deaf = start("-c", _DEAF, program=sys.executable)
    deaf.wait_said("ready")
    with pytest.raises(AssertionError, match="to end"):
        deaf.stop(seconds=0.2)


def test_a_process_that_ends_at_once_tells_why(start: Start) -> None:
    broken = start("-c", "raise SystemExit('no luck')", program=sys.executable)
    with pytest.raises(AssertionError, match="no luck"):
        broken.wait_ready(f"http://127.0.0.1:{free_port()}/")


def test_what_a_killed_process_leaves_behind_ends_with_the_test(start: Start) -> None:
    port = free_port()
    child = f"import http.server as h; h.test(h.SimpleHTTPRequestHandler, port={port}, bind='127.0.0.1')"
    parent = start("-c", _PARENT.format(child=child), program=sys.executable)
    wait_until(lambda: listens(port), 10, "the child to listen")
    parent.kill()
    assert listens(port)
    parent.end()
    wait_until(lambda: not listens(port), 5, "the child to be gone")


def test_waiting_in_vain_says_for_what() -> None:
    began = time.monotonic()
    with pytest.raises(AssertionError, match="for the moon; last seen: 0"):
        wait_until(lambda: 0, 0.05, "the moon")
    assert time.monotonic() - began < 2
