"""Is it us? In a network of our own whose cable is pulled; and which failures are ever taken for ours."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.config import Config, Watch
from alerting.connectivity import Connectivity, Outage
from alerting.intake import Intake
from alerting.own_network import Verdict, examine
from probes import Observation
from probes._machinery.reach import Reach, is_here, reach
from probes._machinery.requests import HttpReply, HttpRequest, SqlQuery, SqlReply, SshCommand, SshReply
from tests.needing import need
from tests.servers.http_target import HttpTarget
from tests.waiting import free_port, wait_until

_NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount", "--net"]
Play = Callable[..., Any]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Play a scene of network_scene; what it saw."""
    need("iproute2")
    if subprocess.run([*_NAMESPACES, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody have a network of their own")

    def play(*words: str) -> Any:
        scene = [*_NAMESPACES, sys.executable, "-m", "tests.alerting.network_scene", str(tmp_path), *words]
        done = subprocess.run(scene, capture_output=True, text=True, timeout=100, cwd=Path(__file__).parents[2])
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return play


def test_a_pulled_cable_is_one_alert_of_our_own_and_nobody_elses(play: Play) -> None:
    seen = play("cable_pulled")
    assert seen["down"] == ["check/local", "self/network"]
    assert seen["up"] == ["check/local"]
    assert seen["ever"] == ["http_down:local:status", "self:network:status"]
    far = {message for name, message in seen["messages"].items() if name != "check/local"}
    assert far == {"our own network seems to be down: there is no route to what is watched"}
    assert seen["local_after"] < 4  # what runs on this machine is no affair of the network's


def test_one_host_of_several_that_is_gone_is_told(play: Play) -> None:
    assert play("one_target_gone")["down"] == ["check/far-0"]


def test_hosts_that_are_gone_together_are_told_while_our_network_is_as_it_was(play: Play) -> None:
    seen = play("all_targets_gone")
    assert seen["down"] == ["check/far-0", "check/far-1", "check/far-2"]
    assert "our own" not in str(seen["messages"])


def test_the_addresses_named_for_it_prove_what_this_machine_cannot_know(play: Play) -> None:
    seen = play("way_out_lost", "tcp://10.9.0.3:80", "http://10.9.0.4/")
    assert seen["down"] == ["self/network"]
    assert "none of 10.9.0.3, 10.9.0.4 answers" in seen["messages"]["check/far-0"]


def test_any_answer_of_an_address_named_for_it_proves_our_network(http_target: HttpTarget) -> None:
    nobody = f"tcp://127.0.0.1:{free_port()}"
    for address in (http_target.url("/status/500"), nobody, f"tcp://127.0.0.1:{http_target.port}"):
        assert examine(Config(connectivity=(address,)), {"192.0.2.1", "192.0.2.2"}).fault is None
    silent = examine(Config(connectivity=("tcp://169.254.169.254:80",)), {"192.0.2.1"})
    assert silent.fault == "none of 169.254.169.254 answers"


def test_a_name_that_is_this_machine_is_found_out() -> None:
    assert examine(Config(), {"127.0.0.2"}).here == {"127.0.0.2"}


@pytest.mark.parametrize(
    ("request_", "reply", "expected"),
    [
        (HttpRequest("http://a.example/"), HttpReply(status=500), Reach("a.example", True)),
        (HttpRequest("http://a.example/"), HttpReply(error="x", error_class="timeout"), Reach("a.example", False)),
        (
            HttpRequest("http://a.example/"),
            HttpReply(error="x", error_class="timeout", connect_seconds=0.1),
            Reach("a.example", False),
        ),
        (HttpRequest("http://a.example/"), HttpReply(error="x", error_class="refused"), Reach("a.example", True)),
        (HttpRequest("https://A.example/"), HttpReply(error="x", error_class="tls"), Reach("a.example", True)),
        (HttpRequest("http://a.example/"), HttpReply(error="x", error_class="own"), None),
        (HttpRequest("http://a.example/"), HttpReply(error="x", error_class="denied"), None),
        (
            HttpRequest("http://a.example/", proxy="http://proxy:3128"),
            HttpReply(error="x", error_class="dns"),
            Reach("proxy", False),
        ),
        (HttpRequest("http://127.0.0.1:8000/"), HttpReply(error="x", error_class="timeout"), None),
        (HttpRequest("http://[::1]/"), HttpReply(status=200), None),
        (SqlQuery("postgresql://u:p@db/", "q"), SqlReply(error="x", error_class="dns"), Reach("db", False)),
        (SqlQuery("postgresql:///x", "q"), SqlReply(error="x", error_class="timeout"), None),
        (SqlQuery("host=/run/postgresql", "q"), SqlReply(error="x", error_class="refused"), None),
        (SshCommand("me@db:22", ()), SshReply(error="x", error_class="auth"), Reach("db", True)),
        (SshCommand("me@db", ()), SshReply(error="x", error_class="unreachable"), Reach("db", False)),
    ],
)  # fmt: skip
def test_what_a_reply_tells_of_the_network(request_: Any, reply: Any, expected: Reach | None) -> None:
    assert reach(request_, reply) == expected


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "api.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_loopback_is_here(host: str) -> None:
    assert is_here(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "example.com", "localhost.example", "::2", ""])
def test_all_else_is_not(host: str) -> None:
    assert not is_here(host)


HOSTS = ("127.0.0.1", "10.0.0.1", "10.0.0.2", "a.example")
WATCHES = tuple(Watch(f"check/{host}", "http", "acme", 60.0, {"url": f"http://{host}/"}) for host in HOSTS)
REPLIES = (
    HttpReply(status=500),
    HttpReply(error="x", error_class="refused"),
    HttpReply(error="x", error_class="timeout"),
)


@given(st.lists(st.tuples(st.sampled_from(HOSTS), st.sampled_from(REPLIES)), max_size=8), st.sampled_from(HOSTS))
def test_only_what_nobody_answered_waits_for_a_test(history: list[tuple[str, HttpReply]], last: str) -> None:
    config = Config(watches=WATCHES)
    connectivity = Connectivity(lambda: config)
    held: list[Any] = []
    connectivity._hold = lambda _, suspects: held.extend(suspects)  # type: ignore[method-assign]
    connectivity._tell = lambda fault: None  # type: ignore[method-assign]
    for host, reply in history:
        connectivity.heard(f"check/{host}", HttpRequest(f"http://{host}/"), reply)
    connectivity.heard(f"check/{last}", HttpRequest(f"http://{last}/"), REPLIES[2])
    seen = Observation("critical", {}, "", {}, f"check/{last}", time.time() + 60, 30)
    kept = connectivity.inspect(Intake(lambda: config, lambda: None), [seen])
    others = {host for host, _ in history} - {"127.0.0.1", last}
    if last == "127.0.0.1" or not others:
        assert (list(kept), held) == ([seen], [])
    else:
        assert (list(kept), held) == ([], [seen])


def test_an_answer_since_the_look_began_proves_our_network() -> None:
    config = Config(watches=WATCHES)
    connectivity = Connectivity(lambda: config)
    connectivity._tell = lambda fault: None  # type: ignore[method-assign]
    began = time.time()
    connectivity.heard("check/10.0.0.1", HttpRequest("http://10.0.0.1/"), REPLIES[2])
    connectivity.heard("check/10.0.0.2", HttpRequest("http://10.0.0.2/"), REPLIES[1])
    now = time.time()
    seen = Observation("critical", {}, "", {}, "check/10.0.0.1", now, now - began)
    assert list(connectivity.inspect(Intake(lambda: config, lambda: None), [seen])) == [seen]


def judged(connectivity: Connectivity, host: str) -> str:
    """How a failure at `host` just now is taken once our network was tested."""
    connectivity.heard(f"check/{host}", HttpRequest(f"http://{host}/"), REPLIES[2])
    seen = Observation("critical", {}, "", {}, f"check/{host}", time.time(), 0.0)
    plain, _ = connectivity.settle([seen])
    return "plain" if plain else "excused"


@pytest.fixture
def deaf(store: str, monkeypatch: pytest.MonkeyPatch) -> Connectivity:
    """Its test finds our network down, always."""
    config = Config(watches=WATCHES)
    connectivity = Connectivity(lambda: config)
    monkeypatch.setattr(connectivity, "_verdict", lambda: Verdict("it is down", frozenset()))
    return connectivity


def test_a_test_that_is_always_wrong_hides_nothing_for_long(deaf: Connectivity) -> None:
    """The addresses named for it are gone, say, and others answer as ever."""
    found = []
    for _ in range(5):
        deaf.heard("check/10.0.0.1", HttpRequest("http://10.0.0.1/"), REPLIES[1])
        time.sleep(0.01)
        found.append(judged(deaf, "10.0.0.2"))
    assert found == ["excused", "excused", "excused", "excused", "plain"]


def test_while_nobody_answers_all_is_excused(deaf: Connectivity) -> None:
    deaf.heard("check/10.0.0.1", HttpRequest("http://10.0.0.1/"), REPLIES[1])
    time.sleep(0.01)
    assert {judged(deaf, host) for host in ("10.0.0.2", "10.0.0.1") * 5} == {"excused"}


def test_an_answer_during_the_test_proves_our_network(deaf: Connectivity, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong() -> Verdict:
        deaf.heard("check/10.0.0.1", HttpRequest("http://10.0.0.1/"), REPLIES[1])
        return Verdict("it is down", frozenset())

    monkeypatch.setattr(deaf, "_verdict", wrong)
    deaf.heard("check/10.0.0.1", HttpRequest("http://10.0.0.1/"), REPLIES[1])
    time.sleep(0.01)
    assert judged(deaf, "10.0.0.2") == "plain"


def test_a_test_that_breaks_keeps_nothing_back(deaf: Connectivity, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fault: str | None) -> None:
        raise ValueError(fault)

    monkeypatch.setattr(deaf, "_tell", broken)
    config = Config(watches=WATCHES)
    intake = Intake(lambda: config, lambda: None)
    for _ in range(2):
        for host in ("10.0.0.1", "10.0.0.2"):
            deaf.heard(f"check/{host}", HttpRequest(f"http://{host}/"), REPLIES[2])
        suspect = Observation("critical", {}, "", {}, "check/10.0.0.2", time.time(), 0.0)
        deaf._outage = Outage("", 0.0, 0.0)
        deaf._hold(intake, [suspect])
        wait_until(lambda: len(intake._observed) == 1, 10, "it to be put back")
        intake._observed.clear()
