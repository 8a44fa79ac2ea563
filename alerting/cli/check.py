"""`vedette check run`: probe, judge and deliver what is due, then exit: the whole watchman under any cron."""

import json
import os
import socket
import sys
import time
from collections.abc import Iterable, Sequence

import click

from alerting import dispatch, grid, heartbeats, logs, pipeline, reports
from alerting.cli import fail, opened_store, watcher_of
from alerting.config import Config, Watch
from alerting.connectivity import Connectivity
from alerting.overlay import in_force
from alerting.prober import observe_once
from alerting.settings import current
from alerting.store import subjects
from alerting.store.database import reading
from probes import EXIT_CODES, Observation

_DELIVERY_ROUNDS = 120  # half a second each: as long as a cron's minute


@click.group()
def check() -> None:
    """Run checks without the scheduler."""


@check.command()
@click.argument("name", required=False)
@click.option("--due", is_flag=True, help="Those whose turn it is.")
@click.option("--all", "every", is_flag=True, help="All of them.")
@click.option("--no-notify", is_flag=True, help="Judge and store, but deliver nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the observations as JSON lines.")
def run(name: str | None, due: bool, every: bool, no_notify: bool, as_json: bool) -> None:
    """Probe NAME (or server/NAME, environment/NAME, check/NAME, heartbeat/NAME), judge it, deliver what is due, exit.

    The exit code is the worst status seen: 0 ok, 1 warning, 2 critical, 3 unknown.
    """
    if [name is not None, due, every].count(True) != 1:
        fail("check run: name one check, or give --due or --all")
    settings = current()
    logs.set_up(settings, "cli")
    declared: Config = watcher_of(settings).config
    with opened_store(settings):
        config = in_force(declared)
        with reading():
            last = {subject: state.observation for subject, state in subjects.states().items()}
        chosen = _chosen(config, name, due, last)
        network = Connectivity(lambda: config)
        probed = observe_once(config, [watch for watch in chosen if watch.is_probed], last, network.heard)
        pipeline.reconcile(config, time.time())
        heartbeats.adopt(config, time.time())
        reports.expire(config, time.time())
        seen, excused = network.settle(probed)
        pipeline.ingest(config, seen, time.time())
        pipeline.ingest(config, excused, time.time(), only_observe=True)
        pipeline.tick(config, time.time())
        observed = [*seen, *excused, *_heard(config, [watch for watch in chosen if not watch.is_probed])]
        if not no_notify:
            _deliver(config, settings.base_url)
    for observation in observed:
        click.echo(_json(observation) if as_json else _line(observation))
    sys.exit(max((EXIT_CODES[observation.status] for observation in observed), default=0))


def _chosen(config: Config, name: str | None, due: bool, last: dict[str, Observation]) -> Sequence[Watch]:
    if name is not None:
        found = [watch for watch in config.watches if name in (watch.subject, watch.name)]
        if len(found) != 1:
            what = "there is no" if not found else "there are several; say which: "
            fail(f"check run: {what} {name!r}{', '.join(watch.subject for watch in found)}")
        return found
    return [watch for watch in config.watches if not due or _is_due(watch, last.get(watch.subject))]


def _heard(config: Config, watches: Sequence[Watch]) -> list[Observation]:
    """How these heartbeats are. Deadlines that have come are judged, whichever were asked for."""
    heartbeats.judge_due(config, time.time())
    return heartbeats.look(watches, time.time())


def _is_due(watch: Watch, last: Observation | None) -> bool:
    """Whether a moment of its grid has gone by since it was last seen."""
    return not watch.is_probed or last is None or grid.next_due(watch.subject, watch.every, last.at) <= time.time()


def _deliver(config: Config, base_url: str) -> None:
    """Deliver until nothing is due now: a channel's pace may make us wait, a provider in trouble not."""
    owner = f"{socket.gethostname()}:{os.getpid()}"
    for _ in range(_DELIVERY_ROUNDS):
        dispatch.deliver_due(config, base_url, owner)
        if not dispatch.paced(time.time()):
            return
        time.sleep(0.5)


def _line(observation: Observation) -> str:
    return f"{observation.status:<8} {observation.subject}  {observation.message}".rstrip()


def _json(observation: Observation) -> str:
    fields: Iterable[str] = ("subject", "status", "message", "at", "duration")
    record = {field: getattr(observation, field) for field in fields}
    return json.dumps({**record, "values": dict(observation.values)})
