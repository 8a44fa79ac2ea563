"""Processes of the product as a platform runs them: fixture `start` starts one, and ends it after the test."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from tests.waiting import wait_until

VEDETTE = str(Path(sys.executable).with_name("vedette"))
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Process:
    """A process with a clean environment, its output in files; in a session of its own, so nothing outlives it."""

    def __init__(self, command: list[str], folder: Path, home: Path, environ: Mapping[str, str]) -> None:
        self.command = command
        self._files = {stream: home / f"{stream}.log" for stream in ("stdout", "stderr")}
        with self._files["stdout"].open("ab") as stdout, self._files["stderr"].open("ab") as stderr:
            self._child = subprocess.Popen(
                command,
                cwd=folder,
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), **environ},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        self.pid = self._child.pid

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        return self._files["stdout"].read_text("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """What it has logged so far."""
        return self._files["stderr"].read_text("utf-8", "replace")

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._child.poll() is None

    def wait(self, seconds: float) -> int:
        """Its exit code (minus the signal that ended it), once it ends by itself."""
        wait_until(lambda: not self.runs, seconds, f"{self} to end")
        return int(self._child.returncode)

    def wait_ready(self, url: str, seconds: float = 30) -> None:
        """Until a GET of `url` is answered with 200."""
        wait_until(lambda: self._answers(url), seconds, f"{self} to answer {url}", every=0.05)

    def wait_said(self, text: str, seconds: float = 30) -> None:
        """Until `text` is in its output."""
        wait_until(lambda: self._is_up() and text in self.stdout + self.stderr, seconds, f"{self} to say {text!r}")

    def stop(self, seconds: float = 10) -> float:
        """Tell it to end (SIGTERM); how many seconds it took. AssertionError when it takes more than it may."""
        began = time.monotonic()
        self._child.terminate()
        self.wait(seconds)
        return time.monotonic() - began

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._child.send_signal(number)

    def kill(self) -> None:
        """End it without a chance to tidy up; its own children live on, as on a real machine, until the test ends."""
        self._child.kill()
        self._child.wait(10)

    def end(self) -> None:
        """After the test: whatever is left of it and of its children."""
        for process in psutil.process_iter():
            if _session(process.pid) == self.pid:
                process.kill()
        self._child.wait(10)

    def __str__(self) -> str:
        return f"`{' '.join(Path(word).name for word in self.command)}`"

    def _answers(self, url: str) -> bool:
        self._is_up()
        try:
            with _DIRECT.open(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as refusal:
            refusal.close()
        except OSError:
            pass
        return False

    def _is_up(self) -> bool:
        assert self.runs, f"{self} ended with {self._child.returncode}:\n{self.stderr[-4000:]}"
        return True


Start = Callable[..., Process]
"""start(*words, env=None, program=VEDETTE) → Process, in the test's own folder."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `vedette <words>` in the test's folder, on SQLite there: start("web", env={"PORT": "8123"})."""
    started: list[Process] = []

    def start(*words: str, env: Mapping[str, str] | None = None, program: str = VEDETTE) -> Process:
        home = tmp_path / f"home-{len(started)}-{Path(words[0] if words else program).name}"
        home.mkdir()
        usual = {"DATABASE_URL": f"sqlite:///{tmp_path / 'vedette.db'}"}
        process = Process([program, *words], tmp_path, home, {**usual, **(env or {})})
        started.append(process)
        return process

    yield start
    for process in reversed(started):
        process.end()


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None
