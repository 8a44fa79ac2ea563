"""The `vedette` command: its groups, each imported when it is called, and what they share."""

import contextlib
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from alerting.settings import Settings, SettingsError, current

_COMMANDS = {
    "up": "processes",
    "web": "processes",
    "scheduler": "processes",
    "worker": "processes",
    "migrate": "processes",
    "config": "config",
    "probe": "probe",
    "check": "check",
    "info": "info",
    "alerts": "alerts",
    "rules": "rules",
    "silence": "silence",
    "lock": "lock",
    "user": "accounts",
    "token": "accounts",
    "events": "events",
    "drill": "drill",
}
"""Command → the module of this folder that holds it."""

BAD_INPUT = 2
"""The exit code of a faulty setting, configuration or argument."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed: `vedette probe` should not pay for the scheduler."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"alerting.cli.{_COMMANDS[cmd_name]}"), cmd_name)
        return command


@click.group(cls=LazyGroup)
@click.version_option(package_name="vedette")
def vedette() -> None:
    """A watchman for small teams: probes what you run, judges it, and tells you, reliably."""


def main() -> None:
    """The console script. A faulty environment is one line and exit 2, never a traceback."""
    try:
        vedette(prog_name="vedette")
    except SettingsError as error:
        fail(str(error))


def fail(message: str, code: int = BAD_INPUT) -> NoReturn:
    """End the command with one line on stderr."""
    click.echo(f"vedette: {message}", err=True)
    sys.exit(code)


@contextlib.contextmanager
def opened_store(settings: Settings | None = None) -> Iterator[Settings]:
    """The database, open and with its tables, for a command; one clear line and exit 1 when it cannot be had."""
    from alerting.store import database

    chosen = settings or current()
    try:
        database.open_database(chosen.database_url)
        if database.pending_migrations():
            database.migrate()
        yield chosen
    except database.DatabaseError as error:
        where = database.location(chosen.database_url)
        fail(f"the database at {where} cannot be used: {database.describe(error)}", code=1)
    finally:
        with contextlib.suppress(Exception):
            database.close_database()


def watcher_of(settings: Settings) -> Any:
    """The configuration, read and kept up to date; every fault a line and exit 2 when it is faulty now."""
    from alerting.configuration.reader import ConfigError, ConfigWatcher

    try:
        return ConfigWatcher(settings)
    except ConfigError as error:
        for fault in error.faults:
            click.echo(str(fault), err=True)
        sys.exit(BAD_INPUT)


def json_argument(text: str) -> Any:
    """A JSON document given as it is, as @file, or as @- on stdin, where no process list shows it.

    Raises click.BadParameter.
    """
    import json

    try:
        if text == "@-":
            return json.load(sys.stdin)
        return json.loads(Path(text[1:]).read_text("utf-8") if text.startswith("@") else text)
    except OSError as error:
        raise click.BadParameter(f"{text[1:]} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise click.BadParameter("not a JSON document: nested too deeply") from error
    except ValueError as error:
        raise click.BadParameter(f"not a JSON document: {error}") from error
