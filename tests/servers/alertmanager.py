"""A real Prometheus Alertmanager on a free loopback port, and the alerts that a Prometheus would push to it."""

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.needing import need
from tests.waiting import free_port, wait_until


class Alertmanager:
    """One that runs by itself, in no cluster."""

    def __init__(self, folder: Path, configuration: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        folder.mkdir()
        (folder / "alertmanager.yml").write_text(configuration)
        program = str(need("alertmanager")["prometheus-alertmanager"])
        place = [f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data"]
        alone = [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
        self.log = folder / "log"
        with self.log.open("wb") as kept:
            self._process = subprocess.Popen([program, *place, *alone], stdout=kept, stderr=kept)
        try:
            wait_until(self._answers, 30, "the Alertmanager to answer")
        except BaseException:
            self.stop()
            raise

    def push(self, labels: dict[str, str], ends_at: float | None = None, **more: Any) -> None:
        """One alert, as a Prometheus pushes it: firing, or over since `ends_at` (epoch seconds)."""
        alert: dict[str, Any] = {"labels": labels, **more}
        if ends_at is not None:
            alert["endsAt"] = datetime.fromtimestamp(ends_at, UTC).isoformat()
        self.push_raw([alert])

    def push_raw(self, alerts: list[dict[str, Any]]) -> None:
        """Several at once, in the form of its API."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/v2/alerts", json.dumps(alerts).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"the Alertmanager has ended:\n{self.log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Callable[[str], Alertmanager]]:
    """Starts an Alertmanager with that configuration."""
    started: list[Alertmanager] = []

    def start(configuration: str) -> Alertmanager:
        started.append(Alertmanager(tmp_path / f"alertmanager-{len(started)}", configuration))
        return started[-1]

    yield start
    for one in started:
        one.stop()
