"""`vedette alerts`: what is wrong now, what was; acknowledging and resolving from a terminal."""

import getpass
import time
from collections.abc import Callable

import click

from alerting import pipeline
from alerting.cli import fail, opened_store, watcher_of
from alerting.cli.tables import show, show_one
from alerting.config import SEVERITIES, Config
from alerting.lifecycle import Alert
from alerting.overlay import in_force
from alerting.settings import current
from alerting.shown import alert_document, note_document
from alerting.store import alerts as store
from alerting.store import notes
from alerting.store.database import reading

STATUSES = ("triggered", "acknowledged", "resolved")

_MOST = 1000
_COLUMNS = ("id", "severity", "status", "title", "message", "triggered_at", "occurrences")

alert_id = click.argument("alert_id", type=click.IntRange(1, 2**63 - 1))
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
by = click.option("--by", default=getpass.getuser, show_default="you", help="Who does it.")


@click.group()
def alerts() -> None:
    """Alerts."""


@alerts.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only these; those that are not resolved where not given.")
@click.option("--severity", type=click.Choice(SEVERITIES))
@click.option("--type", "alert_type", help="Only of this type, such as http_down.")
@click.option("--server", help="Only of this server.")
@click.option("--all", "every", is_flag=True, help="Resolved ones too.")
@click.option("--limit", type=click.IntRange(1, _MOST), default=50, show_default=True)
@as_json
def list_alerts(
    status: str | None,
    severity: str | None,
    alert_type: str | None,
    server: str | None,
    every: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Alerts, newest first."""
    wanted = {"severity": severity, "alert_type": alert_type, "server": server}
    statuses = (status,) if status is not None else (None,) if every else ("triggered", "acknowledged")
    with opened_store(), reading():
        found = [one for each in statuses for one in store.page(None, None, limit, status=each, **wanted)]
    newest = sorted(found, key=lambda one: -one.id)[:limit]
    show([alert_document(one) for one in newest], _COLUMNS, as_json, "no such alerts")


@alerts.command("show")
@alert_id
@as_json
def show_alert(alert_id: int, as_json: bool) -> None:
    """One alert, with all that is known of it and what people wrote about it."""
    with opened_store(), reading():
        found = _existing(store.get(alert_id), alert_id)
        written = notes.of_alert(alert_id)
    told = [note_document(one) if as_json else f"{one.by}: {one.text}" for one in written]
    show_one({**alert_document(found), "notes": told}, as_json)


@alerts.command()
@alert_id
@by
@as_json
def ack(alert_id: int, by: str, as_json: bool) -> None:
    """Say that somebody has seen it. A resolved one is exit 1."""
    found = _change(pipeline.acknowledge, alert_id, by)
    if found.status == "resolved":
        fail(f"alerts ack: alert {alert_id} is resolved", code=1)
    show_one(alert_document(found), as_json)


@alerts.command()
@alert_id
@by
@as_json
def resolve(alert_id: int, by: str, as_json: bool) -> None:
    """End it by hand. While its trouble goes on it is not raised anew before its cooldown ends."""
    show_one(alert_document(_change(pipeline.resolve, alert_id, by)), as_json)


def _change(act: Callable[[Config, int, str, float], Alert | None], alert_id: int, by: str) -> Alert:
    settings = current()
    config: Config = watcher_of(settings).config
    with opened_store(settings):
        return _existing(act(in_force(config), alert_id, by, time.time()), alert_id)


def _existing(found: Alert | None, alert_id: int) -> Alert:
    if found is None:
        fail(f"there is no alert {alert_id}", code=1)
        raise AssertionError  # not reached: `fail` ends the command
    return found
