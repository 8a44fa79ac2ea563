"""psql run on another machine over SSH, in a container or not: its command, and what its end means."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from probes._machinery.requests import SqlReply, SshCommand, SshReply
from probes._machinery.sql_errors import classify

_MARK = "vedette-asked"  # whatever a login prints comes before it, the answer after it
_ASKED = ":'asked'"
_LONGEST_MESSAGE = 400
_SQLSTATE = re.compile(r"(?:ERROR|FATAL|PANIC):\s+([0-9A-Z]{5}): ")

# A frozen server hangs psql beyond statement_timeout, and whoever kills docker's command leaves psql in the container.
_IN_TIME = 'command -v timeout >/dev/null 2>&1 && exec timeout -k 1 "$0" "$@"; exec "$@"'

_DOCKER: Sequence[tuple[str, str]] = (
    ("no such container", "there is no such container: docker ps names those there are"),
    ("is not running", "the container is not running: docker start it"),
    ("is restarting", "the container keeps restarting: see docker logs"),
    ("is paused", "the container is paused: docker unpause it"),
    ("permission denied", "the SSH user may not use Docker: make it a member of the group docker"),
    ("cannot connect to the docker daemon", "the Docker daemon does not answer: is it running?"),
)


def command(config: Mapping[str, Any], sql: str, parameter: str, timeout: float) -> SshCommand:
    """psql on the machine `ssh`, in its `container` where one is named, with `sql` to read.

    Each limit there is shorter than the one around it and than `timeout`, so that nothing is left running.
    """
    limit = max(1, int(timeout * 0.7))
    asks = ["psql", "-X", "-w", "-qAt", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-v", f"asked={parameter}"]
    for key, option in (("user", "-U"), ("host", "-h"), ("port", "-p")):
        if key in config:
            asks += [option, str(config[key])]
    asks += ["-d", config.get("database", "postgres")]
    return SshCommand(
        login=config["ssh"],
        command=tuple(
            _in_container(config["container"], limit, asks) if "container" in config else _plainly(limit, asks)
        ),
        stdin=f"\\echo {_MARK}\n{sql.replace('%s', _ASKED)};\n".encode(),
        timeout=timeout,
        host_key=config.get("host_key"),
        private_key=config.get("private_key"),
    )


def read(config: Mapping[str, Any], reply: SshReply) -> SqlReply:
    """What it answered as a query of ours would have; or what went wrong, in words with a remedy."""
    if reply.error_class == "signal" or reply.exit_status in (124, 137):
        return SqlReply(error="psql had to be ended there: the server did not answer in time", error_class="timeout")
    if reply.error is not None:
        return SqlReply(error=reply.error, error_class=f"ssh_{reply.error_class}")
    if reply.exit_status == 0:
        _, mark, answer = reply.stdout.partition(f"{_MARK}\n")
        if not mark or not answer.strip():
            return SqlReply(error="psql ended without an answer", error_class="other")
        return SqlReply(rows=({"answer": answer},))
    return _failure(config, reply)


def _in_container(container: str, limit: int, asks: Sequence[str]) -> list[str]:
    given = [part for name, value in _environment(limit).items() for part in ("-e", f"{name}={value}")]
    return [*_within(limit + 1), "docker", "exec", "-i", *given, container, "sh", "-c", _IN_TIME, str(limit), *asks]


def _plainly(limit: int, asks: Sequence[str]) -> list[str]:
    return [*_within(limit), "env", *(f"{name}={value}" for name, value in _environment(limit).items()), *asks]


def _within(limit: int) -> list[str]:
    return ["timeout", "-k", "1", str(limit)]


def _environment(limit: int) -> dict[str, str]:
    """Every sort of slow server ends within psql's own limits, in words we can read."""
    return {
        "PGCONNECT_TIMEOUT": str(min(3, max(2, limit - 1))),
        "PGOPTIONS": f"-c statement_timeout={limit * 700}",
        "PGAPPNAME": "vedette",
        "PGCLIENTENCODING": "UTF8",
        "LC_ALL": "C",
    }


def _failure(config: Mapping[str, Any], reply: SshReply) -> SqlReply:
    """Docker's troubles are told from psql's: by the exit status, and where both use the same one by what was said."""
    status, text = reply.exit_status, _words(reply)
    state = _SQLSTATE.search(reply.stderr)
    if status in (126, 127):
        return SqlReply(error=_cannot_run(config, text), error_class="missing")
    if state is not None or status in (2, 3):
        return SqlReply(error=text, error_class=classify(state[1] if state else None, text))
    if "container" in config:
        return _docker(config["container"], text)
    return SqlReply(error=f"psql ended with exit status {status}: {text}", error_class="other")


def _docker(container: str, text: str) -> SqlReply:
    lowered = text.lower()
    for part, remedy in _DOCKER:
        if part in lowered:
            return SqlReply(error=f"container {container!r}: {remedy}", error_class="docker")
    return SqlReply(error=f"container {container!r}: {text}", error_class="docker")


def _cannot_run(config: Mapping[str, Any], text: str) -> str:
    """Which program is missing, and where: docker's daemon speaks of OCI, a shell names what it did not find."""
    if "container" in config and "oci runtime" not in text.lower() and re.search(r"\bdocker\b", text):
        return f"docker cannot be run there: is it installed, and on the PATH of the SSH user? ({text})"
    if "container" in config:
        return f"psql cannot be run in the container {config['container']!r}: is it PostgreSQL's? ({text})"
    return f"psql cannot be run there: is it installed, and on the PATH of the SSH user? ({text})"


def _words(reply: SshReply) -> str:
    """What was said, on one line; Docker says some of it on stdout."""
    text = " ".join((reply.stderr if reply.stderr.strip() else reply.stdout).split())
    return text[:_LONGEST_MESSAGE] or "it said nothing"
