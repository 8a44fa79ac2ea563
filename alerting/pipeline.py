"""The door in: observations become states, breaches, alerts, outbox rows and events, in one transaction."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from alerting import channels, flapping, hooked, lifecycle, messages, notices, routing, rules
from alerting.config import Config, Rule, Watch
from alerting.lifecycle import Alert, Change, Finding
from alerting.phrasing import clock, duration, one_line
from alerting.routing import Addressee, Circumstances, Due, Plan, Restless
from alerting.rules import Breach
from alerting.store import alerts, baselines, decisions, events, flaps, history, outbox, subjects
from alerting.store.database import encoded, reading, taking_turns
from alerting.store.decisions import Decision
from alerting.store.events import NewEvent
from alerting.store.subjects import State
from probes import Observation
from probes._machinery.checking import unmeasured

logger = logging.getLogger("vedette.pipeline")

STALE_AFTER = 3
"""Intervals without an observation after which a subject's state is not known any more."""

SILENT_INTERVALS = "silent_intervals"
"""The metric that counts them, so that "nobody can tell" is a rule like any other."""

_GROUP = 500  # subjects a statement asks about: PostgreSQL takes 65,535 parameters, and others want their turn

_DRILL_LASTS = 3600.0  # seconds; one that is older was cut off before it could end its alert


@dataclass(frozen=True, slots=True)
class _Judged:
    """What one observation led to."""

    changes: tuple[Change, ...]
    breaches: Mapping[tuple[str, str], Breach | None]
    lines: tuple[Decision, ...] = ()


def ingest(config: Config, observations: Sequence[Observation], now: float, only_observe: bool = False) -> int:
    """Judge a batch of observations, at most one a subject, and store all that follows. How many alerts changed.

    `only_observe`: nothing is raised, and every wait begins anew with the next look (the first round after the machine
    slept or its clock jumped). An observation of something no longer watched, or older than the one that is kept, is
    left out.
    """
    watched = [(config.watch_of[one.subject], one) for one in observations if one.subject in config.watch_of]
    return _ingest(config, watched, now, only_observe) if watched else 0


def ingest_own(config: Config, watch: Watch, observation: Observation, now: float) -> int:
    """The same for one of Vedette's own parts, which no file declares."""
    return _ingest(config, [(watch, observation)], now, only_observe=False)


def ingest_reports(config: Config, reported: Sequence[tuple[Watch, Observation]], now: float) -> int:
    """The same for what other programs report to hooks, at most one a subject: no file declares these one by one."""
    return _ingest(config, list(reported), now, only_observe=False) if reported else 0


def own_watch(config: Config, name: str, organization: str) -> Watch:
    """The watch that stands for a part of Vedette itself, told to one organization: "self/scheduler"."""
    alone = len(config.organizations) <= 1
    return Watch(f"self/{name}" if alone else f"self/{organization}.{name}", "self", organization, 60.0, {})


def tick(config: Config, now: float) -> int:
    """Confirm waits that have run out although nothing newer was seen. How many alerts changed."""
    with taking_turns():
        return _judge_again(config, subjects.subjects_waiting(), now)


def _judge_again(config: Config, names: set[str], now: float) -> int:
    """Put the rules as they are now to what was last seen of these subjects."""
    held = [(_watch(config, name, state), state) for name, state in subjects.states(names).items()]
    fresh = [(watch, state.observation) for watch, state in held if watch and _fresh(watch, state, now)]
    return _judge_all(config, fresh, {}, now, advance=False)


def mark_stale(config: Config, now: float, acting_since: float) -> int:
    """Observe as `unknown` what nobody has looked at for three intervals, never silently green. How many.

    A scheduler that has just begun gives everything three intervals of its own.
    """
    with reading():
        seen = subjects.looked_at()
    silent = [
        watch.subject
        for watch in config.watches
        if watch.is_probed
        and now - max(seen.get(watch.subject, acting_since), acting_since) > STALE_AFTER * watch.every
    ]
    groups = [silent[start : start + _GROUP] for start in range(0, len(silent), _GROUP)]
    return sum(ingest(config, _unobserved(group, now), now) for group in groups)


