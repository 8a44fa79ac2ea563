"""A server that answers: its numbers, its containers and what its Netdata's alarms did, as an observation."""

from collections.abc import Sequence

from probes._machinery import netdata_alarms as alarms
from probes._machinery import netdata_answers as read
from probes._machinery import netdata_containers as containers
from probes._machinery.netdata_answers import About, Age, Charts
from probes._machinery.netdata_asking import Answers
from probes._machinery.netdata_look import Look
from probes._machinery.observation import Observation
from probes._machinery.requests import HttpReply
from probes._machinery.summary import Readings, metrics, said, summary

_CONTAINERS_FOUND = 60.0  # seconds after its start until an agent has surely found all containers


def seen(look: Look, about: About, answers: Answers, found: Charts, newest: Age, every: float | None) -> Observation:
    """A server that is there: ok, whatever its numbers; rules judge them."""
    thresholds = look.config.get("thresholds", {})
    fleet = _fleet(look, answers, found, newest)
    own = _alarms(look, about, answers)
    measured = _readings(look, answers, found, fleet)
    facts = {
        **summary(measured, thresholds, look.now),
        "streaming_status": "connected",
        "netdata_version": _version(look, about, answers),
        "netdata_api": about.api,
        "agent_version": _still(about, answers.first),
        "machine_guid": look.guid or about.guid,
        "update_every": every,
        "last_updated": newest.updated_at,
        "looked_at": look.before.seen_at(newest, look.now),
        "containers": list(fleet.containers),
        "containers_known": dict(fleet.known),
        "netdata_alerts": alarms.shown(own.changes),
        "netdata_alert_id": own.last,
        "netdata_raised": dict(own.raised),
    }
    values = {**metrics(facts), "netdata_critical": own.critical, "netdata_warning": own.warning}
    parts = [*_most(fleet.down), said(measured, thresholds) + _skew(look, newest), alarms.said(own.changes)]
    parts.append(_containers_unknown(look, answers, fleet))
    return Observation("ok", values, "; ".join(part for part in parts if part), facts)


def _fleet(look: Look, answers: Answers, found: Charts, newest: Age) -> containers.Fleet:
    patterns = look.config.get("containers", ())
    uptime = read.uptime(found)
    listed = containers.by_charts(found, newest.updated_at - look.before.limit, patterns)
    settled = uptime is None or uptime >= _CONTAINERS_FOUND
    if answers.docker is not None and answers.docker.error is None:
        listed, settled = containers.by_docker(answers.docker, listed or ()), True
    known = look.before.facts.get("containers_known") or {}
    if listed is None and answers.docker is not None and answers.docker.error is not None:
        return containers.Fleet(known=known)  # who cannot ask Docker cannot tell that what it named is gone
    return containers.fleet(listed, known, patterns, look.now, settled)


def _containers_unknown(look: Look, answers: Answers, fleet: containers.Fleet) -> str:
    if answers.docker and answers.docker.error:
        return f"containers unknown: {answers.docker.error}"
    wanted = look.config.get("containers") and fleet.count is None
    return "containers unknown: its Netdata shows none" if wanted else ""


def _alarms(look: Look, about: About, answers: Answers) -> alarms.Alarms:
    raised = look.before.facts.get("netdata_raised") or {}
    return alarms.alarms(answers.replies.get("alarms"), look.before.last_alert(about.api), raised)


def _readings(look: Look, answers: Answers, found: Charts, fleet: containers.Fleet) -> Readings:
    if look.guid and "loads" in answers.replies:
        cpu = read.column_sum(answers.replies["loads"], look.guid)
    else:
        cpu = read.row_sum(answers.replies.get("load"))
    return read.readings(found, cpu, (fleet.count, fleet.healthy, fleet.unhealthy))


def _version(look: Look, about: About, answers: Answers) -> str | None:
    """The version of the server's own agent, which need not be its parent's."""
    if look.guid is None:
        return about.version
    asked = read.about(answers.replies["info"]) if "info" in answers.replies else None
    known: str | None = look.before.facts.get("netdata_version")
    return asked.version if asked else known


def _still(about: About, reply: HttpReply) -> str | None:
    """The version of whom we talk to; None where it names another by now, so that the next look asks anew."""
    _, _, named = reply.headers.get("server", "").partition("Netdata Embedded HTTP Server ")
    return about.version if named.strip() in ("", about.version) else None


def _skew(look: Look, newest: Age) -> str:
    if newest.seconds is None or abs(newest.seconds) <= look.before.limit:
        return ""
    side = "behind" if newest.seconds > 0 else "ahead of"
    return f"; its clock is {abs(newest.seconds):.0f} s {side} Netdata's"


def _most(sentences: Sequence[str]) -> list[str]:
    return [*sentences[:3], f"and {len(sentences) - 3} more down"] if len(sentences) > 3 else list(sentences)
