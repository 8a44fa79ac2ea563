"""The heart as a property: whatever happened, once the world rests whoever was told anything knows the truth.

A random history of observations, human actions, configuration edits, provider failures and crashes is played through
the real rules, lifecycle, store and dispatch on a simulated clock; only the providers are ours.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alerting import dispatch, pipeline
from alerting.channels.outcome import DeliveryError, Receipt
from alerting.config import Channel, Config, Organization, Rule, Silence, Watch
from alerting.lifecycle import Alert
from alerting.messages import Message
from alerting.store import alerts, silences
from alerting.store.database import database, reading, transaction
from probes import Observation

SUBJECTS = ("check/web", "server/prod-1", "environment/shop")
CHANNELS = ("ops", "mail", "daily")
COOLDOWN = 300.0

CONFIG = Config(
    organizations=(Organization("acme", "Acme"),),
    watches=(
        Watch("check/web", "http", "acme", 10.0, {}),
        Watch("server/prod-1", "netdata", "acme", 10.0, {}, server="prod-1"),
        Watch("environment/shop", "replica", "acme", 10.0, {}, server="prod-1", parents=("server/prod-1",)),
    ),
    rules=(
        Rule("HTTP down", "http_down", "critical", "status", ">=", 2, 0, COOLDOWN, ("ops", "mail"), kinds=("http",)),
        Rule("High CPU", "cpu_high", "warning", "cpu_percent", ">", 80, 20, COOLDOWN, ("mail",)),
        Rule("CPU critical", "cpu_high", "critical", "cpu_percent", ">", 95, 10, COOLDOWN, ("ops", "mail")),
        Rule("Server down", "server_down", "critical", "status", ">=", 2, 0, COOLDOWN, ("ops", "mail")),
        Rule("Lag", "replica_lag", "warning", "status", ">=", 1, 0, COOLDOWN, ("email",), remind_seconds=900.0),
        Rule("Lag", "replica_lag", "critical", "status", ">=", 2, 0, COOLDOWN, ("ops", "mail", "daily")),
    ),
    channels=(
        Channel("ops", "slack", "acme", {"n": 1}),
        Channel("mail", "email", "acme", {"n": 2}),
        Channel("daily", "webhook", "acme", {"n": 3}, digest=True),
    ),
)
EDITS: dict[str, Callable[[Config], Config]] = {
    "whole": lambda config: CONFIG,
    "rule_gone": lambda config: replace(config, rules=config.rules[1:]),
    "server_gone": lambda config: replace(config, watches=config.watches[:1]),
    "threshold": lambda config: replace(config, rules=tuple(replace(rule, threshold=90.0) for rule in config.rules)),
}


class Crash(BaseException):
    """The process dies here."""


@dataclass
class Provider:
    """A provider that answers as told, and everything that reached a person through it."""

    answer: str = "ok"
    received: list[Message] = field(default_factory=list)

    def deliver(self, channel_settings: Any, message: Message, *, plain: bool, timeout: float) -> Receipt:
        answer = "ok" if self.answer == "needs_plain" and plain else self.answer
        if answer in ("ok", "arrived_then_crash", "arrived_then_timeout"):
            self.received.append(message)
        if answer.endswith("crash"):
            raise Crash
        if answer != "ok":
            raise FAILURES[answer]
        return Receipt(None)

    def last_told(self, fingerprint: str) -> str | None:
        told = [item.told for message in self.received for item in message.items if item.fingerprint == fingerprint]
        return told[-1] if told else None


FAILURES = {
    "arrived_then_timeout": DeliveryError("timeout", "no answer", action="retry", arrived="unknown"),
    "timeout": DeliveryError("timeout", "no answer", action="retry", arrived="unknown"),
    "http_500": DeliveryError("http_500", "trouble", action="retry", arrived="unknown"),
    "refused": DeliveryError("refused", "nobody there", action="retry", arrived="no"),
    "limited": DeliveryError("ratelimited", "slower", action="wait", arrived="no", retry_after=30.0),
    "needs_plain": DeliveryError("invalid_blocks", "blocks", action="plain", arrived="no"),
    "gone": DeliveryError("http_404", "no such webhook", action="give_up", arrived="no"),
}
ANSWERS = ("ok", "crash", "arrived_then_crash", *FAILURES)


@dataclass
class World:
    """The installation under test, its clock, and the truth."""

    providers: dict[str, Provider]
    config: Config = CONFIG
    now: float = 1_000_000.0
    seen: dict[str, Observation] = field(default_factory=dict)

    def observe(self, subject: str, status: str, cpu: float | None) -> None:
        seen = Observation(status, {"cpu_percent": cpu}, f"{status} {cpu}", {}, subject, self.now)  # type: ignore[arg-type]
        self.seen[subject] = seen
        pipeline.ingest(self.config, [seen], self.now)

    def edit(self, name: str) -> None:
        self.config = EDITS[name](self.config)
        pipeline.reconcile(self.config, self.now)
        dispatch.refresh(self.config)

    def deliver(self) -> None:
        with contextlib.suppress(Crash):  # a new process goes on with what the database says
            dispatch.deliver_due(self.config, "http://here", "me", lambda: self.now)

    def act(self, action: str, place: int) -> None:
        with reading():
            open_alerts = sorted(alerts.unresolved(), key=lambda alert: alert.id)
        if open_alerts:
            chosen = open_alerts[place % len(open_alerts)]
            ACTIONS[action](self.config, chosen.id, self.now)

    def silence(self, name: str, lasts: float) -> None:
        with transaction():
            silences.add(Silence(0, "acme", {"subject": name}, self.now, self.now + lasts, "work", "alice", self.now))

    def rest(self) -> None:
        """Nothing changes any more, providers are well, and more than every wait goes by."""
        for provider in self.providers.values():
            provider.answer = "ok"
        self.edit("whole")
        for wait in (*[50.0] * 20, *[700.0] * 20):
            self.now += wait
            for subject in SUBJECTS:
                if (seen := self.seen.get(subject)) is not None:
                    pipeline.ingest(self.config, [replace(seen, at=self.now)], self.now)
            pipeline.tick(self.config, self.now)
            pipeline.keep_time(self.config, self.now)
            while self._has_something_to_say():
                self.deliver()
                self.now += 1.0

    def _has_something_to_say(self) -> bool:
        return bool(dispatch.due_channels(self.config, self.now)) or dispatch.paced(self.now)


ACTIONS: dict[str, Callable[[Config, int, float], Any]] = {
    "acknowledge": lambda config, alert, now: pipeline.acknowledge(config, alert, "alice", now, now + 500),
    "resolve": lambda config, alert, now: pipeline.resolve(config, alert, "alice", now),
    "snooze": lambda config, alert, now: pipeline.snooze(config, alert, "alice", now + 300, now),
}

observations = st.one_of(
    st.tuples(st.just("check/web"), st.sampled_from(["ok", "critical", "critical", "unknown"]), st.none()),
    st.tuples(
        st.just("server/prod-1"), st.sampled_from(["ok", "ok", "critical"]), st.sampled_from([None, 20.0, 85.0, 99.0])
    ),
    st.tuples(st.just("environment/shop"), st.sampled_from(["ok", "warning", "critical", "unknown"]), st.none()),
)
doings = st.one_of(
    st.tuples(st.just("observe"), observations),
    st.tuples(st.just("observe"), observations),
    st.tuples(st.just("edit"), st.tuples(st.sampled_from(sorted(EDITS)))),
    st.tuples(st.just("silence"), st.tuples(st.sampled_from(SUBJECTS), st.sampled_from([30.0, 500.0]))),
    st.tuples(st.just("act"), st.tuples(st.sampled_from(sorted(ACTIONS)), st.integers(0, 3))),
)
steps = st.tuples(
    doings,
    st.sampled_from([1.0, 1.0, 10.0, 61.0, 400.0]),
    st.booleans(),  # whether anything is delivered after it
    st.fixed_dictionaries({name: st.sampled_from(("ok", *ANSWERS)) for name in CHANNELS}),
)


def play(world: World, history: list[Any]) -> None:
    for (name, arguments), wait, delivered, answers in history:
        world.now += wait
        getattr(world, name)(*arguments)
        pipeline.tick(world.config, world.now)
        pipeline.keep_time(world.config, world.now)
        if delivered:
            for channel, answer in answers.items():
                world.providers[channel].answer = answer
            world.deliver()


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Provider]:
    made = {name: Provider() for name in CHANNELS}
    by_kind = {"slack": made["ops"], "email": made["mail"], "webhook": made["daily"]}
    monkeypatch.setattr(dispatch.channels, "find", lambda kind: by_kind[kind])
    return made


@pytest.fixture
def fresh(store: str) -> Iterator[Callable[[], None]]:
    """Empties every table between two histories: making the tables anew would cost more than playing one."""

    def empty() -> None:
        with database.connection_context(), database.atomic():
            for table in (
                "event",
                "subject",
                "breach",
                "alert",
                "told",
                "notification",
                "attempt",
                "channel_state",
                "flap",
                "decision",
                "silence",
            ):
                database.execute_sql(f"delete from {table}")

    yield empty


EXAMPLES = int(os.environ.get("CONVERGENCE_EXAMPLES", "40"))
# A history is long to play: making a failing one shorter takes many minutes, and is asked for by name.
SHRINKING = [Phase.shrink] if os.environ.get("CONVERGENCE_SHRINK") else []


@pytest.mark.timeout(3600)
@settings(
    max_examples=EXAMPLES,
    phases=[Phase.reuse, Phase.generate, *SHRINKING],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=st.lists(steps, min_size=2, max_size=25))
def test_everyone_told_anything_ends_up_knowing_the_truth(
    fresh: Callable[[], None], providers: dict[str, Provider], history: list[Any]
) -> None:
    fresh()
    for provider in providers.values():
        provider.received.clear()
        provider.answer = "ok"
    world = World(providers)
    play(world, history)
    world.rest()
    with reading():
        truth = {alert.fingerprint: alert for alert in alerts.unresolved()}
    told = {
        item.fingerprint for provider in providers.values() for message in provider.received for item in message.items
    }
    for fingerprint in told | set(truth):
        for name, provider in providers.items():
            last = provider.last_told(fingerprint)
            if fingerprint not in truth:
                assert last in (None, "resolved"), f"{name} still believes that {fingerprint} is open"
            elif name in _concerned(truth[fingerprint]) and not _stands_for_it(fingerprint, truth):
                assert last == "triggered", f"{name} was never told that {fingerprint} is open"
            # A channel that stood in for a broken one knows how that incident ended; the next is not its business.
    assert _expected(world) <= set(truth), "something is wrong and no alert says so"


def _concerned(alert: Alert) -> tuple[str, ...]:
    named = [one.notify_channels for one in CONFIG.rules if (one.name, one.severity) == (alert.rule, alert.severity)]
    return tuple("mail" if name == "email" else name for channels in named for name in channels)


def _stands_for_it(fingerprint: str, truth: dict[str, Alert]) -> bool:
    """Whether its parent is in trouble: then nobody need be told of it."""
    parent = (one.severity for one in truth.values() if one.subject == "server/prod-1")
    return fingerprint.startswith("replica_lag") and "critical" in parent


def _expected(world: World) -> set[str]:
    """The alerts the last observations ask for, by the plain reading of the rules after a long rest."""
    expected = set()
    web, server = (world.seen.get(subject) for subject in SUBJECTS[:2])
    if web is not None and web.status == "critical":
        expected.add("http_down:web:status")
    if server is not None and server.status == "critical":
        expected.add("server_down:prod-1:status")
    if server is not None and (server.values["cpu_percent"] or 0.0) > 80:
        expected.add("cpu_high:prod-1:cpu_percent")
    shop = world.seen.get("environment/shop")
    if shop is not None and shop.status in ("warning", "critical"):
        expected.add("replica_lag:shop:status")
    return expected
