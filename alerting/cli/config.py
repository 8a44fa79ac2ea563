"""`vedette config`: check a configuration file, show it without its secrets, encrypt a value for it."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import click

from alerting import secrets, settings
from alerting.config import Config
from alerting.configuration.reader import ConfigError, read


@click.group()
def config() -> None:
    """Check, show and encrypt what the configuration file declares."""


@config.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(file: Path | None, as_json: bool) -> None:
    """Name every fault of FILE with its line. Exit 0 when there is none, 2 otherwise."""
    found = _read(file, as_json)
    if as_json:
        _print_json({"file": found.source, "ok": True, "declares": _counts(found), "faults": []})
    else:
        click.echo(f"{found.source}: {_sentence(_counts(found))}")


@config.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(file: Path | None, as_json: bool) -> None:
    """Print the configuration in force, secrets masked: the file, what the environment adds, the default rules."""
    found = _read(file, as_json)
    if as_json:
        _print_json({"file": found.source, "digest": found.digest, **effective(found)})
    else:
        import tomli_w

        click.echo(f"# {found.source}, secrets masked; with what the environment adds, and the default rules\n")
        click.echo(tomli_w.dumps(effective(found)), nl=False)


def _read(file: Path | None, as_json: bool) -> Config:
    """The file's configuration; every fault told and exit 2 where it has any."""
    known = _settings()
    try:
        return read(file or known.config_path, known)
    except ConfigError as error:
        _tell_faults(error, as_json)
        sys.exit(2)


@config.command()
def encrypt() -> None:
    """Encrypt a value, asked for or read from standard input, with MASTER_KEY: print its ENC:… form."""
    master_key = _settings().master_key
    if master_key is None:
        _stop("MASTER_KEY: expected a long random text to encrypt with, and it is not set")
    if sys.stdin.isatty():
        text = click.prompt("Value", hide_input=True, err=True)
    else:
        text = sys.stdin.read().removesuffix("\n")
    if not text:
        _stop("expected a value to encrypt, got none")
    click.echo(secrets.encrypt(master_key, text))


def effective(found: Config) -> dict[str, Any]:
    """The file's own document, masked, and what is in force besides: from the environment and by default."""
    document = dict(found.document)
    document["organizations"] = {each.slug: {"name": each.name} for each in found.organizations}
    for section, there in (("channels", found.channels), ("netdata", found.netdata)):
        added = {each.name: _from_environment(section) for each in there if each.name not in document.get(section, {})}
        if added:
            document[section] = {**document.get(section, {}), **added}
    defaults = [
        {key: value for key, value in asdict(rule).items() if value not in (None, "", ())}
        for rule in found.rules
        if rule.managed_by == "default"
    ]
    document["rules"] = [{**rule, "managed_by": "config"} for rule in found.document.get("rules", [])] + defaults
    return document


def _from_environment(section: str) -> Mapping[str, str]:
    if section == "netdata":
        return {"url": "${NETDATA_PARENT_URL}"}
    return {"kind": "slack", "webhook_url": "${SLACK_WEBHOOK_URL}"}


def _counts(found: Config) -> dict[str, int]:
    sorts = [watch.sort for watch in found.watches]
    return {
        "organization": len(found.organizations),
        "server": sorts.count("server"),
        "replica": sorts.count("environment"),
        "check": sorts.count("check"),
        "heartbeat": sorts.count("heartbeat"),
        "pool": len(found.pools),
        "channel": len(found.channels),
        "rule": sum(rule.managed_by == "config" for rule in found.rules),
        "route": len(found.routes),
    }


def _sentence(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {word if number == 1 else f'{word}s'}" for word, number in counts.items())


def _tell_faults(error: ConfigError, as_json: bool) -> None:
    if as_json:
        _print_json({"file": error.faults[0].path, "ok": False, "faults": [asdict(fault) for fault in error.faults]})
    else:
        click.echo(str(error), err=True)


def _print_json(value: Mapping[str, Any]) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _settings() -> settings.Settings:
    try:
        return settings.current()
    except settings.SettingsError as error:
        _stop(str(error))


def _stop(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(2)