def _unobserved(names: Sequence[str], now: float) -> list[Observation]:
    """What is to be said of subjects nobody looked at; what they were compared with stays."""
    with reading():
        states = subjects.states(names)
    facts = {name: state.observation.facts for name, state in states.items()}
    words = "not observed for three intervals"
    return [Observation("unknown", {}, words, facts.get(name, {}), name, now) for name in names]


def reconcile(config: Config, now: float) -> int:
    """Resolve the alerts whose subject or rule is gone from the configuration. How many.

    What fires by rules that have changed is judged by them as they are now. And whoever was told a beginning and, by
    whatever accident, not its end, is told that.
    """
    with taking_turns():
        gone = [alert for alert in alerts.unresolved() if _orphaned(config, alert, now)]
        changes = [
            Change("resolved", replace(lifecycle.resolve(alert, now, None), message="no longer watched"))
            for alert in gone
        ]
        left = {name for name, state in subjects.states().items() if _unwatched(config, state)}
        subjects.forget(left)
        baselines.forget(left)
        _commit(config, changes, [], now)
        _judge_again(config, subjects.subjects_breaching() - subjects.subjects_waiting(), now)
        outbox.tell_ends(config.channel_of, now)
    return len(gone)


def acknowledge(config: Config, alert_id: int, by: str, now: float, until: float | None = None) -> Alert | None:
    """Acknowledge an alert for a person, until then (4 hours otherwise); the alert, or None where there is none.

    A resolved one stays as it is, and so does one that is acknowledged already, unless a later end is asked for.
    """
    with taking_turns():
        alert = alerts.get(alert_id)
        if alert is None or alert.resolved_at is not None:
            return alert
        if alert.status == "acknowledged" and (until is None or (alert.acknowledged_until or 0) >= until):
            return alert
        until = now + lifecycle.ACKNOWLEDGED_FOR if until is None else until
        seen = lifecycle.acknowledge(alert, now, by, until)
        lines = [decisions.about(seen, "acknowledged", f"acknowledged by {by} until {clock(until)}", now)]
        _commit(config, [Change("acknowledged", seen, _rule_of(config, alert))], [], now, lines)
        return seen


def snooze(config: Config, alert_id: int, by: str, until: float, now: float) -> Alert | None:
    """Tell nobody that an alert goes on before `until`; the alert, or None where there is none.

    A resolved one stays as it is.
    """
    with taking_turns():
        alert = alerts.get(alert_id)
        if alert is None or alert.resolved_at is not None:
            return alert
        snoozed = alerts.save(lifecycle.snooze(alert, until))
        outbox.drop([row.id for row in outbox.waiting(alert.fingerprint) if row.reason == "reminder"], "snoozed", now)
        decisions.append([decisions.about(snoozed, "snoozed", f"snoozed by {by} until {clock(until)}", now)])
        return snoozed


def resolve(config: Config, alert_id: int, by: str, now: float) -> Alert | None:
    """Resolve an alert by hand. While its trouble goes on it is not raised anew before the cooldown ends."""
    with taking_turns():
        alert = alerts.get(alert_id)
        if alert is None or alert.resolved_at is not None:
            return alert
        rule = _rule_of(config, alert)
        hold = rule.cooldown_seconds if rule is not None else 3600.0
        _commit(config, [Change("resolved", lifecycle.resolve(alert, now, by, hold), rule)], [], now)
        return alerts.get(alert_id)


def keep_time(config: Config, now: float) -> int:
    """Do what is due by nothing but time: reminders, escalations, the ends of acknowledgements, snoozes and flapping.

    How many things were done.
    """
    with taking_turns():
        done = _end_acknowledgements(config, now) + _end_snoozes(config, now) + _settle(config, now)
        return done + _escalate(config, now) + _remind(config, now)


def _end_acknowledgements(config: Config, now: float) -> int:
    over = alerts.acknowledged_until(now)
    for alert in over:
        again = alerts.save(lifecycle.unacknowledge(alert))
        words = f"the acknowledgement by {alert.acknowledged_by} has run out"
        decisions.append([decisions.about(again, "unacknowledged", words, now)])
        _call_again(config, again, f"unacknowledged:{alert.acknowledged_until:.3f}:{alert.acknowledged_by}", now)
        events.append([notices.triggered(again)], now)
    return len(over)


