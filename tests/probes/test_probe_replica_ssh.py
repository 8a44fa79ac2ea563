"""Kind `replica` over SSH: a real psql on a real sshd, in a container or not, and each way in which it can fail."""

import time
from typing import Any

import pytest

from probes import Observation
from probes._machinery.psql import command, read
from probes._machinery.requests import SshReply
from probes._machinery.runner import run
from probes._machinery.standby import MIB, QUERY
from tests.needing import need
from tests.probes.standbys import NOW, told, wait_gone
from tests.servers.postgres import NAME, SLOT, PostgresPair
from tests.servers.sshd import Sshd
from tests.waiting import wait_until


@pytest.fixture
def host(sshd: Sshd) -> Sshd:
    """A machine with psql, and a container that runs."""
    sshd.program("psql", need("postgresql")["initdb"].resolve().parent / "psql")
    sshd.container("pg", "running")
    return sshd


def config(host: Sshd, pair: PostgresPair, **more: Any) -> dict[str, Any]:
    keys = {"ssh": host.login, "host_key": host.host_key, "private_key": host.private_key}
    place = {"host": "127.0.0.1", "port": pair.primary.port, "user": "odoo"}
    return {**keys, **place, "application_name": NAME, "slot_name": SLOT, "timeout": 8, **more}


def look(host: Sshd, pair: PostgresPair, previous: Observation | None = None, **more: Any) -> Observation:
    return run("replica", config(host, pair, **more), NOW if previous is None else NOW + 120, previous)


def in_container(host: Sshd, pair: PostgresPair, name: str = "pg") -> str:
    seen = look(host, pair, container=name)
    assert told(seen) == ("unknown", "error")
    return seen.message.removeprefix("could not ask the primary: ")


def replace_psql(host: Sshd, script: str) -> None:
    path = host.home / "bin" / "psql"
    path.unlink()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("where", [{}, {"container": "pg"}])
def test_it_is_judged_as_over_a_connection_of_ours(
    host: Sshd, fresh_postgres_pair: PostgresPair, where: dict[str, str]
) -> None:
    pair = fresh_postgres_pair
    before = look(host, pair, **where)
    assert told(before) == ("ok", "online"), before.message
    assert before.values["lag_bytes"] == 0
    pair.standby.freeze()
    pair.write(2)
    stalled = look(host, pair, look(host, pair, **where), **where)
    assert told(stalled) == ("critical", "offline")
    assert stalled.values["lag_bytes"] and stalled.values["lag_bytes"] > MIB
    pair.standby.kill()
    wait_gone(pair)
    gone = look(host, pair, stalled, **where)
    assert told(gone) == ("critical", "offline")
    assert gone.message.startswith("no standby is connected as 'replica'; its slot 'replica_slot' keeps")


def test_no_name_can_be_read_as_anything_else(host: Sshd, postgres_pair: PostgresPair) -> None:
    name = "a'b\"c\\d;$(id) :x"
    seen = look(host, postgres_pair, application_name=name, slot_name="none")
    assert told(seen) == ("critical", "offline")
    assert seen.message.startswith(f"no standby is connected as {name!r}")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("stopped", "container 'pg': the container is not running: docker start it"),
        ("paused", "container 'pg': the container is paused: docker unpause it"),
        ("gone", "container 'pg': there is no such container: docker ps names those there are"),
    ],
)
def test_a_container_that_does_not_run_is_no_absent_standby(
    host: Sshd, postgres_pair: PostgresPair, state: str, said: str
) -> None:
    host.container("pg", state)
    assert in_container(host, postgres_pair) == said


def test_what_docker_or_the_machine_lacks_is_said(host: Sshd, postgres_pair: PostgresPair) -> None:
    pair = postgres_pair
    (host.home / "docker" / "down").touch()
    assert in_container(host, pair) == "container 'pg': the Docker daemon does not answer: is it running?"
    (host.home / "docker" / "down").unlink()
    (host.home / "bin" / "docker").unlink()
    assert "docker cannot be run there: is it installed, and on the PATH of the SSH user?" in in_container(host, pair)


def test_what_postgresql_refuses_is_said_with_its_remedy(host: Sshd, postgres_pair: PostgresPair) -> None:
    pair = postgres_pair
    nobody = look(host, pair, user="nobody_of_that_name")
    assert 'role "nobody_of_that_name" does not exist (check the user, the password and pg_hba.conf)' in nobody.message
    assert 'database "shop" does not exist' in look(host, pair, database="shop").message
    refused = look(host, pair, port=1)
    assert told(refused) == ("unknown", "error")
    assert "Connection refused" in refused.message and "is PostgreSQL running there" in refused.message
    assert "GRANT pg_monitor TO plain" in _by_plain_role(host, pair).message


def test_a_frozen_server_ends_within_the_limits_of_psql(host: Sshd, fresh_postgres_pair: PostgresPair) -> None:
    fresh_postgres_pair.primary.freeze_postmaster()
    began = time.monotonic()
    assert "timeout expired" in in_container(host, fresh_postgres_pair)
    assert time.monotonic() - began < 8
    assert host.left_behind() == []


