"""Kind `ping`: echoes that come back, that do not, and a kernel that lets nobody send any."""

import grp
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from probes import Observation
from probes._machinery.runner import check_config, run

ROOT = Path(__file__).parents[2]
_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


def look(host: str = "127.0.0.1", **config: object) -> Observation:
    seen = run("ping", {"host": host, "timeout": 3, **config})
    if seen.status == "unknown" and "ping_group_range" in seen.message:
        pytest.skip("this machine lets this user send no ping")
    return seen


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_host_that_answers_is_ok_with_its_times(host: str) -> None:
    seen = look(host)
    assert seen.status == "ok", seen.message
    assert seen.message.startswith("3 of 3 echoes came back, on average in ")
    assert seen.values["loss_percent"] == 0
    least, average, most = (seen.values[f"rtt_{name}_seconds"] for name in ("min", "avg", "max"))
    assert least and average and most and 0 < least <= average <= most < 1


def test_slow_is_a_warning() -> None:
    seen = look(count=1, max_seconds=0.0000001)
    assert seen.status == "warning"
    assert "on average, expected at most 0.00 ms" in seen.message


def test_many_echoes_in_a_short_time_are_all_sent_and_waited_for() -> None:
    seen = look(count=30, timeout=2)
    assert seen.status == "ok", seen.message
    assert seen.message.startswith("30 of 30 echoes came back")
    assert 0.5 < seen.duration < 2


def test_nobody_there_and_nobody_may_go_there() -> None:
    unknown = look("nowhere.invalid")
    assert unknown.status in ("critical", "unknown") and "nowhere.invalid cannot be resolved" in unknown.message
    denied = run("ping", {"host": "127.0.0.1"}, denied_networks=["127.0.0.0/8"])
    assert denied.status == "unknown" and "may not be probed" in denied.message


# Runs in a network of its own, where the kernel drops what it is told to.
_SCENE = """
import asyncio, fcntl, json, pathlib, socket, struct, sys
lo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(lo, 0x8914, struct.pack("16sh14x", b"lo", 1))
from probes._machinery.questions import PingRequest
from probes._machinery.runner import run
kernel = pathlib.Path("/proc/sys/net/ipv4")
seen = []
for allowed in ("", "0 0"):  # as it comes, the kernel allows it to no group
    if allowed:
        (kernel / "ping_group_range").write_text(allowed)
    seen.append(run("ping", {"host": "127.0.0.1", "count": 2, "timeout": 1}))
(kernel / "icmp_echo_ignore_all").write_text("1")
seen.append(run("ping", {"host": "127.0.0.1", "count": 2, "timeout": 1}))
seen.append(run("ping", {"host": "203.0.113.1", "count": 2, "timeout": 5}))
from probes._machinery.echoes import serve
from probes._machinery.reach import answered
replies = [asyncio.run(serve(PingRequest(host, 1, patience=0.3), lambda _: True)) for host in ("127.0.0.1", "::1")]
print(json.dumps([answered(reply) for reply in replies]))
print(json.dumps([[one.status, one.message, dict(one.values)] for one in seen]))
"""


def test_without_rights_with_rights_and_without_an_answer() -> None:
    apart = ["unshare", "--user", "--map-root-user", "--net"]
    if subprocess.run([*apart, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody have a network of their own")
    done = subprocess.run([*apart, sys.executable, "-c", _SCENE], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    heard, seen = map(json.loads, done.stdout.splitlines())
    assert heard == [False, True]
    raw, unprivileged, silent, nowhere = seen
    assert unprivileged[:2] == ["ok", unprivileged[1]] and unprivileged[1].startswith("2 of 2 echoes came back")
    assert raw[:2] == ["ok", raw[1]] and raw[1].startswith("2 of 2 echoes came back")
    assert silent[:2] == ["critical", "127.0.0.1 answered none of 2 echoes within 1 s"]
    assert silent[2]["loss_percent"] == 100 and silent[2]["rtt_avg_seconds"] is None
    assert nowhere[0] == "critical" and "203.0.113.1 answered none of 2 echoes: not sent" in nowhere[1]


def test_where_the_kernel_does_not_allow_it_the_remedy_is_told() -> None:
    if os.geteuid():
        pytest.skip("only root can become somebody who may not")
    asked = "from probes._machinery.runner import run; seen = run('ping', {'host': '127.0.0.1'})"
    command = [*_NOBODY, sys.executable, "-c", f"{asked}; print(seen.status, seen.message)"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    if not _group_may_ping():
        assert done.stdout.startswith("unknown this machine lets Vedette send no ping; allow it: sysctl -w "), done
        assert "CAP_NET_RAW" in done.stdout
    else:
        assert done.stdout.startswith("ok 3 of 3 echoes came back"), done


def _group_may_ping() -> bool:
    first, last = map(int, Path("/proc/sys/net/ipv4/ping_group_range").read_text().split())
    return first <= grp.getgrnam("nogroup").gr_gid <= last


@pytest.mark.parametrize(
    ("config", "pointer", "named"),
    [
        ({}, "", "host"),
        ({"host": "a b"}, "/host", "not a host"),
        ({"host": "169.254.1.1"}, "/host", "may not be probed"),
        ({"host": "224.0.0.1"}, "/host", "may not be probed"),
        ({"host": "a.example", "count": 0}, "/count", "0"),
        ({"host": "a.example", "max_loss": 101}, "/max_loss", "101"),
        ({"host": "a.example", "size": 64}, "", "'size'"),
    ],
)
def test_a_faulty_configuration_is_named(config: dict[str, object], pointer: str, named: str) -> None:
    faults = check_config("ping", config)
    assert any(fault.pointer == pointer and named in fault.message for fault in faults), faults
    assert run("ping", config).status == "unknown"
