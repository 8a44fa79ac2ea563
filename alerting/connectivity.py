"""Is it us? Failures in which nobody answered wait until our own network was tested, and are excused if it is down."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from alerting import own, own_network
from alerting.config import Config
from alerting.intake import Intake
from alerting.own_network import Verdict
from alerting.store import subjects
from alerting.store.database import Unavailable, describe, reading
from probes import Observation
from probes._machinery.reach import Reach, reach

Sort = Literal["plain", "excused", "waits"]

logger = logging.getLogger("vedette.scheduler")

_AT_LEAST = 2  # hosts beyond this machine: one that does not answer is a sign of nothing but itself
_HOLDS_FOR = 5.0  # seconds a network found to be down is taken to be, unless somebody answers
_SETTLES = 2.0  # seconds after an outage in which neighbours and routes are still being found
_LONGEST_LOOK = 60.0  # seconds; what lies further before an outage was seen by a clock that was set back since
_TOLD_EVERY = 60.0
_MOST_OUTAGES = 3  # in a row that excuse a subject which does not answer between them, as others do


class Outage(NamedTuple):
    """What was wrong with our own network, from when until when that is known; epoch seconds."""

    fault: str
    since: float
    until: float


class Connectivity:
    """What is known of the network beyond this machine. Replies are heard in one thread, batches inspected in another.

    configuration: asked each time, the last good one
    """

    def __init__(self, configuration: Callable[[], Config]) -> None:
        self._configuration = configuration
        self._latest: dict[str, Reach] = {}
        self._answered_at = (
            0.0  # when somebody beyond this machine answered last; this and the following: epoch seconds
        )
        self._tested_at = 0.0
        self._outage = Outage("", 0.0, 0.0)  # the last one
        self._told: tuple[float, str | None] = (0.0, "")  # when self/network was observed last, and as what
        self._here: frozenset[str] = frozenset()
        self._excuses: dict[str, tuple[int, float]] = {}  # outages a subject was excused by in a row, and when last
        self._held: list[Observation] = []
        self._testing = False
        self._lock = threading.Lock()

    def heard(self, subject: Any, request: Any, reply: Any) -> None:
        """A probe of `subject` was given a reply."""
        told = reach(request, reply)
        if told is None or told.host in self._here:
            self._latest.pop(subject, None)
            return
        self._latest[subject] = told
        if told.answered:
            self._excuses.pop(subject, None)
            self._answered_at = now = time.time()
            self._end_outage(now)

    def inspect(self, intake: Intake, batch: Sequence[Observation]) -> Sequence[Observation]:
        """What of the batch is to be stored now: suspects come back once our network was tested, maybe excused."""
        sorts = self._sorted(batch)
        self._hold(intake, sorts["waits"])
        try:
            excused = self._excused(sorts["excused"])
        except Unavailable:
            self._hold(intake, sorts["excused"])
            excused = []
        intake.excuse(excused)
        return [*sorts["plain"], *excused]

    def settle(self, observed: Sequence[Observation]) -> tuple[list[Observation], list[Observation]]:
        """The same here and now, for a run that looks once: what is to be judged, and what is only to be stored."""
        if self._sorted(observed)["waits"]:
            self._examine()
        sorts = self._sorted(observed)
        return sorts["plain"], self._excused(sorts["excused"])

    def _sorted(self, batch: Sequence[Observation]) -> Mapping[Sort, list[Observation]]:
        if self._answered_at > self._tested_at and self._told[1] is not None:
            self._tell(None)
        several = self._are_several()
        sorts: dict[Sort, list[Observation]] = {"plain": [], "excused": [], "waits": []}
        for one in batch:
            sorts[self._sort(one, several)].append(one)
        return sorts

    def _sort(self, one: Observation, several: bool) -> Sort:
        """Plain where it tells of its target, excused where it fell into an outage of ours, or it waits for a test."""
        told, began = self._latest.get(one.subject), one.at - one.duration
        if one.status == "ok" or told is None or told.answered or told.host in self._here or not several:
            return "plain"
        if self._outage.since - _LONGEST_LOOK <= one.at and began <= self._outage.until + _SETTLES:
            # Others answer between one outage and the next, and this one never does: then it is not our network.
            return "plain" if self._excuses.get(one.subject, (0, 0.0))[0] > _MOST_OUTAGES else "excused"
        return "plain" if self._answered_at >= began or self._tested_at >= one.at else "waits"

    def _are_several(self) -> bool:
        """Whether so many hosts beyond this machine were looked at that all failing at once says something."""
        found: set[str] = set()
        for host in self._beyond():
            found.add(host)
            if len(found) >= _AT_LEAST:
                return True
        return False

    def _hosts(self) -> set[str]:
        """The hosts beyond this machine that were looked at."""
        return set(self._beyond())

    def _beyond(self) -> Iterator[str]:
        watched = self._configuration().watch_of
        for subject, told in list(self._latest.items()):
            if subject in watched and told.host not in self._here:
                yield told.host

    def _end_outage(self, now: float) -> None:
        if self._outage.until > now:
            self._outage = self._outage._replace(until=now)

    def _excused(self, suspects: Sequence[Observation]) -> list[Observation]:
        """In their place, that nobody could tell; what the next look compares with stays as it was."""
        if not suspects:
            return []
        for one in suspects:
            outages, last = self._excuses.get(one.subject, (0, 0.0))
            self._excuses[one.subject] = outages + (self._answered_at > last or not outages), time.time()
        with reading():
            states = subjects.states([one.subject for one in suspects])
        said = f"our own network seems to be down: {self._outage.fault}"
        facts = {name: state.observation.facts for name, state in states.items()}
        found = {
            one.subject: Observation("unknown", {}, said, facts.get(one.subject, {}), one.subject, one.at, one.duration)
            for one in suspects
        }
        return list(found.values())

    def _hold(self, intake: Intake, suspects: Sequence[Observation]) -> None:
        """Keep them until a test that begins from now on has ended."""
        if not suspects:
            return
        with self._lock:
            self._held += suspects
            if self._testing:
                return
            self._testing = True
        threading.Thread(target=self._test, args=(intake,), name="connectivity", daemon=True).start()

    def _test(self, intake: Intake) -> None:
        while suspects := self._take_held():
            try:
                self._examine()
            except Exception:
                logger.exception("our own network's state could not be told")  # suspects must not wait for that
            for one in suspects:
                intake.put_back(one)

    def _examine(self) -> None:
        began, verdict = time.time(), self._verdict()
        self._here |= verdict.here
        fault = None if self._answered_at >= began else verdict.fault  # who answers meanwhile proves more
        if fault is None:
            self._end_outage(began)
        else:
            self._outage = Outage(fault, began, began + _HOLDS_FOR)
        self._tested_at = began
        if fault is not None or self._told[1] is not None:
            self._tell(fault)

    def _take_held(self) -> list[Observation]:
        with self._lock:
            taken, self._held = self._held, []
            self._testing = bool(taken)
            return taken

    def _verdict(self) -> Verdict:
        try:
            return own_network.examine(self._configuration(), self._hosts())
        except Exception:
            logger.exception("our own network could not be tested")
            return Verdict(None, frozenset())

    def _tell(self, fault: str | None) -> None:
        """Observe our network itself; the same again only now and then."""
        now = time.time()
        if fault == self._told[1] and now - self._told[0] < _TOLD_EVERY:
            return
        words = None if fault is None else f"Vedette's own network seems to be down: {fault}; its targets are unknown"
        try:
            own.observe(self._configuration(), own.NETWORK, words, now)
            self._told = (now, fault)
        except Unavailable as error:
            logger.error("our network's state could not be stored: %s", describe(error))
