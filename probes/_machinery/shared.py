"""What several probes ask of one server in the same words within moments: asked once, and the answer given to all."""

from collections.abc import Hashable, Mapping
from math import inf
from typing import Any, NamedTuple

from probes._machinery.requests import HttpReply, HttpRequest
from probes._machinery.tasks import Task

_KEPT = 60.0  # seconds; nobody may share for longer
_OWN = ("timeout", "share_seconds")  # what each asker may choose for itself: it changes no answer


class Settled(NamedTuple):
    """Who has the reply as well, and who must ask on: theirs was not the time that was up."""

    answered: list[Task]
    patient: list[tuple[Task, HttpRequest]]


class Shared:
    """Answers not older than their askers allow, and who waits for one that is under way."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, tuple[float, HttpReply]] = {}
        self._askers: dict[Hashable, Task] = {}
        self._waiting: dict[Hashable, dict[Task, HttpRequest]] = {}
        self._key_of: dict[Task, Hashable] = {}

    def answer(self, request: HttpRequest, now: float) -> HttpReply | None:
        """The reply that somebody got to this request in the last `share_seconds`, else None."""
        at, reply = self._answers.get(_key(request), (0.0, None))
        return reply if reply is not None and now - at <= request.share_seconds else None

    def join(self, request: HttpRequest, task: Task) -> bool:
        """Whether somebody is asking this already: then `task` waits for that. Otherwise it is the one to ask."""
        key = _key(request)
        self._key_of[task] = key
        if key in self._askers:
            self._waiting.setdefault(key, {})[task] = request
            return True
        self._askers[key] = task
        return False

    def settle(self, task: Task, request: HttpRequest, reply: HttpReply, now: float) -> Settled:
        """The reply to what `task` asked is there: for whom else, and who waits longer than it did."""
        key = self._key_of.pop(task, None)
        if key is None:
            return Settled([], [])
        if reply.error is None:  # trouble may be over at the next moment: it is for those alone who wait for it
            self._answers = {one: kept for one, kept in self._answers.items() if now - kept[0] <= _KEPT}
            self._answers[key] = now, reply
        others = self._part(key)
        patience = request.timeout if reply.error_class == "timeout" else inf
        return Settled(
            [other for other, own in others if own.timeout <= patience],
            [(other, own) for other, own in others if own.timeout > patience],
        )

    def leave(self, task: Task) -> list[tuple[Task, HttpRequest]]:
        """The task has ended before its reply: those who waited for what it asked must ask themselves."""
        key = self._key_of.pop(task, None)
        if key is None:
            return []
        if self._askers.get(key) is not task:
            del self._waiting[key][task]
            return []
        return self._part(key)

    def _part(self, key: Hashable) -> list[tuple[Task, HttpRequest]]:
        """Nobody asks this any more: who waited for it."""
        del self._askers[key]
        others = list(self._waiting.pop(key, {}).items())
        for other, _ in others:
            del self._key_of[other]
        return others


def _key(request: HttpRequest) -> Hashable:
    return tuple(_fixed(value) for name, value in zip(request._fields, request, strict=True) if name not in _OWN)


def _fixed(value: Any) -> Hashable:
    if isinstance(value, Mapping):
        return tuple(sorted((name, _fixed(one)) for name, one in value.items()))
    return tuple(_fixed(one) for one in value) if isinstance(value, list | tuple) else value
