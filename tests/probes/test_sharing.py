"""What several probes ask in the same words is asked once, and nobody waits for one who has left."""

import socket
import time
from collections.abc import Generator

import pytest

from probes import Observation
from probes._machinery.requests import HttpReply, HttpRequest, Reply, Request
from probes._machinery.runner import Runner
from tests.servers.http_target import HttpTarget


def asking(
    url: str, share: float = 5.0, token: str = "", timeout: float = 5.0
) -> Generator[Request, Reply, Observation]:
    reply = yield HttpRequest(url, headers={"Authorization": token}, timeout=timeout, share_seconds=share)
    assert isinstance(reply, HttpReply)
    return Observation("ok" if reply.status == 200 else "critical", message=reply.error or "")


def finish(runner: Runner, number: int) -> dict[str, Observation]:
    ended: dict[str, Observation] = {}
    deadline = time.monotonic() + 10
    while len(ended) < number and time.monotonic() < deadline:
        ended |= dict(runner.run_once(0.5))
    return ended


@pytest.fixture
def runner() -> Generator[Runner, None, None]:
    made = Runner()
    yield made
    made.close()


def test_the_same_question_is_sent_once(runner: Runner, http_target: HttpTarget) -> None:
    url = http_target.url("/slow?seconds=0.2")
    for number in range(5):
        runner.start(asking(url), f"early {number}", 5.0)
    assert {one.status for one in finish(runner, 5).values()} == {"ok"}
    runner.start(asking(url), "late", 5.0)
    assert finish(runner, 1)["late"].status == "ok"
    assert len(http_target.hits) == 1


def test_other_words_or_too_old_an_answer_are_asked_anew(runner: Runner, http_target: HttpTarget) -> None:
    runner.start(asking(http_target.url(), 0.05), "first", 5.0)
    finish(runner, 1)
    runner.start(asking(http_target.url(), token="another's"), "second", 5.0)
    runner.start(asking(http_target.url(), 0.0), "third", 5.0)
    finish(runner, 2)
    time.sleep(0.06)  # the age that `first` allowed
    runner.start(asking(http_target.url(), 0.05), "fourth", 5.0)
    finish(runner, 1)
    assert len(http_target.hits) == 4


def test_trouble_is_shared_too(runner: Runner) -> None:
    for number in range(3):
        runner.start(asking("http://127.0.0.1:1/"), number, 5.0)
    assert all("refused" in one.message for one in finish(runner, 3).values())


def test_the_impatience_of_one_is_not_the_trouble_of_another(runner: Runner, http_target: HttpTarget) -> None:
    url = http_target.url("/slow?seconds=0.6")
    for name, timeout in (("hasty", 0.2), ("hasty too", 0.2), ("patient", 5.0)):
        runner.start(asking(url, timeout=timeout), name, 8.0)
    ended = finish(runner, 3)
    assert {name: one.status for name, one in ended.items()} == {
        "hasty": "critical",
        "hasty too": "critical",
        "patient": "ok",
    }


def test_trouble_is_not_remembered(runner: Runner) -> None:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        runner.start(asking(f"http://127.0.0.1:{place.getsockname()[1]}/"), "early", 5.0)
        assert finish(runner, 1)["early"].status == "critical"
        place.listen()
        runner.start(asking(f"http://127.0.0.1:{place.getsockname()[1]}/", timeout=0.2), "late", 5.0)
        assert "refused" not in finish(runner, 1)["late"].message


def test_when_the_asker_is_cut_off_another_asks(runner: Runner, http_target: HttpTarget) -> None:
    url = http_target.url("/slow?seconds=0.6")
    runner.start(asking(url), "impatient", 0.2)
    runner.start(asking(url), "patient", 5.0)
    runner.start(asking(url), "waiting as well", 5.0)
    ended = finish(runner, 3)
    assert "had not ended within 0.2 s" in ended["impatient"].message
    assert ended["patient"].status == ended["waiting as well"].status == "ok"
    assert len(http_target.hits) == 2


def test_closing_leaves_nobody_behind(http_target: HttpTarget) -> None:
    runner = Runner()
    for number in range(3):
        runner.start(asking(http_target.url("/slow?seconds=5")), number, 9.0)
    runner.run_once(0.05)
    runner.close()
    assert runner.in_flight == 0