@pytest.mark.parametrize("where", [{}, {"container": "pg"}])
def test_a_psql_that_hangs_is_ended_there_too(host: Sshd, postgres_pair: PostgresPair, where: dict[str, str]) -> None:
    replace_psql(host, "exec sleep 1000")
    seen = look(host, postgres_pair, timeout=6, **where)
    assert told(seen) == ("unknown", "error")
    assert "psql had to be ended there: the server did not answer in time" in seen.message
    replace_psql(host, "trap '' TERM\nwhile :; do sleep 1; done")
    assert told(look(host, postgres_pair, timeout=2, **where)) == ("unknown", "error")
    wait_until(lambda: not host.left_behind(), 5, "nothing to be left running")


def test_silence_and_noise_are_no_answer(host: Sshd, postgres_pair: PostgresPair) -> None:
    for said in ("", "echo '{\"standbys\": null}'", "echo vedette-asked"):
        replace_psql(host, f"cat >/dev/null\n{said}")
        assert "psql ended without an answer" in look(host, postgres_pair).message
    replace_psql(host, "echo vedette-asked; echo nonsense")
    assert "the answer cannot be read" in look(host, postgres_pair).message


def test_what_a_login_prints_is_not_taken_for_the_answer(host: Sshd, postgres_pair: PostgresPair) -> None:
    real = (host.home / "bin" / "psql").resolve()
    replace_psql(host, f'echo "Welcome {{}}"\nexec {real} "$@"')
    assert told(look(host, postgres_pair)) == ("ok", "online")


def test_a_machine_that_lets_nobody_in_says_so(host: Sshd, postgres_pair: PostgresPair) -> None:
    seen = look(host, postgres_pair, private_key=host.new_key("another"))
    assert told(seen) == ("unknown", "error")
    assert "lets nobody in as" in seen.message
    host.stop()
    assert "SSH connection refused" in look(host, postgres_pair).message


_NO_PSQL = "timeout: failed to run command 'psql': No such file or directory"
_OCI = 'OCI runtime exec failed: exec failed: exec: "sh": executable file not found in $PATH'
_SOCKET = "permission denied while trying to connect to the Docker daemon socket"


@pytest.mark.parametrize(
    ("reply", "error_class", "said"),
    [
        (SshReply(3, "", "ERROR:  42501: permission denied for function f"), "privilege", "permission denied"),
        (SshReply(1, "", "ERROR:  57014: canceling statement due to statement timeout"), "timeout", "canceling"),
        (SshReply(2, "", "FATAL: the database system is starting up"), "starting", "starting up"),
        (SshReply(1, "", "Error response from daemon: something new"), "docker", "something new"),
        (SshReply(1, "", _SOCKET), "docker", "make it a member of the group docker"),
        (SshReply(126, _OCI, ""), "missing", "psql cannot be run in the container 'pg': is it PostgreSQL's? (OCI"),
        (SshReply(127, "", _NO_PSQL), "missing", "psql cannot be run in the container 'pg': is it PostgreSQL's?"),
        (SshReply(127, "", "bash: docker: command not found"), "missing", "docker cannot be run there"),
        (SshReply(137, "", ""), "timeout", "had to be ended there"),
        (SshReply(None, error="no SSH session", error_class="timeout"), "ssh_timeout", "no SSH session"),
    ],
)
def test_each_end_of_the_command_has_its_class(reply: SshReply, error_class: str, said: str) -> None:
    understood = read({"ssh": "u@h", "container": "pg"}, reply)
    assert understood.error_class == error_class
    assert said in str(understood.error)


def test_without_a_container_it_is_the_machine_that_lacks_psql() -> None:
    assert "psql cannot be run there: is it installed" in str(read({"ssh": "u@h"}, SshReply(127, "", _NO_PSQL)).error)
    assert "exit status 9: it said nothing" in str(read({"ssh": "u@h"}, SshReply(9)).error)


@pytest.mark.parametrize("timeout", [1.0, 4.0, 10.0, 60.0])
def test_each_limit_there_is_within_the_next(timeout: float) -> None:
    asked = command({"ssh": "u@h", "container": "pg"}, QUERY, "r", timeout)
    outer, inner = int(asked.command[3]), int(asked.command[asked.command.index("psql") - 1])
    settings = dict(part.split("=", 1) for part in asked.command if "=" in part and part.isascii() and part[0] == "P")
    assert int(settings["PGOPTIONS"].rpartition("=")[2]) < inner * 1000 < outer * 1000
    assert timeout < 4 or outer < timeout


def _by_plain_role(host: Sshd, pair: PostgresPair) -> Observation:
    pair.primary.sql("DROP ROLE IF EXISTS plain")
    pair.primary.sql("CREATE ROLE plain LOGIN")
    return look(host, pair, user="plain")
