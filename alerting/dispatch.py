"""The door out: claim what is due, let the database go, deliver, record. Nothing is done before a provider said yes."""

import hashlib
import json
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace

from alerting import channels, holds, notices, own
from alerting.channels.outcome import DeliveryError, Receipt
from alerting.config import Channel, Config
from alerting.lifecycle import Alert
from alerting.messages import Item, Message, Reason
from alerting.routing import STATE_AT_SENDING, Due
from alerting.store import alerts, channel_states, events, outbox
from alerting.store.channel_states import State
from alerting.store.database import reading, taking_turns
from alerting.store.outbox import CATCH_UP, Claim

logger = logging.getLogger("vedette.delivery")

PACE = {"slack": 1.0}
"""Seconds between two messages to one channel, by kind. Slack allows one a second and disables apps that go on."""

TIMEOUT = 6.0
"""Seconds a provider may be silent."""

LONGEST = 20.0
"""Seconds a delivery may take in all: far less than a lease."""

_CROWD = 3  # messages that may wait for one that is paced before they leave as one
_NAMED = 10  # of what depends on something, how many are named
_FIRST_RETRY, _LAST_RETRY = 5.0, 600.0
_TROUBLED_PAUSE = 5.0  # a provider in trouble is not asked for every row at once
_SECOND_OPINION = 30.0  # whether it was the channel or that one message, another message will tell
_BROKEN_PAUSE = 600.0  # a provider that refused us for good is asked again this rarely

Clock = Callable[[], float]


def due_channels(config: Config, now: float) -> list[str]:
    """Channels that have something to say now."""
    with reading():
        return outbox.due_channels(now, holds.held(config, now))


def refresh(config: Config) -> None:
    """Let channels whose settings were changed speak at once: they are no longer the ones that were refused.

    Channels that come back, after they had been taken out of the configuration, say what they missed.
    """
    with taking_turns():
        channel_states.keep_only(config.channel_of)
        outbox.revive(config.channel_of)
        for channel in config.channels:
            state = channel_states.get(channel.name)
            if state.fingerprint and state.fingerprint != _fingerprint(channel):
                channel_states.put(channel.name, State(broken_since=state.broken_since))


def paced(now: float) -> bool:
    """Whether something due waits for nothing but a channel's own pace."""
    with reading():
        return outbox.held_by_pace(now, max(PACE.values()))


def deliver_due(config: Config, base_url: str, owner: str, clock: Clock = time.time) -> int:
    """Deliver one message to every channel that is due, one after another. How many were tried."""
    return sum(deliver_next(config, name, base_url, owner, clock) for name in due_channels(config, clock()))


def deliver_next(config: Config, name: str, base_url: str, owner: str, clock: Clock = time.time) -> bool:
    """Deliver the channel's next message, if it has one and nobody else is at it. Whether it was tried."""
    now = clock()
    channel = config.channel_of.get(name)
    with taking_turns():
        state = channel_states.get(name)
        claims = outbox.claim(name, owner, now, holds.held(config, now), _crowd(channel, state), CATCH_UP)
        told = alerts.many(one.alert for one in claims)
        first = bool(claims) and outbox.begins_thread(claims[0])
    # The message will speak of the alert as it is now, not as it was when the row was made: the ledger must know.
    claims = [_as_it_is(one, told[one.alert]) if one.alert in told else one for one in claims]
    claims = _deliverable(claims, channel, told, now)
    if not claims or channel is None:
        return False
    message = _compose(config, claims, told, base_url, now, first)
    _deliver(config, channel, state, claims, message, clock)
    return True


def _crowd(channel: Channel | None, state: State) -> int:
    """How many messages may wait for this channel before they leave as one."""
    if state.rate_limited:
        return 1
    return _CROWD if channel is not None and channel.kind in PACE else CATCH_UP


def _as_it_is(one: Claim, alert: Alert) -> Claim:
    over = alert.resolved_at is not None if one.reason in STATE_AT_SENDING else one.reason == "resolved"
    return replace(one, severity=alert.severity, state="resolved" if over else "triggered")


def _deliverable(claims: list[Claim], channel: Channel | None, told: dict[int, Alert], now: float) -> list[Claim]:
    """The claims somebody can deliver; the rest are closed, with the reason."""
    lost = [one for one in claims if channel is None or one.alert not in told]
    if lost:
        outcome = "the alert is gone" if channel is not None else "the channel is gone from the configuration"
        with taking_turns():
            outbox.dead(lost, outcome, now)
        logger.warning("not delivered to %s: %s", lost[0].channel, outcome)
    return [one for one in claims if one not in lost]