def _end_snoozes(config: Config, now: float) -> int:
    over = alerts.snoozed_until(now)
    for alert in over:
        again = alerts.save(lifecycle.snooze(alert, None))
        decisions.append([decisions.about(again, "unsnoozed", "the snooze is over", now)])
        if again.status == "triggered":
            _call_again(config, again, f"unsnoozed:{alert.snoozed_until:.3f}", now)
    return len(over)


def _call_again(config: Config, alert: Alert, change: str, now: float) -> None:
    """Remind whoever knows of it, where nothing else waits to be told them; critical ones, or as the rule wishes."""
    rule = _rule_of(config, alert)
    if change.startswith("unacknowledged") and routing.remind_after(alert, rule) is None:
        return
    waiting = {row.channel for row in outbox.waiting(alert.fingerprint)}
    told = outbox.told(alert.fingerprint)
    knowing = [name for name, last in told.items() if last.state == "triggered" and name not in waiting]
    _remind_of(config, alert, [(name, told[name].digest, change) for name in knowing], now)


def _remind(config: Config, now: float) -> int:
    wishes = [rule.remind_seconds for rule in config.rules if rule.remind_seconds]
    rows = outbox.believing(min([*wishes, *routing.REMIND.values()]), now)
    found = alerts.many({alert for alert, _ in rows})
    done = 0
    for alert_id, told in rows:
        alert = found[alert_id]
        after = routing.remind_after(alert, _rule_of(config, alert))
        if after is not None and now >= told.at + after:
            _remind_of(config, alert, [(told.channel, told.digest, f"reminder:{told.at:.3f}")], now)
            done += 1
    return done


def _remind_of(config: Config, alert: Alert, to: Iterable[tuple[str, bool, str]], now: float) -> None:
    due = [
        Due(name, "reminder", change, routing.next_hour(now) if digest else now, digest)
        for name, digest, change in to
        if name in config.channel_of
    ]
    _write(alert, Plan(tuple(due)), now)


def _escalate(config: Config, now: float) -> int:
    if not any(rule.escalate_to for rule in config.rules) and not any(route.escalate_to for route in config.routes):
        return 0
    done = 0
    for alert in alerts.unanswered():
        wanted = routing.escalation(config, alert, _rule_of(config, alert))
        if wanted is None or now < alert.triggered_at + wanted[0]:
            continue
        escalated = alerts.save(replace(alert, escalated_at=now))
        change = f"escalated_to:{now:.3f}"
        _write(escalated, Plan(tuple(Due(one.channel, "escalated", change, now) for one in wanted[1])), now)
        names = ", ".join(one.channel for one in wanted[1])
        words = f"nobody acknowledged it for {duration(wanted[0])}: {names} told as well"
        decisions.append([decisions.about(escalated, "escalated_to", words, now)])
        done += 1
    return done


def _settle(config: Config, now: float) -> int:
    steady = flaps.steady(now)
    for flap in steady:
        flaps.forget(flap.fingerprint)
        alert = alerts.newest(flap.fingerprint)
        if alert is None or flap.since is None:
            continue
        rule = _rule_of(config, alert)
        at = _circumstances(config, alert, rule, (), now, "")
        plan = routing.settled(alert, flap.since, routing.addressees(config, alert, rule), at)
        kept = [one for one in plan.due if one.channel in config.channel_of]
        decisions.append([decisions.about(alert, "settled", f"steady for {duration(flap.delay)}", now)])
        _write(alert, replace(plan, due=tuple(kept)), now)
    return len(steady)


def _ingest(config: Config, watched: list[tuple[Watch, Observation]], now: float, only_observe: bool) -> int:
    with taking_turns():
        before = subjects.states([watch.subject for watch, _ in watched])
        news = [
            (watch, _with_silence(watch, _storable(one), before.get(one.subject)))
            for watch, one in watched
            if _is_news(one, before.get(one.subject), now)
        ]
        subjects.record([(watch, one, before.get(watch.subject)) for watch, one in news])
        _remember([(watch, one) for watch, one in news if watch.kind != hooked.KIND], before)
        baselines.keep_first(news)
        return _judge_all(config, news, before, now, advance=True, only_observe=only_observe)


