"""Silent name servers, in a network of our own: deadlines hold, and names that resolve do not wait for those."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount", "--net"]

# Runs where /etc/resolv.conf names a server that never answers and /etc/hosts knows one name.
_SCENE = """
import fcntl, json, socket, struct, subprocess, sys, time
from probes import Observation
from probes._machinery.requests import HttpRequest
from probes._machinery.runner import Runner
from tests.servers.http_target import HttpTarget

for name in ("resolv.conf", "hosts"):
    subprocess.run(["mount", "--bind", f"{sys.argv[1]}/{name}", f"/etc/{name}"], check=True)
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(silent, 0x8914, struct.pack("16sh14x", b"lo", 1))  # the loopback interface up
silent.bind(("127.0.0.53", 53))
target, runner = HttpTarget(), Runner()
names = [f"silent-{number}.test" for number in range(60)]

def fetch(name, timeout):
    began = time.monotonic()
    reply = yield HttpRequest(f"http://{name}:{target.port}/ok", timeout=timeout)
    return Observation("ok", {"after": time.monotonic() - began}, reply.error or "")

def round_of(names, timeout):
    for name in names:
        runner.start(fetch(name, timeout), name, 30)
    done = {}
    while runner.in_flight:
        done |= {key: [seen.message, seen.values["after"]] for key, seen in runner.run_once(1)}
    return done

first = round_of([*names, "sound.test", "127.0.0.1"], 1.0)
second = round_of([*names, "sound.test"], 1.0)
began = time.monotonic()
runner.close()
print(json.dumps({"first": first, "second": second, "closing": time.monotonic() - began}))
"""


@pytest.fixture
def scene(tmp_path: Path) -> dict[str, dict[str, tuple[str, float]]]:
    if subprocess.run([*_NAMESPACES, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody have a network of their own")
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\noptions timeout:1 attempts:1\n")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost sound.test\n")
    command = [*_NAMESPACES, sys.executable, "-c", _SCENE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    said: dict[str, dict[str, tuple[str, float]]] = json.loads(done.stdout)
    return said


def test_silent_name_servers_hold_up_neither_deadlines_nor_other_names(
    scene: dict[str, dict[str, tuple[str, float]]],
) -> None:
    for done in (scene["first"], scene["second"]):
        for name in ("sound.test", "127.0.0.1"):
            message, after = done.pop(name, ("", 0.0))
            assert message == ""
            assert after < 0.7
        for name, (message, after) in done.items():
            assert message == f"name not resolved within 1 s: {name}"
            assert 0.9 < after < 2
    assert scene["closing"] < 0.5  # type: ignore[operator]  # the resolver's own patience is not ours
