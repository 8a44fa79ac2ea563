"""`vedette drill`: a marked test alert and its resolve the whole way, through each channel, with the times."""

import json
import os
import secrets
import socket
import sys
import time
from dataclasses import dataclass, replace

import click

from alerting import dispatch, lifecycle, logs
from alerting.cli import fail, opened_store, watcher_of
from alerting.config import Channel, Config
from alerting.lifecycle import Alert
from alerting.routing import Due
from alerting.settings import current
from alerting.store import alerts, outbox
from alerting.store.database import reading, taking_turns

_PATIENCE = 30.0  # seconds a message may take before the drill says that it did not arrive


@dataclass(frozen=True, slots=True)
class Leg:
    """One message of a drill: whether it was delivered, in how many seconds, or why not."""

    channel: str
    told: str
    delivered: bool
    seconds: float
    detail: str


@click.command()
@click.option("--channel", "name", help="Only this one; all of them otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def drill(name: str | None, as_json: bool) -> None:
    """Send a marked test alert and its resolve through each channel, and print how long each took."""
    settings = current()
    logs.set_up(replace(settings, log_level="ERROR"), "cli")
    config: Config = watcher_of(settings).config
    channels = [one for one in config.channels if name in (None, one.name)]
    if not channels:
        fail("drill: no channel is configured" if name is None else f"drill: there is no channel {name!r}")
    with opened_store(settings):
        dispatch.refresh(config)
        legs = [leg for channel in channels for leg in _through(config, channel, settings.base_url)]
    for leg in legs:
        click.echo(_record(leg) if as_json else _line(leg))
    sys.exit(0 if all(leg.delivered for leg in legs) else 1)


def _through(config: Config, channel: Channel, base_url: str) -> list[Leg]:
    now = time.time()
    with taking_turns():
        alert = alerts.save(_test_alert(channel, now))
    triggered = _send(config, channel, alert, Due(channel.name, "drill", "triggered", now), base_url)
    resolved = lifecycle.resolve(alert, time.time(), "drill")
    with taking_turns():
        alerts.save(resolved)
        outbox.drop([row.id for row in outbox.waiting(alert.fingerprint)], "the drill is over", time.time())
    if not triggered.delivered:
        return [triggered]
    return [triggered, _send(config, channel, resolved, Due(channel.name, "resolved", "resolved", now), base_url)]


def _test_alert(channel: Channel, now: float) -> Alert:
    """Its fingerprint is its own, so that a drill touches nobody's incident."""
    name = f"drill-{secrets.token_hex(4)}"
    return Alert(
        fingerprint=f"custom:{name}:drill",
        organization=channel.organization,
        alert_type="custom",
        subject=f"self/{name}",
        metric_name="drill",
        rule="drill",
        severity="info",
        title="Test alert",
        message="This is a drill: nothing is wrong. Somebody ran `vedette drill` to see that messages arrive.",
        started_at=now,
        triggered_at=now,
        last_at=now,
    )


def _send(config: Config, channel: Channel, alert: Alert, due: Due, base_url: str) -> Leg:
    """Put the message into the outbox and see it out; a scheduler that is quicker than us is as good."""
    started = time.time()
    with taking_turns():
        outbox.enqueue(alert, [replace(due, due_at=started)], started)
    owner = f"{socket.gethostname()}:{os.getpid()}"
    while (row := _row(alert.id, due)).status == "pending" and time.time() - started < _PATIENCE:
        if row.gave_up:
            break
        if not dispatch.deliver_next(config, channel.name, base_url, owner):
            time.sleep(0.1)
    told = "resolved" if due.reason == "resolved" else "triggered"
    return Leg(channel.name, told, row.status == "delivered", time.time() - started, row.detail)


def _row(alert_id: int, due: Due) -> outbox.Progress:
    with reading():
        return outbox.progress(alert_id, due.change, due.channel)


def _line(leg: Leg) -> str:
    outcome = (
        f"delivered in {leg.seconds:.2f} s" if leg.delivered else f"NOT delivered: {leg.detail or 'no answer yet'}"
    )
    return f"{leg.channel:<16} {leg.told:<10} {outcome}"


def _record(leg: Leg) -> str:
    return json.dumps({name: getattr(leg, name) for name in Leg.__slots__})
