"""`vedette silence`: keeping alerts quiet for a while, from a terminal, and what is kept quiet now."""

import getpass
import re
import time
from collections.abc import Sequence
from typing import Any, NoReturn

import click

import schemas
from alerting.cli import fail, opened_store, watcher_of
from alerting.cli.tables import show, show_one
from alerting.config import Config, Maintenance, Silence
from alerting.configuration import matches
from alerting.configuration.maintenance import LONGEST, moment_of
from alerting.configuration.values import seconds
from alerting.notices import rfc3339
from alerting.settings import current
from alerting.shown import maintenance_document, silence_document
from alerting.silences import FIELDS, maintenance_state
from alerting.silences import matches as is_matched
from alerting.store import alerts, maintenance
from alerting.store import silences as store
from alerting.store.database import reading, transaction

_MOST = 1000
_COLUMNS = ("kind", "id", "state", "organization", "about", "when", "reason")
_SPAN = re.compile(r"\d{1,8}(\.\d{1,6})?[smhd]?")
_LABEL = "labels."

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def silence() -> None:
    """Silences: nobody is told of what they match, until their end."""


@silence.command()
@click.argument("match", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every alert of the organization, in place of a MATCH.")
@click.option("--for", "span", help="For how long: 90s, 30m, 2h, 1d.")
@click.option("--until", help="Until when: 2026-12-01T22:00, in the service's time zone, or with an offset.")
@click.option("--reason", required=True, help="Why: it is told to whoever asks what is so quiet.")
@click.option("--organization", help="Needed only where several are declared.")
@click.option("--by", default=getpass.getuser, show_default="you", help="Who does it.")
@as_json
def add(
    match: tuple[str, ...],
    everything: bool,
    span: str | None,
    until: str | None,
    reason: str,
    organization: str | None,
    by: str,
    as_json: bool,
) -> None:
    """Silence the alerts that keep to every MATCH: a field or label and a pattern, or a fingerprint.

    \b
    vedette silence add server='prod-*' severity=warning --for 2h --reason "moving racks"
    vedette silence add labels.team=shop --until 2026-12-01T06:00 --reason "new shop"
    vedette silence add cpu_high:prod-1:cpu_percent --for 1d --reason "a new machine is on its way"
    """
    settings, now = current(), time.time()
    config: Config = watcher_of(settings).config
    asked = _asked(match, everything, reason, rfc3339(_end(span, until, config, now)))
    whose = _organization(config, organization)
    wanted = matches.flat(asked.get("match", {}))
    with opened_store(settings), transaction():
        made = store.add(Silence(0, whose, wanted, now, moment_of(asked["ends_at"], "UTC") or now, reason, by, now))
        about = sum(one.organization == whose and is_matched(wanted, one) for one in alerts.unresolved())
    show_one({**silence_document(made, now), "open_alerts": about}, as_json)


@silence.command("list")
@click.option("--all", "every", is_flag=True, help="Those that are over too.")
@as_json
def list_silences(every: bool, as_json: bool) -> None:
    """Silences and maintenance windows, those that hold now first."""
    settings, now = current(), time.time()
    config: Config = watcher_of(settings).config
    with opened_store(settings), reading():
        states = (None,) if every else ("active", "scheduled")
        found = [one for state in states for one in store.page(None, None, _MOST, state, now)]
        windows = [*config.maintenance, *maintenance.listed(None)]
    rows = [_silence_row(one, now) for one in found]
    rows += [_window_row(one, now) for one in windows if every or maintenance_state(one, now) != "expired"]
    rows.sort(key=lambda row: ("active", "scheduled", "expired").index(row["state"]))
    show(rows, _COLUMNS, as_json, "nothing is silenced")


@silence.command()
@click.argument("silence_id", type=click.IntRange(1, 2**63 - 1))
@click.option("--by", default=getpass.getuser, show_default="you", help="Who does it.")
@as_json
def end(silence_id: int, by: str, as_json: bool) -> None:
    """End a silence now: what still is wrong is told then. One that is over already is exit 1."""
    now = time.time()
    with opened_store(), transaction():
        found = store.get(silence_id)
        if found is None:
            fail(f"silence end: there is no silence {silence_id}", code=1)
        if found.ends_at <= now:
            fail(f"silence end: silence {silence_id} was over at {rfc3339(found.ends_at)}", code=1)
        ended = store.end(silence_id, by, now) or found
    show_one(silence_document(ended, now), as_json)


def _asked(match: Sequence[str], everything: bool, reason: str, ends_at: str | None) -> dict[str, Any]:
    """What was typed as the body of a request, held to the same contract."""
    written = matches.written(dict(map(_pair, match)))
    asked = {"match": written, "all": everything, "reason": reason, "ends_at": ends_at}
    if len(dict(map(_pair, match))) < len(match):
        _refuse("a field is given twice")
    if not match and not everything:
        _refuse("say what: server=prod-1, severity=warning, a fingerprint … or --all")
    for fault in [*schemas.faults("api/silence", asked), *matches.faults(asked)]:
        _refuse(f"{fault.pointer.removeprefix('/').replace('/', '.')}: {fault.message}")
    return asked


def _pair(text: str) -> tuple[str, str]:
    """ "server=prod-*" in two; a fingerprint, which has colons, under its name."""
    name, sign, pattern = text.partition("=")
    if ":" in name or (not sign and ":" in text):
        return "fingerprint", text
    if not sign:
        _refuse(f"{text!r} is neither field=pattern nor a fingerprint")
    if name in FIELDS:
        return name, pattern
    label = name.removeprefix(_LABEL)
    if label in FIELDS:
        _refuse(f"a field is given as a label: write {label}={pattern}")
    if label in (name, ""):
        _refuse(f"no field {name!r}; there are: {', '.join(FIELDS)}; a label is written {_LABEL}NAME=pattern")
    return label, pattern


def _end(span: str | None, until: str | None, config: Config, now: float) -> float:
    """When it is to end, in epoch seconds."""
    if (span is None) == (until is None):
        _refuse("say its end: either --for or --until")
    if span is not None and not _SPAN.fullmatch(span):
        _refuse("--for: expected a duration such as 30m, 2h or 1d")
    ends_at = now + seconds(span) if span is not None else moment_of(until, config.service.timezone)
    if ends_at is None:
        _refuse("--until: expected a moment such as 2026-12-01T22:00 or 2026-12-01T22:00:00Z")
    if ends_at <= now:
        _refuse(f"{'--for' if span else '--until'}: that end lies in the past")
    if ends_at > now + LONGEST:
        _refuse(f"{'--for' if span else '--until'}: that end lies more than a year ahead")
    return ends_at


def _organization(config: Config, named: str | None) -> str:
    declared = [one.slug for one in config.organizations]
    if named is None and len(declared) > 1:
        _refuse(f"say whose with --organization: {', '.join(declared)}")
    if named is not None and named not in declared:
        _refuse(f"no organization {named!r}; there are: {', '.join(declared)}")
    return named or declared[0]


def _refuse(why: str) -> NoReturn:
    fail(f"silence add: {why}")


def _silence_row(one: Silence, now: float) -> dict[str, Any]:
    when = f"until {rfc3339(one.ends_at)}" if one.starts_at <= now < one.ends_at else _span(one.starts_at, one.ends_at)
    return {"kind": "silence", **silence_document(one, now), "about": _about(one), "when": when}


def _window_row(one: Maintenance, now: float) -> dict[str, Any]:
    document = maintenance_document(one, now)
    current, following = document["current"], document["next"]
    when = "over"
    if current:
        when = f"until {current['ends_at']}"
    elif following:
        when = f"{following['starts_at']} to {following['ends_at']}"
    return {"kind": "maintenance", **document, "about": _about(one), "when": when}


def _span(starts_at: float, ends_at: float) -> str:
    return f"{rfc3339(starts_at)} to {rfc3339(ends_at)}"


def _about(one: Silence | Maintenance) -> str:
    return " ".join(f"{name}={pattern}" for name, pattern in one.match.items()) or "everything"
