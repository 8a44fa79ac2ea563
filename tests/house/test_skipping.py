"""A test that lacks a server is named as missing, and the run fails for it: nothing is skipped in silence."""

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_LACKING = "import pytest\n\n\ndef test_lacking(): pytest.skip('missing: a rare server')\n"
_OTHER = "import pytest\n\n\ndef test_other(): pytest.skip('not on this system')\n"


def test_a_missing_server_is_named_and_fails_the_run(tmp_path: Path) -> None:
    done = _run(tmp_path, _LACKING)
    assert "missing: a rare server: 1 test did not run" in done.stdout
    assert done.returncode == 1


def test_it_does_in_a_parallel_run_too(tmp_path: Path) -> None:
    done = _run(tmp_path, _LACKING, "-n", "1")
    assert "missing: a rare server: 1 test did not run" in done.stdout
    assert done.returncode == 1


def test_another_skip_is_a_skip(tmp_path: Path) -> None:
    assert _run(tmp_path, _OTHER).returncode == 0


def test_a_connection_beyond_this_machine_is_refused(tmp_path: Path) -> None:
    done = _run(tmp_path, "import socket\n\n\ndef test_out(): socket.create_connection(('192.0.2.1', 80), 1)\n")
    assert "which is not this machine" in done.stdout
    assert done.returncode == 1


def _run(folder: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A run of its own over one test, with the conftest of this house."""
    (folder / "test_one.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", *options]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(_ROOT)}
    place = ["-c", os.devnull, "--rootdir", str(folder), str(folder)]
    return subprocess.run([*command, *place], cwd=folder, env=environ, capture_output=True, text=True, timeout=60)
