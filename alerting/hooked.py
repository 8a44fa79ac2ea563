"""What hooks report as something watched: another program's alert is a subject, a report an observation of it.

Pure. A report's subject is declared nowhere: what a watch is made of lies in the facts of its last observation.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from alerting.config import Config, Environment, Hook, Watch
from alerting.rules import REPORTED
from alerting.sources import OVER, Report
from probes import Observation, Status

KIND = "hook"
"""The kind of such a watch, and the sort of its subject: "hook/<hook>/<the alert's id>"."""

_EVERY = 60.0
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_STATUSES: tuple[Status, ...] = ("ok", "ok", "warning", "critical")  # by level: of an info nothing is wrong yet


def subject_of(hook: Hook, report: Report) -> str:
    """The subject a report is about."""
    return f"{KIND}/{hook.name}/{report.id}"


def fingerprint_of(subject: str) -> str:
    """What alerts about it are known by, unless a rule of the team's own says another type."""
    return f"custom:{subject}:{REPORTED}"


def watch_of(config: Config, subject: str, facts: Mapping[str, Any] = _NOTHING) -> Watch | None:
    """The subject as something watched, by the facts of its last observation; None where its hook is not declared."""
    sort, _, rest = subject.partition("/")
    name, _, one = rest.partition("/")
    hook = config.hook_of.get(name)
    if sort != KIND or hook is None or not one:
        return None
    return Watch(
        subject=subject,
        kind=KIND,
        organization=hook.organization,
        every=_EVERY,
        config={},
        project=facts.get("project"),
        server=facts.get("server"),
        environment=facts.get("environment"),
        title=facts.get("title", ""),
        labels=facts.get("labels", {}),
        began=facts.get("started_at"),
    )


def observation_of(config: Config, hook: Hook, report: Report, facts: Mapping[str, Any], at: float) -> Observation:
    """The report as an observation. `facts` are what is to be remembered of it besides what it says itself."""
    level = report.level or OVER
    said = {
        "title": report.title,
        "labels": {**_urls(report), **report.labels, "hook": hook.name},
        "url": report.url,
        "started_at": report.started_at,
        **_place(config, hook, report),
    }
    return Observation(
        _STATUSES[level], {REPORTED: float(level)}, report.message, {**said, **facts}, subject_of(hook, report), at
    )


def _urls(report: Report) -> Mapping[str, str]:
    return {"url": report.url} if report.url else {}


def _place(config: Config, hook: Hook, report: Report) -> dict[str, str | None]:
    """The declared server and environment that it names, of the hook's organization alone."""
    names = list(_spoken(report.names))
    servers = [one for one in config.watches if one.sort == "server" and one.organization == hook.organization]
    environments = [one for one in config.environments if one.organization == hook.organization]
    environment = next((one for name in names for one in environments if one.name.lower() == name), None)
    server = next((one.name for name in names for one in servers if name in _names_of(one)), None)
    return {
        "server": server or (environment.server if environment else None),
        "environment": environment.name if environment else None,
        "project": _project(environment),
    }


def _project(environment: Environment | None) -> str | None:
    return environment.project if environment is not None else None


def _spoken(names: Iterable[str]) -> Iterator[str]:
    """The names as they are, then without the port that "instance" has: "db-1:9100"."""
    for name in names:
        yield name.lower()
        host, colon, port = name.rpartition(":")
        if colon and port.isdecimal():
            yield host.strip("[]").lower()


def _names_of(server: Watch) -> set[str]:
    """What a server goes by elsewhere: its name here, its Netdata's id, and the host it is asked at."""
    guid, login = (str(server.config.get(key, "")) for key in ("machine_guid", "ssh"))
    found = {server.name, guid, login.rpartition("@")[2]}
    if not guid:  # else that is its parent's address
        found.add(urlsplit(str(server.config.get("url", ""))).hostname or "")
    return {name.lower() for name in found} - {"", "localhost", "127.0.0.1", "::1"}