def _remember(news: Sequence[tuple[Watch, Observation]], before: Mapping[str, State]) -> None:
    """Add to their histories what was seen, and which statuses changed."""
    known = {subject: (state.organization, state.observation.status) for subject, state in before.items()}
    history.open_series(one for one, _ in news if known.get(one.subject, ("",))[0] != one.organization)
    history.append([history.row(watch, one, encoded(one.values)) for watch, one in news])
    history.append_changes(
        (watch, one) for watch, one in news if known.get(one.subject) != (watch.organization, one.status)
    )


def _with_silence(watch: Watch, observation: Observation, before: State | None) -> Observation:
    """The observation with `silent_intervals`: for how many of its intervals nobody could tell how the subject is.

    A probe that gives the status of its metric all the same, as of a replica in `error`, has told: that is one trouble.
    """
    silent = 0.0
    if observation.status == "unknown" and observation.values.get("status") is None and before is not None:
        since = before.known_at if before.known_at is not None else before.since
        silent = max(0.0, (observation.at - since) / watch.every)
    return replace(observation, values={**observation.values, SILENT_INTERVALS: silent})


def _storable(observation: Observation) -> Observation:
    """What no database refuses: one line without control characters, numbers that are numbers."""
    values = {
        name: value if value is not None and isfinite(value) else None for name, value in observation.values.items()
    }
    return replace(observation, message=one_line(observation.message), values=values)


def _is_news(observation: Observation, before: State | None, now: float) -> bool:
    if before is not None and _is_same(observation, before.observation):
        return False  # stored already, though a connection that broke at the commit left its sender in doubt
    # What is kept from after now was stamped by a clock since set right: it must not blind us until then.
    return before is None or observation.at >= before.observation.at or before.observation.at > now


def _is_same(one: Observation, kept: Observation) -> bool:
    return (one.at, one.duration, one.status) == (kept.at, kept.duration, kept.status)


def _judge_all(
    config: Config,
    news: Sequence[tuple[Watch, Observation]],
    before: Mapping[str, State],
    now: float,
    advance: bool,
    only_observe: bool = False,
) -> int:
    names = [watch.subject for watch, _ in news]
    under_way = subjects.breaches(names)
    standing = {alert.fingerprint: alert for alert in alerts.standing(names, now)}
    changes: list[Change] = []
    lines: list[Decision] = []
    after: dict[tuple[str, str], Breach | None] = dict.fromkeys(under_way)  # those of rules gone since then end
    rows = _by_subject(under_way.values(), only_observe)
    for watch, observation in news:
        judged = _judge(config, watch, observation, rows.get(watch.subject, {}), standing, now, advance)
        changes += [one for one in judged.changes if not (only_observe and one.move in ("triggered", "escalated"))]
        after.update(_not_begun(judged.breaches, rows.get(watch.subject, {})) if only_observe else judged.breaches)
        lines += judged.lines if not only_observe else []
    subjects.keep_breaches(under_way, after)
    seen = [notice for watch, one in news for notice in notices.observed(watch, one, before.get(watch.subject))]
    told = [one for one in changes if advance or one.move != "continued"]  # a tick saw nothing new: no occurrence
    _commit(config, told, seen if advance else [], now, lines)
    return len([one for one in told if one.move != "continued"])


def _by_subject(under_way: Iterable[Breach], only_observe: bool) -> Mapping[str, Mapping[str, Breach]]:
    """Subject → rule key → breach, as they are to be judged."""
    found: dict[str, dict[str, Breach]] = {}
    for one in under_way:
        breach = rules.begun_anew(one) if only_observe else one
        if breach is not None:
            found.setdefault(one.subject, {})[one.rule] = breach
    return found


def _not_begun(
    breaches: Mapping[tuple[str, str], Breach | None], before: Mapping[str, Breach]
) -> Mapping[tuple[str, str], Breach | None]:
    """The breaches without those that were not under way before."""
    return {key: breach if key[0] in before else None for key, breach in breaches.items()}


