"""A real OpenSSH server on a free loopback port, with keys of its own and a stand-in for the `docker` command."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from getpass import getuser
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from tests.needing import need
from tests.servers.freezing import wait_frozen
from tests.waiting import free_port, listens, wait_until

_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host_key
AuthorizedKeysFile {home}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
AcceptEnv PG*
SetEnv PATH={home}/bin:{path} VEDETTE_TEST={mark}
LogLevel VERBOSE
{options}
"""

# Knows `exec` as the real one does, to containers that are files; any other word prints the file of that name.
_DOCKER = """#!/bin/sh
home={home}/docker
[ -e "$home/down" ] && {{
    echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?" >&2
    exit 1; }}
word=$1; shift
[ "$word" = exec ] || {{ cat "$home/$word" 2>/dev/null; exit; }}
while :; do
    case $1 in
        -i) shift ;;
        -e) export "$2"; shift 2 ;;
        *) break ;;
    esac
done
name=$1; shift
case $(cat "$home/containers/$name" 2>/dev/null) in
    running) ;;
    stopped) why="Container 5f0c is not running" ;;
    paused) why="Container $name is paused, unpause the container before exec" ;;
    *) why="No such container: $name" ;;
esac
[ -z "$why" ] || {{ echo "Error response from daemon: $why" >&2; exit 1; }}
command -v "$1" >/dev/null || {{
    echo "OCI runtime exec failed: exec failed: unable to start container process: exec: \\"$1\\":" \\
        "executable file not found in \\$PATH: unknown"; exit 126; }}
exec "$@"
"""


class Sshd:
    """One server. `private_key` logs in, `host_key` is what it shows (both as texts); `log` is what it wrote.

    A container runs that was named by `container("postgres", "running")`; what `docker ps` and the like print are the
    files in `docker`, and the file `down` there takes the daemon down.
    """

    def __init__(self, program: Path, keygen: Path) -> None:
        self._program, self._keygen = program, keygen
        self.home = Path(tempfile.mkdtemp(prefix="vedette-sshd-"))
        self.port, self.user = free_port(), getuser()
        self.mark = uuid4().hex
        self._process: subprocess.Popen[bytes] | None = None
        (self.home / "docker" / "containers").mkdir(parents=True)
        self._write_program("docker", _DOCKER.format(home=self.home))
        self.new_key("client_key")
        self.private_key = (self.home / "client_key").read_text()
        shutil.copy(self.home / "client_key.pub", self.home / "authorized_keys")
        self.new_key("host_key")

    @property
    def login(self) -> str:
        return f"{self.user}@127.0.0.1:{self.port}"

    @property
    def host_key(self) -> str:
        return (self.home / "host_key.pub").read_text().rpartition(" ")[0]

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()

    def known_hosts(self) -> str:
        """The line a known_hosts file has of it."""
        return f"[127.0.0.1]:{self.port} {self.host_key}\n"

    def new_key(self, name: str, sort: str = "ed25519", passphrase: str = "") -> str:
        """Make a key pair in the server's folder; the private key's text."""
        for path in (self.home / name, self.home / f"{name}.pub"):
            path.unlink(missing_ok=True)
        command = [self._keygen, "-q", "-t", sort, "-N", passphrase, "-C", "test", "-f", self.home / name]
        subprocess.run(command, check=True)
        return (self.home / name).read_text()

    def container(self, name: str, state: str) -> None:
        """Have a container: running, stopped or paused."""
        (self.home / "docker" / "containers" / name).write_text(state)

    def program(self, name: str, target: Path) -> None:
        """Put a program on the server's path."""
        (self.home / "bin" / name).symlink_to(target)

    def start(self, *options: str) -> "Sshd":
        """Begin, with further lines of configuration."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd shuts its unprivileged part in
        words = {"home": self.home, "port": self.port, "path": os.defpath, "mark": self.mark}
        (self.home / "config").write_text(_CONFIG.format(**words, options="\n".join(options)))
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-D", "-e", "-f", self.home / "config"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(lambda: listens(self.port), 10, "sshd to listen")
        return self

    def freeze(self) -> None:
        """Stop every process of it: connections are taken by the kernel and never served."""
        assert self._process is not None
        stopped = [psutil.Process(self._process.pid), *psutil.Process(self._process.pid).children(recursive=True)]
        for process in stopped:
            process.suspend()
        wait_frozen(*(process.pid for process in stopped))

    def thaw(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGCONT)

    def left_behind(self) -> list[str]:
        """The command lines of what was started over it and still runs, sshd's own processes left out."""
        return [" ".join(process.cmdline()) for process in psutil.process_iter() if self._is_ours(process)]

    def stop(self) -> None:
        if self._process is not None:
            self.thaw()
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def end(self) -> None:
        """After the test: it, what it started, and its folder."""
        self.stop()
        for process in psutil.process_iter():
            if self._is_ours(process):
                process.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("VEDETTE_TEST") == self.mark
        except psutil.Error:
            return False

    def _write_program(self, name: str, text: str) -> None:
        path = self.home / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def stopped_sshd() -> Iterator[Sshd]:
    """A server that is not started yet: for one with options of its own."""
    found = need("openssh")
    server = Sshd(found["sshd"], found["ssh-keygen"])
    yield server
    server.end()


@pytest.fixture
def sshd(stopped_sshd: Sshd) -> Sshd:
    """A server that runs."""
    return stopped_sshd.start()