def _deliver(
    config: Config, channel: Channel, state: State, claims: Sequence[Claim], message: Message, clock: Clock
) -> None:
    started = clock()
    try:
        plain = any(one.plain for one in claims)
        receipt = _within(LONGEST, lambda: _hand_over(channel, message, plain))
    except DeliveryError as error:
        _record_failure(config, channel, state, claims, error, started, clock())
    except Exception:
        logger.exception("delivering to %s broke", channel.name)
        bug = DeliveryError("internal", "the channel's own code failed; see the log", action="retry", arrived="unknown")
        _record_failure(config, channel, state, claims, bug, started, clock())
    else:
        _record_success(config, channel, state, claims, receipt, message, started, clock())


def _hand_over(channel: Channel, message: Message, plain: bool) -> Receipt:
    return channels.find(channel.kind).deliver(channel.settings, message, plain=plain, timeout=TIMEOUT)


def _within(seconds: float, deliver: Callable[[], Receipt]) -> Receipt:
    """What `deliver` returns or raises, unless it takes too long: a provider that drips must not keep a channel."""
    outcome: Future[Receipt] = Future()

    def run() -> None:
        try:
            outcome.set_result(deliver())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, name="delivery", daemon=True).start()
    if not wait([outcome], seconds).done:
        words = f"the provider had not come to an end within {seconds:.0f} s"
        raise DeliveryError("timeout", words, action="retry", arrived="unknown")
    return outcome.result()


def _record_success(
    config: Config,
    channel: Channel,
    state: State,
    claims: Sequence[Claim],
    receipt: Receipt,
    message: Message,
    started: float,
    now: float,
) -> None:
    refused = f"refused for {', '.join(receipt.refused)}" if receipt.refused else ""
    with taking_turns():
        if state.broken_since is not None:
            own.observe(config, _part(channel), None, now, [channel.organization])
        outbox.delivered(claims, receipt.provider_id, now)
        outbox.attempted(claims, started, now - started, "delivered", "", refused)
        pause, more = now + PACE.get(channel.kind, 0.0), len(claims) >= CATCH_UP
        channel_states.put(channel.name, State(pause, more and state.rate_limited, fingerprint=_fingerprint(channel)))
        events.append([_notice("notification.sent", channel, claims, message.reason)], now)
    if refused:
        logger.warning("told %s, but the message was %s", channel.name, refused)
    latency = now - min(one.created_at for one in claims)
    logger.info("told %s: %s, %d alerts, %.2f s after the change", channel.name, message.reason, len(claims), latency)


def _record_failure(
    config: Config,
    channel: Channel,
    state: State,
    claims: Sequence[Claim],
    error: DeliveryError,
    started: float,
    now: float,
) -> None:
    with taking_turns():
        if error.action == "give_up":
            fault = f"Channel {channel.name} is broken: {error.message}"
            own.observe(config, _part(channel), fault, now, [channel.organization])
        outbox.attempted(claims, started, now - started, error.action, error.reason, error.message)
        maybe_told = error.arrived == "unknown"
        due_at = now + _put_off(error, max(one.attempts for one in claims))
        outbox.failed(claims, error.reason, due_at, maybe_told, plain=error.action == "plain")
        channel_states.put(channel.name, _after(error, channel, state, now))
        if error.action == "give_up":
            _fall_back(config, channel, claims, now)
        events.append([_notice("notification.failed", channel, claims, error.reason)], now)
    where = f", field {error.field}" if error.field else ""
    logger.warning("not delivered to %s: %s (%s%s)", channel.name, error.message, error.action, where)


def backoff(attempts: int) -> float:
    """Seconds until the next try: 5 doubling to 600, give or take a fifth so that channels do not march in step."""
    wait: float = min(_LAST_RETRY, _FIRST_RETRY * 2.0 ** min(attempts - 1, 10))
    return wait * random.uniform(0.8, 1.2)  # noqa: S311


def _put_off(error: DeliveryError, attempts: int) -> float:
    """Seconds until these rows may be tried again; the channel itself may have to wait longer."""
    if error.action in ("plain", "wait"):
        return 0.0
    # What a provider will not have may be this one message: others go first when the channel is asked again.
    return backoff(attempts) + (_BROKEN_PAUSE if error.action == "give_up" else 0.0)


def _after(error: DeliveryError, channel: Channel, state: State, now: float) -> State:
    fingerprint = _fingerprint(channel)
    if error.action == "wait":
        return replace(state, not_before=now + (error.retry_after or 1.0), rate_limited=True, fingerprint=fingerprint)
    if error.action == "give_up":
        pause = _BROKEN_PAUSE if state.broken_since is not None else _SECOND_OPINION
        return State(now + pause, False, state.broken_since or now, error.message, fingerprint)
    pause = PACE.get(channel.kind, 0.0) if error.action == "plain" else _TROUBLED_PAUSE
    return replace(state, not_before=now + pause, fingerprint=fingerprint)


