"""Netdata's own alarms: what changed in its log since the last look, so that nothing between two looks is missed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from probes._machinery.documents import parse
from probes._machinery.requests import HttpReply
from probes._machinery.times import rfc3339

RAISED = ("WARNING", "CRITICAL")
_MOST_KEPT = 200  # raised alarms remembered
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Transition:
    """An alarm took on `status`. `number` grows from one to the next; `at` in epoch seconds of that machine."""

    number: int
    name: str
    chart: str
    status: str
    old_status: str
    value: str
    at: float

    @property
    def key(self) -> str:
        return f"{self.name} on {self.chart}"


@dataclass(frozen=True, slots=True)
class Alarms:
    """What was raised since the last look, or is still: how many critical and warning; None where it was not told.

    changes: those since the last look, oldest first; last: the newest transition's number; raised: status by alarm
    """

    critical: int | None = None
    warning: int | None = None
    changes: Sequence[Transition] = ()
    last: int | None = None
    raised: Mapping[str, str] = field(default_factory=dict)


def alarms(reply: HttpReply | None, last: int | None, raised: Mapping[str, str]) -> Alarms:
    """What the log says, of which everything up to the transition `last` was known; None: it was never read."""
    transitions = _transitions(reply)
    if transitions is None:
        return Alarms(last=last, raised=raised)
    news = sorted((one for one in transitions if last is None or one.number > last), key=lambda one: one.number)
    changed = news if last is not None else []  # what was before the first look is nobody's news
    at_some_time = [*raised.items(), *((one.key, one.status) for one in changed)]
    after = {**raised, **{one.key: one.status for one in news}}
    still = dict([(key, status) for key, status in after.items() if status in RAISED][-_MOST_KEPT:])
    critical = {key for key, status in [*at_some_time, *still.items()] if status == "CRITICAL"}
    warning = {key for key, status in [*at_some_time, *still.items()] if status == "WARNING"} - critical
    newest = max((one.number for one in transitions), default=last or 0)
    return Alarms(len(critical), len(warning), [one for one in changed if _matters(one)], newest, still)


def shown(changes: Sequence[Transition]) -> list[dict[str, Any]]:
    """The newest of them as facts."""
    return [
        {"name": one.name, "chart": one.chart, "status": one.status.lower(), "old_status": one.old_status.lower(),
         "value": one.value, "at": rfc3339(one.at)}
        for one in changes[-_MOST_SHOWN:]
    ]  # fmt: skip


def said(changes: Iterable[Transition]) -> str:
    """What was raised, as a person reads it: "Netdata: 10min_cpu_usage critical (97.2%)"; empty for nothing."""
    raised = list({one.key: one for one in changes if one.status in RAISED}.values())
    words = [f"{one.name} {one.status.lower()} ({one.value})" for one in raised[:3]]
    more = [f"and {len(raised) - 3} more"] if len(raised) > 3 else []
    return f"Netdata: {', '.join([*words, *more])}" if words else ""


def _matters(one: Transition) -> bool:
    """Alarms that take up or end their work tell nothing."""
    return one.status in RAISED or one.old_status in RAISED


def _transitions(reply: HttpReply | None) -> list[Transition] | None:
    """Those of alarm_log (API 1) or alert_transitions (API 2 and 3); None where it is neither."""
    if reply is None or reply.error is not None or reply.status != 200 or reply.truncated:
        return None
    try:
        document = parse(reply.body) if reply.body.strip() else []  # an agent of 2.x has an empty text for no alarms
        entries = document["transitions"] if isinstance(document, dict) else document
        return [_of_api_2(one) if "gi" in one else _of_api_1(one) for one in entries]
    except (ValueError, TypeError, KeyError):
        return None


def _of_api_1(one: Mapping[str, Any]) -> Transition:
    return Transition(
        int(one["unique_id"]), str(one["name"])[:100], str(one["chart"])[:100], str(one["status"]),
        str(one["old_status"]), unescape(str(one["value_string"]))[:50], float(one["when"]),
    )  # fmt: skip


def _of_api_2(one: Mapping[str, Any]) -> Transition:
    value, units = one["new"].get("value"), one.get("units") or ""
    return Transition(
        int(one["gi"]), str(one["alert"])[:100], str(one["instance"])[:100], str(one["new"]["status"]),
        str(one["old"]["status"]), ("-" if value is None else f"{value:.4g} {units}".strip())[:50], float(one["when"]),
    )  # fmt: skip
