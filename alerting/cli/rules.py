"""`vedette rules`: the rules in force, and what one of them, or one not yet made, would have done."""

import json
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

from alerting import retrospect
from alerting.backtest import Tried
from alerting.cli import BAD_INPUT, fail, opened_store, watcher_of
from alerting.cli.tables import show
from alerting.config import Config, Rule, Watch
from alerting.configuration.rules import faults, rule_of
from alerting.configuration.values import span
from alerting.notices import rfc3339
from alerting.overlay import in_force
from alerting.phrasing import duration
from alerting.rules import identity
from alerting.settings import current
from alerting.shown import rule_document

_LARGEST_FILE = 1_048_576
_PATIENCE = 1.0  # seconds before a person is shown how far it is
_COLUMNS = ("id", "organization", "alert_type", "condition", "severity", "managed_by", "is_active")
_FIRES = ("subject", "started_at", "fired_at", "lasted", "value", "messages")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def rules() -> None:
    """Rules: which are in force, and what one would have done."""


@rules.command("list")
@as_json
def list_rules(as_json: bool) -> None:
    """Every rule: the file's own first, then those the API made, then those everybody starts with."""
    settings = current()
    declared: Config = watcher_of(settings).config
    with opened_store(settings):
        config = in_force(declared)
    rows = [rule_document(rule) for rule in config.rules]
    if not as_json:
        rows = [{**row, "condition": _condition(rule)} for row, rule in zip(rows, config.rules, strict=True)]
    show(rows, _COLUMNS, as_json, "there are no rules")


@rules.command()
@click.argument("name", required=False)
@click.option("--file", "path", help="A rule that is not made yet, in TOML or JSON, in place of NAME.")
@click.option("--since", default="7d", show_default=True, help="How far to look back: 90s, 30m, 12h, 30d.")
@as_json
def backtest(name: str | None, path: str | None, since: str, as_json: bool) -> None:
    """When the rule NAME (or its id) would have fired, for how long, and with how many messages to each receiver.

    It is put to what was observed: every look of the last 7 days, the hours before. Silences, acknowledgements and
    flapping are left out.
    """
    if (name is None) == (path is None):
        _refuse("name a rule, or give one by --file")
    seconds = span(since)
    if seconds is None or not 0 < seconds <= retrospect.LONGEST:
        _refuse(f"--since: expected a duration such as 12h, 7d or 30d, of at most {retrospect.LONGEST / 86400:.0f}d")
    settings, now = current(), time.time()
    declared: Config = watcher_of(settings).config
    with opened_store(settings):
        config = in_force(declared)
        rule = _read(path, config) if path is not None else _named(config, name or "")
        watches = retrospect.watches(config, rule)
        with _progress(watches, sys.stderr.isatty()) as told:
            found = [retrospect.tried(rule, watch, now - seconds, now) for watch in told]
    if as_json:
        click.echo(json.dumps(retrospect.document(rule, found, now - seconds, now)))
    else:
        _report(rule, found, now - seconds, now)


def _report(rule: Rule, found: Sequence[Tried], since: float, now: float) -> None:
    fires = [(one, fire) for one in found for fire in one.fires]
    rows = [
        {
            "subject": one.subject,
            "started_at": rfc3339(fire.started_at),
            "fired_at": rfc3339(fire.fired_at),
            "lasted": duration(fire.seconds(now)) + ("" if fire.ended_at is not None else ", still firing"),
            "value": None if fire.value is None else f"{fire.value:g}",
            "messages": fire.messages,
        }
        for one, fire in fires
    ]
    if rows:
        show(rows, _FIRES, as_json=False, nothing="")
    looks, messages = sum(one.looks for one in found), sum(one.messages for one in found)
    about = f"{len(found)} subject{'' if len(found) == 1 else 's'}, {looks} looks since {rfc3339(since)}"
    total = duration(sum(one.firing_seconds for one in found))
    times = f"{len(rows)} time{'' if len(rows) == 1 else 's'}, for {total}, {messages} messages to each receiver"
    click.echo(f"{_condition(rule)}: {about}")
    click.echo(f"would have fired {times}" if rows else "would not have fired")
    if silent := [one.subject for one in found if not one.looks]:
        click.echo(f"nothing is kept of {rule.metric_name} of {', '.join(silent)}", err=True)
    raw = retrospect.raw_since(since, now)
    if since < raw:
        click.echo(
            f"before {rfc3339(raw)} only hours are kept: what fired then may have been less, by up to an hour", err=True
        )


def _condition(rule: Rule) -> str:
    counted = f", {rule.failures} of {rule.of} looks" if rule.of else f", {rule.failures} looks" * (rule.failures > 1)
    held = f" for {duration(rule.duration_seconds)}" if rule.duration_seconds else ""
    return f"{rule.metric_name} {rule.operator} {rule.threshold:g}{held}{counted}"


def _named(config: Config, name: str) -> Rule:
    exact = [rule for rule in config.rules if str(identity(rule)) == name]
    found = exact or [rule for rule in config.rules if rule.name == name]
    if not found:
        _refuse(f"there is no rule {name!r}; `vedette rules list` names them")
    if len(found) > 1:
        _refuse(f"there are several; say which: {', '.join(str(identity(rule)) for rule in found)}")
    return found[0]


def _read(path: str, config: Config) -> Rule:
    """The rule in a file; a line for each fault and exit 2 where it is none."""
    item = dict(_document(path))
    declared = [one.slug for one in config.organizations]
    organization = item.get("organization", declared[0] if len(declared) == 1 else None)
    if organization not in declared:
        _refuse(f"{path}: organization: expected one of {', '.join(declared)}")
    # A rule that is in force already may be tried with another threshold.
    others = [rule for rule in config.rules if (rule.name, rule.severity) != (item.get("name"), item.get("severity"))]
    found = faults(item, Config(channels=config.channels, rules=tuple(others)), organization)
    for fault in found:
        where = fault.pointer.removeprefix("/").replace("/", ".")
        click.echo(": ".join(part for part in (path, where, fault.message) if part), err=True)
    if found:
        sys.exit(BAD_INPUT)
    return rule_of(item, "config", organization)


def _document(path: str) -> Mapping[str, Any]:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        _refuse(f"{path}: cannot be read: {error.strerror}")
    except ValueError:
        _refuse(f"{path}: expected text in UTF-8")
    try:
        document = json.loads(text) if path.endswith(".json") or text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        _refuse(f"{path}: neither TOML nor JSON: {error}")
    listed = document.get("rules") if isinstance(document, dict) else None
    if isinstance(listed, list) and len(listed) != 1:
        _refuse(f"{path}: expected one rule, found {len(listed)}")
    rule = listed[0] if isinstance(listed, list) else document
    if not isinstance(rule, dict):
        _refuse(f"{path}: expected the keys of one rule")
    return rule


@contextmanager
def _progress(watches: Sequence[Watch], on_terminal: bool) -> Iterator[Iterator[Watch]]:
    """The watches one after the other; a bar where a person would otherwise wait without a word."""
    begun = time.monotonic()
    with click.progressbar(length=len(watches), label="looking back", file=sys.stderr, hidden=True) as bar:

        def one_by_one() -> Iterator[Watch]:
            for watch in watches:
                yield watch
                bar.hidden = not on_terminal or time.monotonic() - begun < _PATIENCE
                bar.update(1)

        yield one_by_one()


def _refuse(why: str) -> NoReturn:
    fail(f"rules backtest: {why}")
