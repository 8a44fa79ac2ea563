"""Netdata and Docker asked on their own machine: one command over SSH, and what it printed taken apart."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from probes._machinery.documents import parse
from probes._machinery.requests import HttpReply, SshCommand, SshReply

LOCAL = "http://127.0.0.1:19999"
"""Where an agent answers on its own machine."""

_MARK = "--vedette--"
_CURL = f"curl -q --fail-early -K -; code=$?; echo; echo '{_MARK}curl'"
# A machine without Docker has no containers of Docker's: that is no fault. One whose Docker hangs is no machine that
# is gone. Restarts are told by `inspect` alone.
_DOCKER = f"""
command -v docker >/dev/null || exit $code
command -v timeout >/dev/null && limit='timeout -k 1 4' || limit=
$limit docker ps --format '{{{{json .}}}}' -a 2>&1; status=$?; echo "{_MARK}ps $status"
[ $status = 0 ] || exit $code
$limit docker stats --no-stream --format '{{{{json .}}}}' 2>/dev/null; echo "{_MARK}stats $?"
ids=$($limit docker ps -aq 2>/dev/null)
[ -z "$ids" ] || $limit docker inspect --format '{{{{.Name}}}} {{{{.RestartCount}}}}' $ids 2>/dev/null
echo "{_MARK}inspect $?"
"""
_END = "\nexit $code"
_NO_CURL = 127
_DOCKER_SECONDS = 15.0
_MOST_BYTES = 600_000  # of one answer: all that a command prints has a limit
_TROUBLE = re.compile(r"^curl: \((\d+)\) (.*)$", re.MULTILINE)
_WORDS = {
    6: "its address there cannot be resolved",
    7: "connection refused: is Netdata running there?",
    28: "no answer in time",
    52: "it closed the connection without an answer",
    56: "it broke off the connection",
}


@dataclass(frozen=True, slots=True)
class Docker:
    """What `docker` said: a mapping a container of `ps`, those of `stats` and restart counts by name; or `error`."""

    ps: Sequence[Mapping[str, Any]] = ()
    stats: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    restarts: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None


def command(
    config: Mapping[str, Any], urls: Mapping[str, str], headers: Mapping[str, str], timeout: float, containers: bool
) -> SshCommand:
    """The command that fetches every URL in order, up to the first that has no answer, and then asks Docker."""
    script = _CURL + (_DOCKER if containers else "") + _END
    return SshCommand(
        login=config["ssh"],
        command=("sh", "-c", script),
        stdin=_transfers(urls, headers, timeout).encode(),  # not among the arguments: those any user there can read
        timeout=2 * timeout + _DOCKER_SECONDS,
        host_key=config.get("host_key"),
        private_key=config.get("private_key"),
    )


def read(reply: SshReply, names: Sequence[str]) -> tuple[dict[str, HttpReply], Docker | None]:
    """The replies by name, as far as they came, and what Docker said, None where there is none or it was not asked."""
    fetched, _, rest = reply.stdout.partition(f"\n{_MARK}curl\n")
    replies: dict[str, HttpReply] = {}
    for name in names:
        text, mark, after = fetched.partition(f"\n{_MARK}{name} ")
        status, _, fetched = after.partition("\n")
        if not mark or not status.strip("0"):
            replies[name] = HttpReply(error=_trouble(reply))
            break
        replies[name] = _http(text)
    return replies, _docker(rest)


def _transfers(urls: Mapping[str, str], headers: Mapping[str, str], timeout: float) -> str:
    """A curl configuration: a transfer a URL, a mark with the status after each."""
    own = [f"header = {_quoted(f'{name}: {value}')}" for name, value in headers.items()]
    limits = [f"max-time = {timeout:g}", f"max-filesize = {_MOST_BYTES}"]
    common = ["silent", "show-error", "include", 'noproxy = "*"', *limits, *own]
    each = [
        "\n".join([*common, f"url = {_quoted(url)}", f'write-out = "\\n{_MARK}{name} %{{http_code}}\\n"'])
        for name, url in urls.items()
    ]
    return "\nnext\n".join(each) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _http(text: str) -> HttpReply:
    """What `curl -i` printed of one answer."""
    head, _, body = text.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    parts = first.split()
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    status = int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else 0
    told = headers.get("content-length", "")
    if told.isdecimal() and int(told) > len(body.encode()):
        return HttpReply(error="the answer was cut off")
    return HttpReply(status, headers, body.encode())


def _trouble(reply: SshReply) -> str:
    if reply.exit_status == _NO_CURL:
        return "there is no curl on that machine: install it"
    found = _TROUBLE.search(reply.stderr)
    if found:
        return f"Netdata on that machine: {_WORDS.get(int(found[1]), found[2])}"
    return f"the command on that machine ended with exit status {reply.exit_status}"


def _docker(text: str) -> Docker | None:
    ps, mark, rest = text.partition(f"{_MARK}ps ")
    if not mark:
        return None
    status, _, rest = rest.partition("\n")
    if status.strip() in ("124", "137"):
        return Docker(error="docker ps: no answer in time")
    if status.strip() != "0":
        last = ps.strip().splitlines()[-1:]
        return Docker(error=f"docker ps: {last[0][:200] if last else f'exit status {status.strip()}'}")
    stats, _, rest = rest.partition(f"{_MARK}stats ")
    inspected, _, _ = rest.partition("\n")[2].partition(f"{_MARK}inspect ")
    by_name = {str(one.get("Name")): one for one in _lines(stats)}
    counted = (line.removeprefix("/").split() for line in inspected.splitlines())
    restarts = {parts[0]: int(parts[1]) for parts in counted if len(parts) == 2 and parts[1].isdecimal()}
    return Docker(_lines(ps), by_name, restarts)


def _lines(text: str) -> list[Mapping[str, Any]]:
    """The JSON objects among the lines; a warning between them is none."""
    found: list[Mapping[str, Any]] = []
    for line in text.splitlines():
        try:
            one = parse(line.encode())
        except ValueError:
            continue
        if isinstance(one, dict):
            found.append(one)
    return found
