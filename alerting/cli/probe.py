"""`vedette probe`: one look, once, with the exit codes of the monitoring-plugins convention."""

import json
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click

import probes
from alerting.cli import json_argument
from alerting.config import Config
from alerting.configuration.reader import ConfigError, ConfigWatcher
from alerting.configuration.targets import Incomplete, complete
from alerting.settings import current
from probes import EXIT_CODES, Observation
from probes._machinery.runner import check_config, run


class _Plugin(click.Command):
    """A command whose 2 means critical: called wrongly, it cannot tell, which is 3."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.show()
            ctx.exit(EXIT_CODES["unknown"])


@click.command(cls=_Plugin)
@click.argument("kind")
@click.option("--config", "given", default="{}", help="The probe's configuration: a JSON object, @file, or @-.")
@click.option("--json", "as_json", is_flag=True, help="Print the observation as JSON.")
def probe(kind: str, given: str, as_json: bool) -> None:
    """Look once at something of KIND and say what was seen.

    Exits 0 when it is ok, 1 for a warning, 2 when critical, 3 when it cannot be told.
    """
    loaded = _loaded()
    config = _checked(kind, given, loaded)
    observation = run(kind, config, denied_networks=loaded.denied_networks, allowed_networks=loaded.allowed_networks)
    if as_json:
        click.echo(json.dumps(_record(kind, observation), indent=2))
    else:
        click.echo(_line(observation))
    sys.exit(EXIT_CODES[observation.status])


def _loaded() -> Config:
    """The configuration file, for the networks it denies and the pools and keys it keeps."""
    try:
        config: Config = ConfigWatcher(current()).config
    except ConfigError as error:
        _refuse(str(error))
    return config


def _checked(kind: str, given: str, loaded: Config) -> Mapping[str, Any]:
    if kind not in probes.kinds():
        _refuse(f"there is no probe of kind {kind!r}; there are: {', '.join(probes.kinds())}")
    try:
        config = json_argument(given)
        config = complete(loaded, kind, config, None) if isinstance(config, dict) else config
    except click.BadParameter as error:
        _refuse(f"--config: {error.message}")
    except Incomplete as reason:
        _refuse(f"--config{reason.pointer}: {reason.message}")
    if faults := check_config(kind, config):
        _refuse("\n".join(f"--config{fault.pointer or ''}: {fault.message}" for fault in faults))
    checked: Mapping[str, Any] = config
    return checked


def _refuse(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(EXIT_CODES["unknown"])


def _line(observation: Observation) -> str:
    """The plugins' form: STATUS - message | metric=value …"""
    numbers = " ".join(f"{name}={value:g}" for name, value in observation.values.items() if value is not None)
    words = f"{observation.status.upper()} - {observation.message or 'as it should be'}"
    return f"{words} | {numbers}" if numbers else words


def _record(kind: str, observation: Observation) -> dict[str, Any]:
    return {
        "kind": kind,
        "status": observation.status,
        "message": observation.message,
        "values": dict(observation.values),
        "facts": dict(observation.facts),
        "duration_seconds": observation.duration,
    }
