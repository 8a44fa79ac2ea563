"""Kind `netdata`: a server seen by its Netdata agent, from here or over SSH, or by a parent that it streams to."""

from collections.abc import Generator, Mapping
from typing import Any

from probes._machinery import netdata_answers as read
from probes._machinery.checking import url_faults
from probes._machinery.netdata_answers import About, Age
from probes._machinery.netdata_asking import Answers, Call, ask, host_path
from probes._machinery.netdata_look import Look, Memory, recall
from probes._machinery.netdata_questions import CHART, INFO, INFO_OF_PROTECTED, METRICS, SHARED, UPTIME, calls
from probes._machinery.netdata_seen import seen
from probes._machinery.observation import Observation
from probes._machinery.requests import HttpReply, Reply, Request, Sleep
from probes._machinery.ssh_login import login_faults
from schemas import Fault

_SECOND_LOOK = 3.0
_CERTAIN = 30.0  # seconds without data after which a server is not just starting anew
_PARENT_SETTLED = 120.0  # seconds after its start until a parent's children have all come back
_STARTING, _PROTECTED = 503, 412
_REFUSALS: Mapping[int, str] = {
    401: "it wants an authorization: set api_key or headers",
    403: "this authorization is not enough: set another api_key or headers",
    _PROTECTED: "it wants a bearer token: set api_key",
    451: "this address is not among its `allow dashboard from`",
    _STARTING: "it is starting, or a proxy has nobody behind it",
}

Asking = Generator[Request, Reply, Observation]


def probe(config: Mapping[str, Any], now: float, previous: Observation | None) -> Asking:
    """Ok while the data is fresh (metric rules judge the values), critical when the server is gone, unknown when
    nobody could tell: the agent refused, has no data yet, or the parent itself is away or has just started.

    values  the summary's numbers; `netdata_critical`, `netdata_warning`: alarms of its own raised since the last look
    facts   the server summary, `containers`, `netdata_alerts` (what Netdata's alarms did since the last look),
            `streaming_status`, `netdata_version`, `machine_guid`, and what the next look compares with
    """
    look = Look(config, now, recall(previous))
    about = _known(look)
    if about is None:
        about, trouble = yield from _meet(look)
        if about is None:
            return trouble or look.unknown("Netdata says nothing about itself")
    answers = yield from ask(config, calls(look, about), containers=look.guid is None)
    reply = answers.first
    if reply.error is not None or reply.status != 200:
        return (yield from _no_answer(look, about, answers))
    try:
        found = read.charts(reply)
    except ValueError as trouble_in_words:
        return look.unknown(f"the answer is not Netdata's: {trouble_in_words}")
    newest = read.age(found, reply)
    if newest is None:
        return (yield from _gone(look, "there is no data of it"))
    stale, every = yield from _is_stale(look, newest)
    if stale is None:
        return look.unknown("its data is old, and when asked again it gave none")
    if stale:
        quiet = look.before.quiet(newest, now)
        why = f"its data is {quiet:.0f} s old" if quiet else "its data does not go on, and its clock was ahead"
        seen_at = look.before.seen_at(newest, now)
        return (yield from _gone(look, why, last_updated=newest.updated_at, looked_at=seen_at))
    return seen(look, about, answers, found, newest, every)


def faults(config: Mapping[str, Any]) -> list[Fault]:
    """What the schema cannot say."""
    of_url = url_faults("/url", config["url"]) if "url" in config else []
    return of_url + (login_faults("/ssh", config["ssh"]) if "ssh" in config else [])


def _known(look: Look) -> About | None:
    """Whom we talk to, as learned at an earlier look that went well."""
    version = look.before.facts.get("agent_version")
    if not look.before.was_ok or version is None:
        return None
    return About(version, look.before.facts.get("machine_guid"), {})


def _meet(look: Look) -> Generator[Request, Reply, tuple[About | None, Observation | None]]:
    """Ask Netdata who it is. One that is protected says so to everybody by the third version of its API."""
    answers = yield from ask(look.config, {"info": Call(INFO, SHARED)})
    if answers.first.status == _PROTECTED:
        protected = yield from ask(look.config, {"info": Call(INFO_OF_PROTECTED, SHARED)})
        return read.about(protected.first) or About("", None, {}), None
    about = read.about(answers.first)
    if about is not None:
        return about, None
    if answers.first.error is None and answers.first.status == 200:
        return None, look.unknown("the answer is not Netdata's: it says nothing about its version")
    return None, (yield from _no_answer(look, None, answers))


