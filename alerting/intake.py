"""Takes what was observed to the pipeline: at once what may be news, together once a second what changes nothing."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from alerting import pipeline
from alerting.config import Config
from alerting.quiet import Quiet
from alerting.store.database import Unavailable, describe, taking_turns
from alerting.store.subjects import State
from probes import Observation

logger = logging.getLogger("vedette.scheduler")

_BATCH = 500
_GATHER = 0.05  # seconds others may join the first of a batch: a transaction each would cost five times as much
_UNHURRIED = 1.0  # seconds the same of what changes nothing: as much of it as a crash may lose
_KEPT = 100_000  # observations held in memory while the database cannot take them

Inspect = Callable[["Intake", Sequence[Observation]], Sequence[Observation]]
"""What is to be stored now of a batch: an inspector may leave some out and put them back later, or say better what was
seen, and excuse what that must not raise.
"""


class Intake:
    """Stores what is put into it, in one thread, until it is ended.

    configuration  asked for each batch: the last good one
    on_stored      called after each stored batch: alerts may have something to say
    inspect        asked of each batch before it is stored
    """

    def __init__(
        self, configuration: Callable[[], Config], on_stored: Callable[[], None], inspect: Inspect | None = None
    ) -> None:
        self._configuration = configuration
        self._on_stored = on_stored
        self._inspect = inspect
        self._quiet = Quiet()
        self._observed: deque[Observation] = deque()
        self._oldest: float | None = None  # when the first of what is being stored was observed
        self._called = threading.Event()
        self._ending = threading.Event()
        self._distrusted: set[str] = set()  # subjects whose next look raises nothing
        self._excused: set[tuple[str, float]] = set()  # looks that raise nothing: their subjects and moments

    def remember(self, states: Mapping[str, State]) -> None:
        """These were read from the database just now."""
        self._quiet.remember(states)

    def put(self, observation: Observation) -> bool:
        """Have it stored; False where there is no room because the database has taken nothing for too long."""
        if len(self._observed) >= _KEPT:
            return False
        if observation.subject in self._distrusted:
            self._distrusted.discard(observation.subject)
            self.excuse([observation])
        self._observed.append(observation)
        if not self._quiet.may_wait(self._configuration(), observation):
            self._called.set()
        return True

    def lag(self, now: float) -> float:
        """How many seconds ago the oldest was observed of what is being stored; 0 where nothing is."""
        oldest = self._oldest
        return 0.0 if oldest is None else now - oldest

    def put_back(self, observation: Observation) -> None:
        """Have one stored that was put in before, and left out by the inspector."""
        self._observed.append(observation)
        self._called.set()

    def distrust(self, subjects: Iterable[str]) -> None:
        """The next look at each of these that is put in raises nothing; those put in before are judged as ever."""
        self._distrusted.update(subjects)

    def excuse(self, observations: Iterable[Observation]) -> None:
        """These raise nothing, and every wait begins anew with the next."""
        self._excused.update((one.subject, one.at) for one in observations)

    def end(self) -> None:
        """Store what there is, then come to an end."""
        self._ending.set()
        self._called.set()

    def run(self) -> None:
        """Store until ended and nothing is left."""
        while not self._ending.is_set() or self._observed:
            batch = self._inspect(self, self._take()) if self._inspect is not None else self._take()
            if not self._store(batch):
                return
            self._oldest = None
            if batch:
                self._on_stored()

    def _take(self) -> list[Observation]:
        """What was observed, in order: soon after something came that may be news, else when a while has gone by."""
        if len(self._observed) < _BATCH and self._called.wait(_UNHURRIED):
            self._ending.wait(_GATHER)
            self._called.clear()
        self._oldest = self._observed[0].at if self._observed else None
        return [self._observed.popleft() for _ in range(min(_BATCH, len(self._observed)))]

    def _store(self, batch: Sequence[Observation]) -> bool:
        """Store the batch, however often that must be tried; False where we were ended meanwhile."""
        groups = _one_a_subject(batch)
        while groups:
            try:
                groups[:1] = self.store_group(groups[0])
            except Unavailable as error:
                logger.error("the database takes nothing: %s; trying again", describe(error))
                if self._ending.wait(1.0):
                    return False
        return True

    def store_group(self, group: list[Observation]) -> list[list[Observation]]:
        """Store them; what is left to try. One that cannot be judged must not take the others with it."""
        try:
            self._ingest(group)
        except Unavailable:
            raise
        except Exception:
            if len(group) > 1:
                return [[one] for one in group]
            logger.exception("lost an observation of %s: it could not be judged", group[0].subject)
        return []

    def _ingest(self, group: Sequence[Observation]) -> None:
        with taking_turns():  # both or neither: trying again must not count an observation twice
            # Asked for here and not before the wait for our turn: meanwhile a watch may have been taken out.
            config, now = self._configuration(), time.time()
            excused: list[Observation] = []
            judged: list[Observation] = []
            for one in group:
                (excused if (one.subject, one.at) in self._excused else judged).append(one)
            news = self._quiet.store(config, judged, now)
            pipeline.ingest(config, news, now)
            pipeline.ingest(config, excused, now, only_observe=True)
        self._quiet.note(config, [*news, *excused])
        self._excused.difference_update((one.subject, one.at) for one in excused)


def _one_a_subject(batch: Sequence[Observation]) -> list[list[Observation]]:
    """The batch in rounds with each subject at most once, in order: the pipeline judges one look at a time."""
    rounds: list[dict[str, Observation]] = []
    left: Sequence[Observation] = batch
    while left:
        group: dict[str, Observation] = {}
        left = [one for one in left if group.setdefault(one.subject, one) is not one]
        rounds.append(group)
    return [list(group.values()) for group in rounds]
