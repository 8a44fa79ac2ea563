"""Real Netdata agents on free loopback ports, alone or streaming to a parent, without systemd and not as root's own."""

import contextlib
import getpass
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from json import loads
from pathlib import Path

import pytest

from tests.needing import need
from tests.servers.cgroups import Cgroups
from tests.servers.freezing import wait_frozen
from tests.waiting import free_port, wait_until

_PATIENCE = 60.0

_SETTINGS = """[global]
    run as user = {user}
    hostname = {name}
[directories]
    config = {home}/etc
    lib = {home}/lib
    cache = {home}/cache
    log = {home}/log
    lock = {home}/lib/lock
    registry = {home}/lib/registry
    home = {home}/lib
[db]
    mode = ram
    retention = 600
    update every = 1
[web]
    bind to = 127.0.0.1:{port}
    default port = {port}
[health]
    enabled = {health}
    stock health configuration directory = {home}/etc/health.d
[statsd]
    enabled = no
[plugins]
    statsd = no
    tc = no
    idlejitter = no
    timex = no
    cgroups = no
    apps = no
    charts.d = no
    python.d = no
    go.d = no
    ebpf = no
    perf = no
    slabinfo = no
    freeipmi = no
"""
# A peer on loopback is known to Netdata by the text `localhost`, so the address alone would be refused.
_PARENT = """[{key}]
    enabled = yes
    allow from = localhost 127.0.0.1
    default memory mode = ram
    default history = 600
    health enabled by default = no
"""
_CHILD = """[stream]
    enabled = yes
    destination = tcp:127.0.0.1:{port}
    api key = {key}
    timeout seconds = 10
    reconnect delay seconds = 1
    initial clock resync iterations = 5
"""


_ALARM = """alarm: low_memory_for_a_test
on: system.ram
lookup: average -3s unaligned of used
every: 1s
warn: $this > 1
info: some memory is used
to: silent
"""


class NetdataAgent:
    """One agent with a directory of its own below `root`, its GUID set beforehand."""

    def __init__(self, root: Path, name: str, stream: str = "", alarms: str = "", cgroups: str = "") -> None:
        self.name, self.guid, self.port = name, str(uuid.uuid4()), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.home = root / name
        for folder in ("etc", "lib/registry", "lib/lock", "cache", "log"):
            (self.home / folder).mkdir(parents=True)
        (self.home / "lib/registry/netdata.public.unique.id").write_text(self.guid)
        (self.home / "etc/.opt-out-from-anonymous-statistics").touch()
        health = "yes" if alarms else "no"
        settings = _SETTINGS.format(user=getpass.getuser(), name=name, home=self.home, port=self.port, health=health)
        if cgroups:
            settings = settings.replace("cgroups = no", "cgroups = yes") + cgroups
        (self.home / "etc/netdata.conf").write_text(settings)
        if alarms:
            (self.home / "etc/health.d").mkdir()
            (self.home / "etc/health.d/test.conf").write_text(alarms)
        if stream:
            (self.home / "etc/stream.conf").write_text(stream)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "NetdataAgent":
        command = [str(need("netdata")["netdata"]), "-D", "-c", str(self.home / "etc/netdata.conf")]
        environment = {**os.environ, "DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
        with (self.home / "log/out").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment
            )
        return self

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body; status 0 where there was no answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=3) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read()
        except OSError:
            return 0, b""

    def wait_data(self, guid: str | None = None) -> None:
        """Until there is a real row: neither missing nor null nor the zeros of the very first second."""
        wait_until(lambda: self._has_data(guid or self.guid), _PATIENCE, f"data of {guid or self.name}")

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)
        if self._process is not None:
            wait_frozen(self._process.pid)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(10)
            self._process = None

    def stop(self) -> None:
        if self._process is None:
            return
        self.thaw()
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self.kill()

    def _has_data(self, guid: str) -> bool:
        status, body = self.get(f"/host/{guid}/api/v1/data?chart=system.ram&after=-3&points=1")
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"netdata {self.name} has ended:\n{(self.home / 'log/out').read_text()[-2000:]}")
        rows = loads(body)["data"] if status == 200 else []
        return bool(rows) and None not in rows[0] and any(rows[0][1:])

    def _signal(self, number: int) -> None:
        """To the whole group: the agent has a child that starts its plugins."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return


class NetdataFamily:
    """A parent and the children that stream to it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._key = str(uuid.uuid4())
        self.parent = NetdataAgent(root, "parent", _PARENT.format(key=self._key))
        self.children: list[NetdataAgent] = []

    def add_child(self, name: str) -> NetdataAgent:
        """Start a child and wait until the parent has its data."""
        child = NetdataAgent(self._root, name, _CHILD.format(port=self.parent.port, key=self._key))
        self.children.append(child.start())
        self.parent.wait_data(child.guid)
        return child

    def stop(self) -> None:
        for agent in [*self.children, self.parent]:
            agent.stop()


def netdata_root() -> Path:
    """A new folder for agents, which the caller removes."""
    need("netdata")
    return Path(tempfile.mkdtemp(prefix="vnd-"))


def _agent(root: Path, alarms: str = "", cgroups: str = "") -> Iterator[NetdataAgent]:
    agent = NetdataAgent(root, "web-1", alarms=alarms, cgroups=cgroups).start()
    try:
        agent.wait_data()
        yield agent
    finally:
        agent.stop()
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def netdata_agent() -> Iterator[NetdataAgent]:
    """An agent for all tests that leave it as they found it."""
    yield from _agent(netdata_root())


@pytest.fixture
def fresh_netdata_agent() -> Iterator[NetdataAgent]:
    """An agent of its own for a test that kills or freezes it; a few seconds."""
    yield from _agent(netdata_root())


@pytest.fixture
def alarmed_netdata_agent() -> Iterator[NetdataAgent]:
    """An agent with an alarm of its own, raised some seconds after its start."""
    yield from _agent(netdata_root(), _ALARM)


@pytest.fixture
def netdata_with_containers() -> Iterator[tuple[NetdataAgent, Cgroups]]:
    """An agent, and the containers it sees: none yet."""
    root = netdata_root()
    cgroups = Cgroups(root / "cgroups")
    for agent in _agent(root, cgroups=cgroups.settings):
        yield agent, cgroups


@pytest.fixture
def netdata_family() -> Iterator[NetdataFamily]:
    """A parent of its own; `add_child(name)` starts a child that streams to it."""
    root = netdata_root()
    family = NetdataFamily(root)
    try:
        family.parent.start().wait_data()
        yield family
    finally:
        family.stop()
        shutil.rmtree(root, ignore_errors=True)
