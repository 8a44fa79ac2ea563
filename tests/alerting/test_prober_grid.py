"""The prober at work: on its grid, none twice at once, a slow target delays nobody, an edit holds at once."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

from alerting.config import Config, Organization, Watch
from alerting.lateness import Lateness
from alerting.prober import Prober
from alerting.store import subjects
from alerting.store.database import execute, reading
from tests.servers.http_target import HttpTarget
from tests.waiting import wait_until


def check(name: str, url: str, every: float, timeout: float = 10.0) -> Watch:
    return Watch(f"check/{name}", "http", "acme", every, {"url": url, "timeout": timeout})


def watching(*watches: Watch) -> Config:
    return Config(organizations=(Organization("acme", "Acme"),), watches=watches)


@contextmanager
def probing(configuration: Callable[[], Config]) -> Iterator[Prober]:
    prober = Prober(configuration, lambda: None)
    prober.start()
    try:
        yield prober
    finally:
        prober.stop(5)


def looks(subject: str) -> list[float]:
    with reading():
        rows = execute(
            "select at from sample join series on series = id where subject = ? order by at", (f"check/{subject}",)
        )
    return [at for (at,) in rows]


def message(subject: str) -> str | None:
    with reading():
        state = subjects.states([f"check/{subject}"]).get(f"check/{subject}")
    return None if state is None else state.observation.message


def test_a_target_that_hangs_delays_nobody_and_is_asked_once_at_a_time(store: str, http_target: HttpTarget) -> None:
    hanging = [check(f"h{number}", http_target.url("/hang"), 1.0) for number in range(20)]
    quick = [check(f"q{number}", http_target.url("/ok"), 1.0) for number in range(5)]
    config = watching(*hanging, *quick)
    with probing(lambda: config) as prober:
        wait_until(lambda: len(looks("q0")) >= 4, 15, "four looks")
        assert prober.lateness.quantiles(0.5)[0] < 0.5
    moments = looks("q0")
    gaps = [later - sooner for sooner, later in pairwise(moments[1:])]
    assert all(0.5 < gap < 1.9 for gap in gaps), gaps
    assert all(later - sooner >= 0.85 for sooner, later in pairwise(looks("h0")))


def test_what_is_edited_is_looked_at_anew_and_what_was_seen_of_the_old_is_left_out(
    store: str, http_target: HttpTarget
) -> None:
    """A look that takes long is under way when its URL is changed: what it finds says nothing of the new one."""
    slow = check("site", http_target.url("/slow?seconds=2"), 60.0)
    edited = replace(slow, config={**slow.config, "url": http_target.url("/status/500")})
    config = watching(slow)
    with probing(lambda: config):
        wait_until(lambda: http_target.hits, 10, "the first look is under way")
        config = watching(edited)
        said = wait_until(lambda: message("site"), 15, "the edited check is seen")
    assert said.startswith("HTTP 500")
    assert len(looks("site")) == 1


def test_what_goes_on_unchanged_is_not_looked_at_because_of_another(store: str, http_target: HttpTarget) -> None:
    seldom = 1e7  # seconds: a moment of the grid just now would be a second look
    stays, goes = check("stays", http_target.url("/ok"), seldom), check("goes", http_target.url("/ok"), seldom)
    config = watching(stays, goes)
    with probing(lambda: config):
        wait_until(lambda: message("stays") and message("goes"), 10, "both are seen")
        edited = replace(goes, config={**goes.config, "url": http_target.url("/status/500")})
        config = watching(replace(stays), edited)
        wait_until(lambda: (message("goes") or "").startswith("HTTP 500"), 10, "the edit holds")
    assert len(looks("stays")) == 1


def test_lateness_is_that_of_the_last_minute() -> None:
    late = Lateness()
    assert late.quantiles(0.99) == [0.0]
    late.note(9.0, 10.0)
    for number in range(100):
        late.note(number / 100, 100.0)
    assert [round(one, 2) for one in late.quantiles(0.0, 0.5, 0.99, 1.0)] == [0.0, 0.5, 0.99, 0.99]
    late.forget()
    assert late.quantiles(0.5) == [0.0]


def test_the_limit_of_open_files_is_raised_and_a_low_one_told_of() -> None:
    code = (
        "import resource, logging; logging.basicConfig()\n"
        "from alerting.prober import _http_at_once\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 4096)); print(_http_at_once())\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 300)); print(_http_at_once())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["1024", "4096", "150"]
    assert "150 HTTP checks at once instead of 1024" in done.stderr