def _judge(
    config: Config,
    watch: Watch,
    observation: Observation,
    under_way: Mapping[str, Breach],
    standing: Mapping[str, Alert],
    now: float,
    advance: bool,
) -> _Judged:
    breaches: dict[tuple[str, str], Breach | None] = {}
    by_fingerprint: dict[str, list[tuple[Rule, Breach | None]]] = {}
    at = min(now, observation.at) if advance else now  # late ones must not count the time they were on their way
    put = rules.applicable(config, watch)
    before = rules.handed_on(put, under_way)
    lines: list[Decision] = []
    for rule in put:
        key, name = rules.key(rule), rules.fingerprint(rule, watch)
        breach = rules.judge(rule, watch, before.get(key), observation, at, advance)
        breaches[key, watch.subject] = breach
        by_fingerprint.setdefault(name, []).append((rule, breach))
        if name not in standing and (words := rules.waits(rule, watch, before.get(key), breach)):
            lines.append(Decision(now, watch.organization, watch.subject, name, None, None, *words))
    findings = {name: _finding(pairs, observation) for name, pairs in by_fingerprint.items()}
    title = messages.alert_title
    changes = [
        lifecycle.step(standing.get(name), finding, watch, title(finding.rule.alert_type, watch.name), now)
        for name, finding in findings.items()
    ]
    return _Judged(tuple(one for one in changes if one is not None), breaches, tuple(lines))


def _finding(pairs: Sequence[tuple[Rule, Breach | None]], observation: Observation) -> Finding:
    holding = [(rule, breach) for rule, breach in pairs if breach is not None and rules.holds(rule, breach)]
    firing = rules.worst((rule, breach) for rule, breach in holding if breach.fired)
    rule, breach = firing or (pairs[0][0], None)
    known = rules.value_of(observation, rule.metric_name) is not None
    # What is only kept up is no new occurrence, and does not rise or fall either.
    seen = breach if breach is not None and breach.cleared_at is None else None
    return Finding(rule, seen, bool(holding), known)


def _commit(
    config: Config, changes: Iterable[Change], seen: Sequence[NewEvent], now: float, lines: Iterable[Decision] = ()
) -> None:
    """Store changes, what each channel is due for them, why, and, last of all, the events."""
    told: list[NewEvent] = []
    why = list(lines)
    for change in changes:
        stored = replace(change, alert=alerts.save(_counted(change, now)))
        why += _reasons(stored, now)
        decisions.append(why)
        why.clear()
        _enqueue(config, stored, now)
        told += notices.changed(stored)
    decisions.append(why)
    events.append([*seen, *told], now)


def _reasons(change: Change, now: float) -> list[Decision]:
    """What is to be written down of a change."""
    alert = change.alert
    words = {
        "triggered": f"{alert.severity}: {alert.reason}; since {clock(alert.started_at)}",
        "escalated": f"now {alert.severity}: {alert.reason}",
        "eased": f"now {alert.severity} only: told with the next message",
        "resolved": f"resolved by {alert.resolved_by}" if alert.resolved_by else f"resolved: {alert.message}",
        "released": "the trouble that was resolved by hand has ended",
    }
    return [decisions.about(alert, change.move, words[change.move], now)] if change.move in words else []


def _counted(change: Change, now: float) -> Alert:
    """A trouble that comes back within its cooldown goes on counting where it left off."""
    if change.move != "triggered" or change.rule is None:
        return change.alert
    last = alerts.last_resolved(change.alert.fingerprint)
    again = last is not None and now - last.triggered_at < change.rule.cooldown_seconds
    return replace(change.alert, occurrences=last.occurrences + 1) if again and last is not None else change.alert


def _enqueue(config: Config, change: Change, now: float) -> None:
    if change.move not in ("triggered", "escalated", "resolved", "acknowledged"):
        return
    alert, rule = change.alert, change.rule
    to = routing.addressees(config, alert, rule)
    if change.move == "acknowledged":
        told = outbox.told(alert.fingerprint)
        to = tuple(Addressee(name) for name in told if name in config.channel_of)
        to = tuple(one for one in to if channels.edits(config.channel_of[one.channel]))
    restless = _restless(change, now)
    if restless == "begins":
        words = "it changes too often: one message says so, the next comes when it has been steady"
        decisions.append([decisions.about(alert, "flapping", words, now)])
    at = _circumstances(config, alert, rule, to, now, restless)
    plan = routing.plan(change, to, at)
    if change.move == "triggered" and not plan.due and not restless:
        decisions.append([decisions.about(alert, "nobody", "no channel is told of this: it is in the app only", now)])
    _write(alert, plan, now, change.move)


