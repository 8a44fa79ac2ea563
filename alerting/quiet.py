"""Observations that change nothing: told apart in memory, proved against the database, stored by a few statements.

Most looks find all as it was: the status stands, no rule's condition holds, nobody is to be told. The pipeline would
come to that by asking the database for each. Here memory says which looks may be so, and the database has the last
word: nothing is stored unless no rule's condition holds and no alert stands there, and every state is still the one
this process remembers. Where it is not, because another process wrote meanwhile, the pipeline judges as ever.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from alerting import notices, rules
from alerting.config import Config, Watch
from alerting.phrasing import one_line
from alerting.pipeline import SILENT_INTERVALS
from alerting.rules import OPERATORS
from alerting.store import baselines, history, subjects
from alerting.store.database import encoded, taking_turns
from alerting.store.subjects import State
from probes import Observation

_Condition = tuple[str, Callable[[float, float], bool], float, int]  # metric, operator, threshold, failures asked for


class Quiet:
    """What this process knows of the states in the database, and of the conditions put to each subject."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._repeats: dict[str, int] = {}
        self._conditions: tuple[Config, dict[str, tuple[_Condition, ...]]] = (Config(), {})
        self._interned: dict[tuple[_Condition, ...], tuple[_Condition, ...]] = {}

    def remember(self, states: Mapping[str, State]) -> None:
        """These were just read."""
        self._states.update(states)

    def note(self, config: Config, observations: Iterable[Observation]) -> None:
        """The pipeline has just taken these, or left them out: then the database will tell."""
        for one in observations:
            watch, before = config.watch_of.get(one.subject), self._states.get(one.subject)
            if watch is None:
                self._states.pop(one.subject, None)
                continue
            if before is not None and self._is_repeated(config, watch, before.observation, one):
                self._repeats[one.subject] = self._repeats.get(one.subject, 0) + 1
            else:
                self._repeats.pop(one.subject, None)
            since = before.since if before is not None and before.observation.status == one.status else one.at
            self._states[one.subject] = State(one, watch.kind, watch.organization, since, one.at)

    def may_be(self, config: Config, one: Observation) -> bool:
        """Whether, as far as we know, this observation changes nothing. From any thread."""
        watch, before = config.watch_of.get(one.subject), self._states.get(one.subject)
        if watch is None or before is None or one.status == "unknown" or one.status != before.observation.status:
            return False
        if (before.kind, before.organization) != (watch.kind, watch.organization) or one.at < before.observation.at:
            return False
        # Without facts there is nothing but the status that an event could tell of.
        if (one.facts or before.observation.facts) and self._is_told(watch, one, before):
            return False
        return not any(_holds(condition, one) for condition in self._conditions_on(config, watch))

    @staticmethod
    def _is_told(watch: Watch, one: Observation, before: State) -> bool:
        return bool(notices.observed(watch, one, before)) or baselines.is_first(watch, one)

    def may_wait(self, config: Config, one: Observation) -> bool:
        """Whether it may wait for others: it changes nothing, or repeats a trouble that was counted to its end."""
        if self.may_be(config, one):
            return True
        watch, before = config.watch_of.get(one.subject), self._states.get(one.subject)
        if watch is None or before is None or one.status == "unknown" or self._is_told(watch, one, before):
            return False
        counted = 1 + self._repeats.get(one.subject, 0)
        asked_for = max((condition[3] for condition in self._conditions_on(config, watch)), default=0)
        return counted >= asked_for and self._is_repeated(config, watch, before.observation, one)

    def store(self, config: Config, observations: Sequence[Observation], now: float) -> list[Observation]:
        """Store those that change nothing, at most one a subject; the rest, which the pipeline must judge."""
        likely = [one for one in observations if self.may_be(config, one)]
        stored = self._store(config, likely, now) if likely else {}
        self._keep(stored.values())
        return [one for one in observations if one.subject not in stored]

    def _store(self, config: Config, likely: Sequence[Observation], now: float) -> Mapping[str, Observation]:
        try:
            with taking_turns():
                restless = subjects.restless(now)
                quiet = [one for one in likely if one.subject not in restless]
                self._write(config, quiet)
        except (_NotAsRemembered, ValueError):  # a number that is none: the pipeline knows what to do
            return {}
        return {one.subject: one for one in quiet}

    def _keep(self, stored: Iterable[Observation]) -> None:
        for one in stored:
            before = self._states[one.subject]
            self._repeats.pop(one.subject, None)
            self._states[one.subject] = State(one, before.kind, before.organization, before.since, one.at)

    def _write(self, config: Config, quiet: Sequence[Observation]) -> None:
        """The latest states and the samples. Raises _NotAsRemembered where a state is not the one we know."""
        latest, looks = [], []
        for one in quiet:
            watch, before = config.watch_of[one.subject], self._states[one.subject]
            values = encoded({**one.values, SILENT_INTERVALS: 0.0})
            facts = encoded(one.facts) if one.facts else "{}"
            latest.append(subjects.same(before, one, values, facts, one_line(one.message)))
            looks.append(history.row(watch, one, values))
        if subjects.keep_same(latest) != len(latest) or history.append(looks) != len(looks):
            raise _NotAsRemembered

    def _is_repeated(self, config: Config, watch: Watch, before: Observation, one: Observation) -> bool:
        """Whether both have the same status and break the same rules."""
        return before.status == one.status and all(
            _holds(condition, before) == _holds(condition, one) for condition in self._conditions_on(config, watch)
        )

    def _conditions_on(self, config: Config, watch: Watch) -> tuple[_Condition, ...]:
        known = self._conditions
        if known[0] is not config:
            known = self._conditions = (config, {})
        found = known[1].get(watch.subject)
        if found is None:
            put = rules.applicable(config, watch)
            found = tuple(
                (rule.metric_name, OPERATORS[rule.operator], rule.threshold, max(rule.of, rules.asked(rule, watch)))
                for rule in put
            )
            found = known[1][watch.subject] = self._interned.setdefault(found, found)
        return found


class _NotAsRemembered(Exception):
    """Another process has written what we thought we knew."""


def _holds(condition: _Condition, one: Observation) -> bool:
    metric, operator, threshold, _ = condition
    value = 0.0 if metric == SILENT_INTERVALS else rules.value_of(one, metric)
    return value is not None and operator(value, threshold)
