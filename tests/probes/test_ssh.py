"""One command over SSH on a real sshd: what comes back, what is refused, and that nothing is left running there."""

import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from probes import Observation
from probes._machinery.requests import SshCommand, SshReply
from probes._machinery.runner import Runner
from probes._machinery.ssh_login import login_faults, read_login
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
    assert time.monotonic() - began < 4
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
    assert time.monotonic() - began < 4
    assert reply == SshReply(error=f"no SSH session on 127.0.0.1:{sshd.port} within 1 s", error_class="timeout")


def test_an_unknown_host_key_is_refused_with_its_fingerprint(runner: Runner, sshd: Sshd) -> None:
    [reply] = ask(runner, command(sshd, "true", host_key=None))
    assert reply.error_class == "host_key"
    assert reply.error == (
        f"the host key of 127.0.0.1:{sshd.port} is not stored: ssh-ed25519 {fingerprint(sshd.host_key)};"
        f" compare it with the host's own, then store it: ssh-keyscan -p {sshd.port} 127.0.0.1 >> ~/.ssh/known_hosts"
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


def test_a_host_key_may_be_stored_as_ssh_keyscan_prints_it(runner: Runner, sshd: Sshd) -> None:
    scanned = f"# 127.0.0.1:{sshd.port} SSH-2.0-OpenSSH\n{sshd.known_hosts()}"
    assert ask(runner, command(sshd, "true", host_key=scanned)) == [SshReply(0)]


def test_stored_keys_that_are_none_are_told_as_ours(runner: Runner, sshd: Sshd) -> None:
    [reply] = ask(runner, command(sshd, "true", host_key="nonsense"))
    assert reply.error_class == "config"
    assert reply.error == "the stored host keys cannot be read: expected a host's public key, such as ssh-ed25519 AAAA…"


def test_a_key_the_host_does_not_take_is_told(runner: Runner, sshd: Sshd) -> None:
    [reply] = ask(runner, command(sshd, "true", private_key=sshd.new_key("other_key")))
    assert reply.error_class == "auth"
    assert reply.error is not None
    assert f"127.0.0.1:{sshd.port} lets nobody in as {sshd.user} with the keys offered" in reply.error


@pytest.mark.parametrize("text", ["protected", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "hunter2"])
def test_a_private_key_that_cannot_be_used_is_refused_and_not_quoted(runner: Runner, sshd: Sshd, text: str) -> None:
    key = sshd.new_key("protected_key", passphrase="secret") if text == "protected" else text
    [reply] = ask(runner, command(sshd, "true", private_key=key))
    assert reply.error_class == "config"
    expected = "protected by a passphrase" if text == "protected" else "expected a private key"
    assert expected in str(reply.error)
    assert "hunter2" not in str(reply.error)


def test_an_agent_holds_a_key_with_a_passphrase(runner: Runner, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    said = subprocess.run(["ssh-agent", "-c"], capture_output=True, text=True, check=True).stdout.split()
    agent = {"SSH_AUTH_SOCK": said[2].rstrip(";"), "SSH_AGENT_PID": said[5].rstrip(";")}
    try:
        for name, value in agent.items():
            monkeypatch.setenv(name, value)
        subprocess.run(["ssh-add", "-q", str(sshd.home / "client_key")], check=True)
        assert ask(runner, command(sshd, "true", private_key=None)) == [SshReply(0)]
    finally:
        subprocess.run(["ssh-agent", "-k"], capture_output=True, check=True)


def test_nobody_listening_is_told(runner: Runner) -> None:
    port = free_port()
    [reply] = ask(runner, SshCommand(f"monitor@127.0.0.1:{port}", ("true",)))
    said = f"SSH connection refused by 127.0.0.1:{port}: is sshd running there?"
    assert reply == SshReply(error=said, error_class="refused")


def test_a_name_that_leads_nowhere_is_told(runner: Runner) -> None:
    [reply] = ask(runner, SshCommand("monitor@nobody.invalid", ("true",)))
    assert reply.error_class in ("dns", "resolver")
    assert "nobody.invalid" in str(reply.error)


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]"])
def test_a_link_local_address_is_never_connected_to(runner: Runner, host: str) -> None:
    [reply] = ask(runner, SshCommand(f"monitor@{host}", ("true",)))
    assert reply.error_class == "denied"


def test_the_users_configuration_is_kept_to(runner: Runner, sshd: Sshd, home: Path) -> None:
    _configure(home, sshd, f"Host db\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\n")
    [reply] = ask(runner, SshCommand("db", ("echo", "hello")))
    assert reply == SshReply(0, "hello\n")


def test_a_configuration_that_would_take_any_host_key_is_not_kept_to(runner: Runner, sshd: Sshd, home: Path) -> None:
    _configure(home, sshd, "StrictHostKeyChecking no\nUserKnownHostsFile none\n")
    (home / ".ssh" / "known_hosts").write_text("")
    [reply] = ask(runner, SshCommand(sshd.login, ("true",)))
    assert reply.error_class == "host_key"


def test_a_jump_host_is_jumped_over(runner: Runner, sshd: Sshd, home: Path) -> None:
    jump = f"Host inner\n HostName 127.0.0.1\n Port {sshd.port}\n ProxyJump {sshd.login}\n"
    _configure(home, sshd, jump)
    [reply] = ask(runner, SshCommand(f"{sshd.user}@inner", ("sh", "-c", "echo $SSH_CONNECTION")))
    assert reply.error is None
    assert sshd.log.count("Accepted publickey") == 2


def test_a_link_local_address_is_refused_behind_a_jump_host_too(runner: Runner, sshd: Sshd, home: Path) -> None:
    _configure(home, sshd, f"Host 169.254.169.254\n ProxyJump {sshd.login}\n")
    [reply] = ask(runner, SshCommand("monitor@169.254.169.254", ("true",)))
    assert reply.error_class == "denied"


def test_hosts_that_jump_in_a_circle_are_told(runner: Runner, sshd: Sshd, home: Path) -> None:
    _configure(home, sshd, "Host a\n ProxyJump b\nHost b\n ProxyJump a\n")
    [reply] = ask(runner, SshCommand("a", ("true",)))
    assert reply.error == "the OpenSSH configuration jumps over too many hosts, or in a circle"


def test_a_proxy_command_is_used(runner: Runner, sshd: Sshd, home: Path) -> None:
    pipe = "import os, socket, sys, threading as t\ns = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
    pipe += "def copy(a, b):\n    while d := os.read(a, 65536): os.write(b, d)\n"
    pipe += "t.Thread(target=copy, args=(0, s.fileno()), daemon=True).start(); copy(s.fileno(), 1)\n"
    (home / "pipe.py").write_text(pipe)
    proxy = f"ProxyCommand {shlex.join([sys.executable, str(home / 'pipe.py'), str(sshd.port)])}\n"
    _configure(home, sshd, f"Host db\n HostName 127.0.0.1\n Port {sshd.port}\n {proxy}")
    [reply] = ask(runner, SshCommand(f"{sshd.user}@db", ("echo", "hello")))
    assert reply == SshReply(0, "hello\n")


def test_at_most_four_at_once_to_a_host_and_waiting_is_not_its_time(runner: Runner, sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    script = f"cd {tmp_path}/here && touch $$ && sleep 0.4 && ls | wc -l && rm $$"
    replies = ask(runner, *[command(sshd, "sh", "-c", script, timeout=3.0) for _ in range(20)], deadline=3.0)
    assert [reply.error for reply in replies] == [None] * 20
    assert 2 <= max(int(reply.stdout) for reply in replies) <= 4


def test_a_server_that_turns_away_at_random_is_asked_once_more(runner: Runner, stopped_sshd: Sshd) -> None:
    sshd = stopped_sshd.start("MaxStartups 1:100:1")
    with wait_until(lambda: _let_in(sshd), 5, "the only place to be free") as occupant:
        threading.Thread(target=_leave_once_somebody_was_turned_away, args=(sshd, occupant)).start()
        assert ask(runner, command(sshd, "echo", "in")) == [SshReply(0, "in\n")]


def test_a_server_that_turns_away_twice_is_told(runner: Runner, stopped_sshd: Sshd) -> None:
    sshd = stopped_sshd.start("MaxStartups 1:100:1")
    with wait_until(lambda: _let_in(sshd), 5, "the only place to be free"):
        [reply] = ask(runner, command(sshd, "true"))
    assert reply.error_class == "lost"
    assert "twice: too many at a time (MaxStartups)?" in str(reply.error)


def test_no_descriptor_is_left_open(runner: Runner, sshd: Sshd) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    ask(runner, command(sshd, "true"))
    before = count()
    ask(runner, *[command(sshd, "true") for _ in range(4)], command(sshd, "true", host_key=None))
    ask(runner, command(sshd, "true", private_key=sshd.new_key("other_key")), command(sshd, "sleep", "9", timeout=0.8))
    wait_until(lambda: count() <= before, 5, "the connections to be closed")


@pytest.mark.parametrize("text", ["me@db.example:22", "db", "me@[::1]:2222", "me@10.0.0.1", "svc_1$@db-1.example"])
def test_a_login_is_read(text: str) -> None:
    assert read_login(text).host in text
    assert login_faults("/ssh", text) == []


@pytest.mark.parametrize(
    "text", ["", "me@", "@db", "me@db:0", "me@db:70000", "me@-oProxyCommand=x", "a b", "db;id", "::1"]
)
def test_nonsense_is_no_login(text: str) -> None:
    assert login_faults("/ssh", text)


def _configure(home: Path, sshd: Sshd, text: str) -> None:
    """An OpenSSH client's files: that configuration, our key, and the server's."""
    for name, content in {"config": text, "known_hosts": sshd.known_hosts(), "id_ed25519": sshd.private_key}.items():
        (home / ".ssh" / name).write_text(content)


def _let_in(sshd: Sshd) -> socket.socket | None:
    """A connection that says nothing and takes up a place, where there was one."""
    caller = socket.create_connection(("127.0.0.1", sshd.port))
    if caller.recv(8) == b"SSH-2.0-":
        return caller
    caller.close()
    return None


def _leave_once_somebody_was_turned_away(sshd: Sshd, occupant: socket.socket) -> None:
    wait_until(lambda: "MaxStartups" in sshd.log, 10, "sshd to turn somebody away")
    occupant.shutdown(socket.SHUT_RDWR)


def fingerprint(key: str) -> str:
    return str(asyncssh.import_public_key(key).get_fingerprint())
