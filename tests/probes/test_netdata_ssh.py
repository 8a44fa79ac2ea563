"""Kind `netdata` over SSH: a real agent asked by the curl of its own machine, and its Docker."""

import json
import os
from typing import Any

import pytest

from probes import Observation
from probes._machinery.netdata_ssh import read
from probes._machinery.requests import SshReply
from probes._machinery.runner import run
from tests.needing import need
from tests.servers.netdata import NetdataAgent
from tests.servers.netdata_replay import NetdataReplay
from tests.servers.sshd import Sshd

PS = (
    {"ID": "0123456789ab", "Names": "shop-prod_web", "State": "running", "Status": "Up 2 hours"},
    {"ID": "1123456789ab", "Names": "shop-prod_db", "State": "exited", "Status": "Exited (137) 5 minutes ago"},
)
STATS = ({"Name": "shop-prod_web", "CPUPerc": "12.50%", "MemUsage": "64MiB / 256MiB", "MemPerc": "25.00%"},)


@pytest.fixture(autouse=True)
def curl() -> None:
    """What asks there."""
    need("curl")


def look(sshd: Sshd, url: str, previous: Observation | None = None, **more: Any) -> Observation:
    config = {"ssh": sshd.login, "host_key": sshd.host_key, "private_key": sshd.private_key, "url": url, **more}
    return run("netdata", config, previous=previous)


def docker(sshd: Sshd, *containers: dict[str, str]) -> None:
    lines = {"ps": containers, "stats": STATS}
    for word, said in lines.items():
        (sshd.home / "docker" / word).write_text("".join(json.dumps(one) + "\n" for one in said))


def test_an_agent_is_asked_on_its_own_machine(sshd: Sshd, netdata_agent: NetdataAgent) -> None:
    docker(sshd, *PS)
    seen = look(sshd, netdata_agent.url, containers=["shop-prod_db", "shop-prod_web"])
    assert seen.status == "ok", seen.message
    assert (seen.facts["machine_guid"], seen.facts["streaming_status"]) == (netdata_agent.guid, "connected")
    assert seen.values["memory_total_bytes"] and seen.values["netdata_critical"] == 0
    web, db = seen.facts["containers"]
    assert (web["container_name"], web["status"], web["cpu_percent"], web["uptime_seconds"]) == (
        "shop-prod_web", "running", 12.5, 7200,
    )  # fmt: skip
    assert (db["status"], db["cpu_percent"]) == ("exited", None)
    assert (seen.values["container_count"], seen.values["containers_unhealthy"]) == (2, 1)
    assert seen.message.startswith("no container runs that shop-prod_db names; cpu ")
    again = look(sshd, netdata_agent.url, seen)
    assert again.status == "ok"
    assert not sshd.left_behind()


def test_a_token_is_read_from_stdin_and_not_shown_among_the_processes(
    sshd: Sshd, netdata_replay: NetdataReplay
) -> None:
    netdata_replay.answer("/api/v1/info", "v2.10/v1_info")
    netdata_replay.answer("/api/v1/allmetrics", "v2.10/v1_allmetrics_filter")
    netdata_replay.answer("/api/v1/data", "v2.10/v1_data_system.cpu")
    netdata_replay.answer("/api/v3/alert_transitions", "v2.10/v3_alert_transitions")
    seen = look(sshd, netdata_replay.url, api_key='to"ken\\ that-is-shown', headers={"X-Team": "acme"})
    assert seen.status == "ok", seen.message
    assert {headers["authorization"] for headers in netdata_replay.headers} == {'Bearer to"ken\\ that-is-shown'}
    assert {headers["x-team"] for headers in netdata_replay.headers} == {"acme"}
    assert "that-is-shown" not in seen.message + sshd.log


def test_a_machine_whose_netdata_is_silent_is_not_a_server_that_is_gone(sshd: Sshd) -> None:
    seen = look(sshd, "http://127.0.0.1:1")
    assert seen.status == "unknown"
    assert seen.message == "Netdata on that machine: connection refused: is Netdata running there?"


def test_a_machine_that_is_gone_is_critical_and_our_own_trouble_is_not(sshd: Sshd) -> None:
    assert "/ssh" in look(sshd, "http://127.0.0.1:1", ssh="ops@a b").message
    stranger = look(sshd, "http://127.0.0.1:1", host_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==")
    assert stranger.status == "unknown"
    sshd.stop()
    gone = look(sshd, "http://127.0.0.1:1")
    assert (gone.status, gone.facts["streaming_status"]) == ("critical", "disconnected")
    assert gone.message.startswith("Netdata does not answer: SSH: ")


def test_a_docker_that_is_away_is_told_and_takes_nothing_with_it(sshd: Sshd, netdata_agent: NetdataAgent) -> None:
    (sshd.home / "docker" / "down").touch()
    seen = look(sshd, netdata_agent.url)
    assert seen.status == "ok"
    assert seen.facts["container_count"] is None
    assert "containers unknown: docker ps: Cannot connect to the Docker daemon" in seen.message


def test_a_docker_that_cannot_be_asked_makes_no_container_one_that_is_gone(
    sshd: Sshd, netdata_agent: NetdataAgent
) -> None:
    docker(sshd, *PS)
    known = look(sshd, netdata_agent.url, look(sshd, netdata_agent.url))
    assert "shop-prod_web" in known.facts["containers_known"]
    (sshd.home / "docker" / "down").touch()
    away = look(sshd, netdata_agent.url, known)
    assert (away.values["containers_unhealthy"], "is down" in away.message) == (None, False), away.message
    assert away.facts["containers_known"] == known.facts["containers_known"]


def test_a_docker_that_hangs_makes_no_machine_one_that_is_gone(sshd: Sshd, netdata_agent: NetdataAgent) -> None:
    os.mkfifo(sshd.home / "docker" / "ps")  # nobody writes to it
    seen = look(sshd, netdata_agent.url, timeout=2)
    assert seen.status == "ok", seen.message
    assert "containers unknown: docker ps: no answer in time" in seen.message
    assert not sshd.left_behind()


@pytest.mark.parametrize(
    ("status", "stderr", "words"),
    [
        (127, "sh: 1: curl: not found", "there is no curl on that machine: install it"),
        (28, "curl: (28) Operation timed out after 5001 milliseconds", "Netdata on that machine: no answer in time"),
        (60, "curl: (60) SSL certificate problem", "Netdata on that machine: SSL certificate problem"),
        (2, "", "the command on that machine ended with exit status 2"),
    ],
)
def test_exit_codes_are_told_apart(status: int, stderr: str, words: str) -> None:
    replies, docker = read(SshReply(status, "\n--vedette--curl\n", stderr), ["metrics"])
    assert (replies["metrics"].error, docker) == (words, None)


def test_an_answer_that_was_cut_off_is_none() -> None:
    text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\n--vedette--alarms 200\n\n--vedette--curl\n"
    replies, _ = read(SshReply(0, text), ["alarms"])
    assert replies["alarms"].error == "the answer was cut off"
