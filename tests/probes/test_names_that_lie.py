"""Names that lead to inner addresses, in a network of our own where such an address answers: no probe gets there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from probes._machinery.guard import REFUSED

_NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount", "--net"]

# Runs where /etc/hosts is ours, and where what clouds keep their secrets at listens on the loopback interface.
_SCENE = """
import fcntl, json, os, pathlib, socket, struct, subprocess, sys
from probes import Observation
from probes._machinery.questions import TcpRequest
from probes._machinery.requests import HttpRequest, SqlQuery, SshCommand
from probes._machinery.runner import Runner
from tests.servers.http_target import HttpTarget

hosts = pathlib.Path(sys.argv[1], "hosts")
subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)
control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", 1))  # up
inner = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton("169.254.169.254"))
fcntl.ioctl(control, 0x8916, struct.pack("16s16s", b"lo:1", inner))
target = HttpTarget()
secrets = socket.create_server(("169.254.169.254", target.port))
secrets.settimeout(0.1)
runner = Runner()

def asking(request, replies):
    replies.append((yield request))
    return Observation("ok")

def ask(request):
    replies = []
    runner.start(asking(request, replies), "one", 20)
    while not runner.run_once(1):
        pass
    return replies[0].error

def about(name):
    return {
        "http": HttpRequest(f"http://{name}:{target.port}/ok", timeout=3),
        "proxy": HttpRequest(target.url(), proxy=f"http://{name}:{target.port}", timeout=3),
        "sql": SqlQuery(f"postgresql://u@{name}:{target.port}/d", "SELECT 1", timeout=3),
        "tcp": TcpRequest(name, target.port),
        "ssh": SshCommand(f"u@{name}:{target.port}", ("true",), host_key="none", timeout=3),
    }

said = {name: {sort: ask(request) for sort, request in about(name).items()} for name in ("inner.test", "mapped.test")}
both = ask(HttpRequest(f"http://both.test:{target.port}/ok", timeout=3))
before = ask(HttpRequest(f"http://turning.test:{target.port}/ok", timeout=3))
hosts.write_text(hosts.read_text().replace("127.0.0.1 turning.test", "169.254.169.254 turning.test"))
after = ask(HttpRequest(f"http://turning.test.:{target.port}/ok", timeout=3))
try:
    reached = str(secrets.accept()[1])
except TimeoutError:
    reached = ""
print(json.dumps({"said": said, "both": both, "turning": [before, after], "reached": reached}))
"""

_HOSTS = """127.0.0.1 localhost
169.254.169.254 inner.test
::ffff:169.254.169.254 mapped.test
169.254.169.254 both.test
127.0.0.1 both.test
127.0.0.1 turning.test turning.test.
"""


def test_no_name_leads_to_an_inner_address(tmp_path: Path) -> None:
    if subprocess.run([*_NAMESPACES, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody have a network of their own")
    (tmp_path / "hosts").write_text(_HOSTS)
    command = [*_NAMESPACES, sys.executable, "-c", _SCENE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for name in ("inner.test", "mapped.test"):
        assert set(told["said"][name].values()) == {REFUSED}, told["said"]
    assert told["both"] is None  # its other address may be asked
    assert told["turning"] == [None, REFUSED]
    assert told["reached"] == ""