def _fall_back(config: Config, channel: Channel, claims: Sequence[Claim], now: float) -> None:
    """What a broken channel cannot say, the organization's others say instead. It tries again itself, too."""
    others = [one.name for one in config.channels if one.organization == channel.organization and one != channel]
    broken = channel_states.broken()
    for one in claims:
        alert = alerts.get(one.alert)
        # Not the end of what has begun again: the others would believe the new trouble to be over.
        if alert is not None and alerts.is_newest(alert) and (alert.resolved_at is None or one.reason == "resolved"):
            due = [Due(name, one.reason, one.change, now) for name in others if name not in broken]  # type: ignore[arg-type]
            outbox.enqueue(alert, due, now)


def _compose(
    config: Config, claims: Sequence[Claim], told: dict[int, Alert], base_url: str, now: float, first: bool
) -> Message:
    newest = told[claims[0].alert]
    covered = _covered(config, [told[one.alert] for one in claims])
    # Two installations may write to one mailbox, so that a bare number would name two messages.
    thread = f"alert-{newest.id}-{int(newest.triggered_at * 1000)}"
    return Message(
        reason=_reason(claims),
        items=tuple(_item(told[one.alert], one, base_url, covered.get(one.alert, "")) for one in claims),
        service=config.service.name,
        timezone=config.service.timezone,
        at=now,
        key=f"{thread}-{claims[0].change}-{claims[0].id}",
        thread_key=thread,
        first_in_thread=first,
        repeated=any(one.repeated for one in claims),
        link=f"{base_url}/monitoring",
    )


def _reason(claims: Sequence[Claim]) -> Reason:
    """Why the message leaves: what is gathered for the hour, for a group, or because the channel could not keep up."""
    if all(one.digest for one in claims):
        return "digest"
    if len({one.group or str(one.id) for one in claims}) > 1:
        return "catch_up"
    return claims[0].reason  # type: ignore[return-value]


def _covered(config: Config, found: Sequence[Alert]) -> dict[int, str]:
    """What each alert stands for beside its own subject: nobody is told of those while it is open."""
    troubles = {alert.subject: alert.id for alert in found if alert.severity == "critical" and not alert.resolved_at}
    names: dict[int, list[str]] = {}
    for watch in config.watches if troubles else ():
        for parent in troubles.keys() & set(watch.parents):
            names.setdefault(troubles[parent], []).append(watch.subject.replace("/", " "))
    return {alert: f"Stands for what depends on it too: {_listed(children)}." for alert, children in names.items()}


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _note(one: Claim, covered: str) -> str:
    """One more thing to say of an alert: why somebody is reminded of it, or what it stands for."""
    kind, _, rest = one.change.partition(":")
    if kind == "unacknowledged":
        return f"The acknowledgement by {rest.partition(':')[2]} has run out."
    if kind == "unsnoozed":
        return "The snooze is over."
    if kind == "escalated_to":
        return "Nobody has acknowledged it."
    return covered


def _item(alert: Alert, one: Claim, base_url: str, covered: str) -> Item:
    return Item(
        alert_id=alert.id,
        fingerprint=alert.fingerprint,
        told=one.state,  # type: ignore[arg-type]
        severity=alert.severity,
        title=alert.title,
        message=alert.message,
        subject=alert.subject,
        server=alert.server,
        environment=alert.environment,
        organization=alert.organization,
        project=alert.project,
        metric_name=alert.metric_name,
        metric_value=alert.metric_value,
        operator=alert.operator,
        threshold=alert.threshold,
        started_at=alert.started_at,
        resolved_at=alert.resolved_at,
        occurrences=alert.occurrences,
        link=f"{base_url}/alerts/{alert.id}",
        labels=alert.labels,
        acknowledged_by=alert.acknowledged_by,
        acknowledged_until=alert.acknowledged_until,
        note=_note(one, covered) if one.state != "resolved" else "",
    )


def _notice(kind: str, channel: Channel, claims: Sequence[Claim], reason: str) -> events.NewEvent:
    return notices.notification(kind, channel.name, [one.alert for one in claims], reason, channel.organization)


def _part(channel: Channel) -> str:
    return f"channel.{channel.name}"


def _fingerprint(channel: Channel) -> str:
    settings = json.dumps(dict(channel.settings), sort_keys=True, default=str)
    return hashlib.sha256(f"{channel.kind} {settings}".encode()).hexdigest()
