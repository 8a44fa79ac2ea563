"""How Netdata is asked: over HTTP from here, or by curl on its own machine over SSH, with the same replies."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from probes._machinery import netdata_ssh
from probes._machinery.requests import HttpReply, HttpRequest, Reply, Request, SshReply
from probes._machinery.times import seconds

_DEFAULT_TIMEOUT = 5.0
_MOST_BYTES = 4 * 1_048_576  # a log of a thousand alarms has 1.2 MB
_OUR_CLASSES = ("denied", "own", "config", "resolver")  # trouble of an HTTP exchange that says nothing about the server
_UNREACHED = ("refused", "timeout", "unreachable")  # any other SSH trouble says nothing about the machine


@dataclass(frozen=True, slots=True)
class Call:
    """A question: the path below Netdata's address. `share_seconds`: so old may another's answer be."""

    path: str
    share_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Answers:
    """Replies by the calls' names, as far as they came; what `docker` said, None where it was not asked.

    at_fault: where a reply has an error, who did not answer: the machine, the Netdata on it, or nobody but us
    """

    replies: Mapping[str, HttpReply]
    docker: netdata_ssh.Docker | None = None
    at_fault: Literal["machine", "netdata", "us"] = "machine"

    @property
    def first(self) -> HttpReply:
        """The reply to the first call."""
        return next(iter(self.replies.values()))


Asking = Generator[Request, Reply, Answers]


def ask(config: Mapping[str, Any], calls: Mapping[str, Call], containers: bool = False) -> Asking:
    """Put the calls, in order; where the first has no answer, no other is put.

    containers: ask the machine's Docker as well, which is possible over SSH alone
    """
    if "ssh" in config:
        return (yield from _over_ssh(config, calls, containers))
    replies: dict[str, HttpReply] = {}
    for name, call in calls.items():
        reply = yield _request(config, call)
        assert isinstance(reply, HttpReply)
        replies[name] = reply
        if len(replies) == 1 and (reply.error is not None or reply.status != 200):
            break
    ours = next(iter(replies.values())).error_class in _OUR_CLASSES
    return Answers(replies, at_fault="us" if ours else "machine")


def host_path(config: Mapping[str, Any]) -> str:
    """Where the server's own answers begin: at the root of its agent, or below its GUID at its parent."""
    guid = config.get("machine_guid")
    return f"/host/{guid.lower()}" if guid else ""  # agents before 2.0 know the lower-case form alone


def headers_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The headers that a request for this server bears: the configured ones, and the token."""
    headers = dict(config.get("headers", {}))
    if config.get("api_key"):
        headers.setdefault("Authorization", f"Bearer {config['api_key']}")
    return headers


def _request(config: Mapping[str, Any], call: Call) -> HttpRequest:
    own = headers_of(config)
    return HttpRequest(
        url=f"{config['url'].rstrip('/')}{call.path}",
        headers={**own, "Connection": "keep-alive"},  # it closes what does not ask for this, even in HTTP/1.1
        timeout=_timeout(config),
        max_bytes=_MOST_BYTES,
        follow_redirects=not own,  # a key is for this server, not for where it points
        share_seconds=call.share_seconds,
    )


def _over_ssh(config: Mapping[str, Any], calls: Mapping[str, Call], containers: bool) -> Asking:
    url = config.get("url", netdata_ssh.LOCAL).rstrip("/")
    urls = {name: url + call.path for name, call in calls.items()}
    reply = yield netdata_ssh.command(config, urls, headers_of(config), _timeout(config), containers)
    assert isinstance(reply, SshReply)
    if reply.error is not None:
        failed = {next(iter(calls)): HttpReply(error=f"SSH: {reply.error}")}
        return Answers(failed, at_fault="machine" if reply.error_class in _UNREACHED else "us")
    return Answers(*netdata_ssh.read(reply, list(urls)), at_fault="netdata")


def _timeout(config: Mapping[str, Any]) -> float:
    return seconds(config.get("timeout", _DEFAULT_TIMEOUT))