def _no_answer(look: Look, about: About | None, answers: Answers) -> Asking:
    reply = answers.first
    if reply.error is not None:
        if answers.at_fault != "machine":
            return look.unknown(reply.error)
        if look.guid:
            return look.unknown(f"the Netdata parent does not answer: {reply.error}")
        return look.nothing("critical", f"Netdata does not answer: {reply.error}", "disconnected")
    if reply.status in _REFUSALS:
        whom = f"Netdata {about.version}".strip() if about else "Netdata"
        return look.unknown(f"{whom} refused: HTTP {reply.status} ({_REFUSALS[reply.status]})")
    if reply.status == 404 and about and look.guid:
        return (yield from _gone(look, "the parent has no database for it"))
    return look.unknown(f"Netdata answered HTTP {reply.status}, expected 200")


def _is_stale(look: Look, newest: Age) -> Generator[Request, Reply, tuple[bool | None, float | None]]:
    """Whether the data has stopped for good, and how often its agent writes, where that was learned.

    What is stale is looked at again: it may be slow, its clock may be behind, it may just be starting anew. None where
    that look failed.
    """
    every = look.before.facts.get("update_every")
    if not look.before.is_stale(newest, look.now, look.before.limit):
        return False, every
    if every is None:
        chart = yield from ask(look.config, {"chart": Call(host_path(look.config) + CHART)})
        every = read.update_every(chart.first)
    limit = Memory({"update_every": every}).limit
    if not look.before.is_stale(newest, look.now, limit):
        return False, every
    if look.before.is_certain(newest, look.now, _CERTAIN):
        return True, every
    yield Sleep(max(_SECOND_LOOK, _CERTAIN - look.before.quiet(newest, look.now)))
    again = yield from ask(look.config, {"metrics": Call(host_path(look.config) + METRICS)})
    newer = _newest(again.first)
    return None if newer is None else newer.updated_at <= newest.updated_at, every


def _newest(reply: HttpReply) -> Age | None:
    if reply.error is not None or reply.status != 200:
        return None
    try:
        return read.age(read.charts(reply), reply)
    except ValueError:
        return None


def _gone(look: Look, why: str, **newest: Any) -> Asking:
    """The server is gone, unless a parent says so that has itself just started: its live children look dead then."""
    if look.guid is None:
        return look.unknown(f"Netdata answers, but {why}", "error" if newest else "pending", **newest)
    questions = {"info": Call(INFO, SHARED), "uptime": Call(UPTIME, SHARED)}
    answers = yield from ask(look.config, questions)
    if answers.first.error is not None:
        return look.unknown(f"the Netdata parent does not answer: {answers.first.error}", **newest)
    about = read.about(answers.first)
    if about is None and answers.first.status != _PROTECTED:
        words = f"{why}, but what answers in its parent's place is no Netdata (HTTP {answers.first.status})"
        return look.unknown(words, **newest)
    uptime = read.row_sum(answers.replies.get("uptime"))
    if uptime is not None and uptime < _PARENT_SETTLED:
        return look.unknown(f"{why}, but the parent started only {uptime:.0f} s ago", "pending", **newest)
    missing_since = look.before.facts.get("missing_since") or look.now
    if uptime is None and look.now - missing_since < _PARENT_SETTLED:
        return look.unknown(f"{why}, but the parent does not say how long it has been running", "pending", **newest)
    listed = about.reachable.get(look.guid) if about else None
    streaming = "disconnected" if look.before.has_seen_data or listed is not None else "pending"
    return look.nothing("critical", f"the server is gone: {why}{_as_its_parent_says(listed)}", streaming, **newest)


def _as_its_parent_says(reachable: bool | None) -> str:
    if reachable is None:
        return "; its parent does not list it"
    if reachable:
        return "; its parent still counts it as connected: it is frozen, or cut off from the network"
    return "; it is not connected to its parent"
