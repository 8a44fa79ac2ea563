"""`vedette events tail`: the event log as it grows."""

import json
import time
from fnmatch import fnmatchcase

import click

from alerting.cli import opened_store
from alerting.notices import rfc3339
from alerting.shown import event_document
from alerting.store import events as log
from alerting.store.database import reading
from alerting.store.events import LoggedEvent
from alerting.store.wakeup import listener

_SHOWN_AT_FIRST = 10
_LOOK_EVERY = 1.0  # seconds: a wake-up may be lost


@click.group()
def events() -> None:
    """The event log."""


@events.command()
@click.option("--after", type=click.IntRange(0, 2**63 - 1), help="Begin after this id, not at the last ten.")
@click.option("--type", "types", multiple=True, help="Only this type, such as alert_triggered or replica.*.")
@click.option("--no-follow", is_flag=True, help="End where the log ends, instead of waiting for more.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, an event a line.")
def tail(after: int | None, types: tuple[str, ...], no_follow: bool, as_json: bool) -> None:
    """Print events as they come, until interrupted."""
    with opened_store() as settings:
        # Made before the first look, so that nothing falls between.
        waiting = None if no_follow else listener(settings.redis_url)
        try:
            last = _print_from(_beginning() if after is None else after, types, as_json)
            while waiting is not None:
                waiting.wait(_LOOK_EVERY)
                last = _print_from(last, types, as_json)
        except (KeyboardInterrupt, BrokenPipeError):
            return
        finally:
            if waiting is not None:
                waiting.close()


def _beginning() -> int:
    with reading():
        return max(0, log.bounds()[1] - _SHOWN_AT_FIRST)


def _print_from(last: int, types: tuple[str, ...], as_json: bool) -> int:
    """Print what comes after `last`; the id of the last event there is."""
    while True:
        with reading():
            found = log.after(last)
        for event in found:
            last = event.id
            if not types or any(fnmatchcase(event.type, pattern) for pattern in types):
                click.echo(json.dumps(event_document(event)) if as_json else _line(event))
        if not found:
            return last


def _line(event: LoggedEvent) -> str:
    at = time.strftime("%H:%M:%S", time.localtime(event.at)) if time.time() - event.at < 86_400 else rfc3339(event.at)
    return f"{event.id:>8}  {at}  {event.organization or '-'}  {event.type}  {event.data}"