def _write(alert: Alert, plan: Plan, now: float, move: str = "") -> None:
    """Bring a plan into the outbox, and say why each message leaves when it does."""
    outbox.drop(plan.dropped, f"overtaken: {move}", now)
    outbox.hurry(plan.hurried, now)
    outbox.enqueue(alert, plan.due, now)
    decisions.append(
        decisions.about(
            alert, "queued", f"{one.reason} for {one.channel}: {one.why or 'leaves at once'}", now, one.channel
        )
        for one in plan.due
    )


def _circumstances(
    config: Config, alert: Alert, rule: Rule | None, to: Iterable[Addressee], now: float, restless: Restless
) -> Circumstances:
    groups = {(one.channel, one.group) for one in to if one.group is not None and one.group_wait}
    return Circumstances(
        told=outbox.told(alert.fingerprint),
        waiting=outbox.waiting(alert.fingerprint),
        now=now,
        cooldown=rule.cooldown_seconds if rule is not None else 0.0,
        patience=_patience(config, alert.subject),
        gathering=outbox.gathering(groups, now),
        restless=restless,
    )


def _restless(change: Change, now: float) -> Restless:
    """Whether the change's fingerprint flaps, this change counted. What people and edits do is no restlessness."""
    flap = flaps.get(change.alert.fingerprint)
    observed = change.rule is not None and change.alert.resolved_by is None
    if not observed or change.move not in ("triggered", "resolved"):
        return "goes on" if flap.since is not None else ""
    after = flapping.changed(flap, now, change.rule.flap_delay_seconds if change.rule is not None else 0.0)
    flaps.put(after)
    if after.since is None:
        return ""
    return "goes on" if flap.since is not None else "begins"


def _patience(config: Config, subject: str) -> float:
    """How long the subject's first message waits for its parents to be looked at, in seconds."""
    watch = config.watch_of.get(subject)
    parents = [config.watch_of[name] for name in watch.parents if name in config.watch_of] if watch else []
    return max((parent.every for parent in parents), default=0.0)


def _watch(config: Config, subject: str, state: State | None = None) -> Watch | None:
    """What is declared of the subject: by itself, or as one of a hook's."""
    facts = state.observation.facts if state is not None else {}
    return config.watch_of.get(subject) or hooked.watch_of(config, subject, facts)


def _fresh(watch: Watch, state: State, now: float) -> bool:
    return not watch.is_probed or now - state.observation.at <= STALE_AFTER * watch.every


def _rule_of(config: Config, alert: Alert) -> Rule | None:
    watch = _watch(config, alert.subject) or Watch(alert.subject, "self", alert.organization, 60.0, {})
    named = [rule for rule in rules.applicable(config, watch) if rule.name == alert.rule]
    return next((rule for rule in named if rule.severity == alert.severity), named[0] if named else None)


def _unwatched(config: Config, state: State) -> bool:
    """Whether nothing of that name is watched any more, or only another organization's."""
    subject = state.observation.subject
    watch = _watch(config, subject)
    return not subject.startswith("self/") and (watch is None or watch.organization != state.organization)


def _orphaned(config: Config, alert: Alert, now: float) -> bool:
    if alert.subject.startswith("self/"):
        return _own_orphaned(config, alert, now)
    watch = _watch(config, alert.subject)
    if watch is None or watch.organization != alert.organization:
        return True
    if alert.metric_name in unmeasured(watch.kind, watch.config):
        return True
    return all(rules.fingerprint(rule, watch) != alert.fingerprint for rule in rules.applicable(config, watch))


def _own_orphaned(config: Config, alert: Alert, now: float) -> bool:
    """Whether it is about a channel or an organization that is gone, or left behind by a drill that was cut off."""
    name = alert.subject.removeprefix("self/")
    if name.startswith("drill-"):
        return now - alert.triggered_at > _DRILL_LASTS
    part = name.removeprefix(f"{alert.organization}.")
    declared = {one.slug for one in config.organizations} or {alert.organization}
    if alert.organization not in declared or own_watch(config, part, alert.organization).subject != alert.subject:
        return True
    channel = config.channel_of.get(part.removeprefix("channel."))
    return part.startswith("channel.") and (channel is None or channel.organization != alert.organization)
