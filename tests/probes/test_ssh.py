"""One command over SSH against a real sshd: what comes back, what is refused, and that nothing is left running there."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from probes import Observation
from probes._machinery.requests import SshCommand, SshReply
from probes._machinery.runner import Runner
from probes._machinery.ssh_login import read_login
from tests.servers.sshd import Sshd
from tests.waiting import free_port, wait_until


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without keys, known hosts, configuration or agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    return tmp_path


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.close()


def ask(runner: Runner, *requests: SshCommand, deadline: float = 30.0) -> list[SshReply]:
    """All at once; their replies in order."""

    def probe(request: SshCommand) -> Any:
        reply = yield request
        return Observation("ok", facts={"reply": reply})

    for number, request in enumerate(requests):
        runner.start(probe(request), number, deadline)
    done: dict[int, SshReply] = {}
    while len(done) < len(requests):
        done |= {key: seen.facts["reply"] for key, seen in runner.run_once(1.0)}
    return [done[number] for number in range(len(requests))]


def command(sshd: Sshd, *words: str, **fields: Any) -> SshCommand:
    usual = {"login": sshd.login, "host_key": sshd.host_key, "private_key": sshd.private_key, "timeout": 10.0}
    return SshCommand(command=words, **{**usual, **fields})


def test_output_and_exit_status_come_back(runner: Runner, sshd: Sshd) -> None:
    [reply] = ask(runner, command(sshd, "sh", "-c", "echo out; echo err >&2; exit 7"))
    assert reply == SshReply(7, "out\n", "err\n")


def test_words_arrive_as_they_were_whatever_is_in_them(runner: Runner, sshd: Sshd) -> None:
    words = ("a b", "$HOME", "'", '"', "`id`", "*", "é\n", "", "-n", "; exit 9")
    [reply] = ask(runner, command(sshd, "printf", "<%s>", *words))
    assert reply.stdout == "".join(f"<{word}>" for word in words)


def test_what_is_written_is_read_there(runner: Runner, sshd: Sshd) -> None:
    text = "SELECT 1;\n" * 30_000
    [reply] = ask(runner, command(sshd, "wc", "-c", stdin=text.encode()))
    assert reply.stdout.strip() == str(len(text))


def test_a_command_that_reads_nothing_is_no_trouble(runner: Runner, sshd: Sshd) -> None:
    [reply] = ask(runner, command(sshd, "true", stdin=b"x" * 300_000))
    assert reply == SshReply(0)


def test_a_command_that_is_not_there_is_status_127(runner: Runner, sshd: Sshd) -> None:
    [reply] = ask(runner, command(sshd, "no-such-program"))
    assert reply.exit_status == 127
    assert "no-such-program" in reply.stderr


def test_bytes_that_are_no_text_are_shown_as_such(runner: Runner, sshd: Sshd) -> None:
    [reply] = ask(runner, command(sshd, "printf", r"a\377b"))
    assert reply.stdout == "a\ufffdb"


def test_output_without_end_is_cut_off(runner: Runner, sshd: Sshd) -> None:
    [reply] = ask(runner, command(sshd, "yes"))
    assert (reply.error_class, reply.error) == ("output", "the command printed more than 1048576 bytes")
    wait_until(lambda: not sshd.left_behind(), 5, "`yes` to be gone")


def test_a_command_killed_by_a_signal_is_told(runner: Runner, sshd: Sshd) -> None:
    [reply] = ask(runner, command(sshd, "sh", "-c", "kill -KILL $PPID; kill -KILL $$"))
    assert reply.error_class == "signal"
    assert reply.error == f"the command on 127.0.0.1:{sshd.port} was ended by SIGKILL"


def test_a_connection_lost_in_the_middle_is_told(runner: Runner, sshd: Sshd) -> None:
    script = (
        'p=$$; while [ "$(cat /proc/$p/comm)" != sshd ]; do p=$(cut -d" " -f4 /proc/$p/stat); done; kill -9 $p; sleep 9'
    )
    [reply] = ask(runner, command(sshd, "sh", "-c", script))
    assert reply.error_class == "lost"
    assert reply.exit_status is None


def test_a_hung_command_ends_in_time_here_and_there(runner: Runner, sshd: Sshd) -> None:
    began = time.monotonic()
    [reply] = ask(runner, command(sshd, "sleep", "1000", timeout=1.0))
    assert time.monotonic() - began < 1.5
    assert reply.error_class == "timeout"
    assert reply.error == f"the command on 127.0.0.1:{sshd.port} had not ended within 1 s"
    wait_until(lambda: not sshd.left_behind(), 5, "`sleep` to be gone")


def test_a_hung_command_that_ignores_signals_ends_there_too(runner: Runner, sshd: Sshd) -> None:
    [reply] = ask(runner, command(sshd, "sh", "-c", "trap '' TERM HUP PIPE; while :; do sleep 1; done", timeout=1.0))
    assert reply.error_class == "timeout"
    assert sshd.left_behind()
    wait_until(lambda: not sshd.left_behind(), 8, "the deaf command to be gone")


def test_a_probe_that_is_stopped_leaves_nothing_there(runner: Runner, sshd: Sshd) -> None:
    runner.start((lambda: (yield command(sshd, "sleep", "1000", timeout=3.0)))(), "stopped", 1.0)
    wait_until(lambda: any("sleep" in line for line in sshd.left_behind()), 5, "the command to run")
    [(_, seen)] = wait_until(lambda: runner.run_once(0.1), 5, "the probe to be stopped")
    assert seen.status == "unknown"
    wait_until(lambda: not sshd.left_behind(), 8, "`sleep` to be gone")


def test_a_frozen_server_ends_in_time(runner: Runner, sshd: Sshd) -> None:
    sshd.freeze()
    began = time.monotonic()
    [reply] = ask(runner, command(sshd, "true", timeout=1.0))
    assert time.monotonic() - began < 1.5
    assert reply == SshReply(error=f"no SSH session on 127.0.0.1:{sshd.port} within 1 s", error_class="timeout")


def test_an_unknown_host_key_is_refused_with_its_fingerprint(runner: Runner, sshd: Sshd) -> None:
    [reply] = ask(runner, command(sshd, "true", host_key=None))
    assert reply.error_class == "host_key"
    assert reply.error == (
        f"the host key of 127.0.0.1:{sshd.port} is not stored: ssh-ed25519 {fingerprint(sshd.host_key)}; compare it with"
        f" the host's own, then store it: ssh-keyscan -p {sshd.port} 127.0.0.1 >> ~/.ssh/known_hosts"
    )


@pytest.mark.parametrize("sort", ["ed25519", "rsa"])
def test_a_changed_host_key_is_refused_and_both_are_named(runner: Runner, stopped_sshd: Sshd, sort: str) -> None:
    stored = stopped_sshd.host_key
    stopped_sshd.new_key("host_key", sort)
    [reply] = ask(runner, command(stopped_sshd.start(), "true", host_key=stored))
    assert reply.error_class == "host_key"
    assert reply.error is not None
    assert f"{fingerprint(stopped_sshd.host_key)} instead of {fingerprint(stored)}" in reply.error
    assert "into host_keys of [ssh]" in reply.error


def test_a_known_host_is_let_in_by_the_users_own_files(runner: Runner, sshd: Sshd, home: Path) -> None:
    (home / ".ssh" / "known_hosts").write_text(sshd.known_hosts())
    (home / ".ssh" / "id_ed25519").write_text(sshd.private_key)
    [reply] = ask(runner, command(sshd, "echo", "hello", host_key=None, private_key=None))
    assert reply == SshReply(0, "hello\n")


def fingerprint(key: str) -> str:
    import asyncssh

    return str(asyncssh.import_public_key(key).get_fingerprint())
