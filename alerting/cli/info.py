"""`vedette info`: hold a service's /info to what it should say, after a deploy or daily; accept what it says now."""

import getpass
import json
import os
import sys
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import click

from alerting import drift
from alerting.cli import fail, opened_store, watcher_of
from alerting.cli.info_report import record, report
from alerting.cli.tables import printable
from alerting.notices import rfc3339
from alerting.settings import current
from probes import EXIT_CODES, Observation
from probes._machinery.requests import HttpReply, Reply, Request
from probes._machinery.runner import Runner, check_config
from probes.info import judge, read, request

_LARGEST_FILE = 4_194_304
_PATIENCE = 5.0  # seconds beyond the timeout that the exchange itself keeps to


@click.group()
def info() -> None:
    """What services say of their own configuration."""


@info.command()
@click.argument("url")
@click.option("--expect", "expected", metavar="FILE", help="A partial JSON document to be found in the answer.")
@click.option("--baseline", metavar="FILE", help="A saved answer, to be compared with.")
@click.option("--save", "kept", metavar="FILE", help="Write the answer there, to be a baseline later.")
@click.option("--schema", metavar="FILE", help="A JSON Schema to hold the answer to, instead of Liberty's contract.")
@click.option("--no-contract", is_flag=True, help="Hold the answer to no contract.")
@click.option("--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="Sent along; may be repeated.")
@click.option("--timeout", type=float, default=10.0, show_default=True, help="Seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(
    url: str,
    expected: str | None,
    baseline: str | None,
    kept: str | None,
    schema: str | None,
    no_contract: bool,
    headers: tuple[str, ...],
    timeout: float,
    as_json: bool,
) -> None:
    """Hold the answer of URL to its contract, to what is expected and to a baseline.

    Exits 0 when it holds (additions and changed counts are listed), 1 when other values changed since the baseline,
    2 for a contract fault, an unmet expectation, something gone or turned worse, no answer, or bad input.
    """
    if schema is not None and no_contract:
        fail("info check: --schema and --no-contract exclude each other")
    given = {"expect": _document("--expect", expected), "baseline": _document("--baseline", baseline)}
    config: dict[str, Any] = {
        "url": url,
        "headers": dict(map(_header, headers)),
        "timeout": timeout,
        "contract": not no_contract if schema is None else _document("--schema", schema),
        **{key: value for key, value in given.items() if value is not None},
    }
    _refuse_faulty(config)
    document, trouble = _asked(config)
    if trouble:
        _print_trouble(trouble, as_json)
        sys.exit(EXIT_CODES["critical"])
    if kept is not None:
        _save(kept, document)
    judged = judge(config, document)
    click.echo(json.dumps(record(judged, document), indent=2) if as_json else "\n".join(report(judged, document)))
    sys.exit(EXIT_CODES[judged.status])


@info.command()
@click.argument("name")
@click.option("--by", default=getpass.getuser, show_default="you", help="Who does it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def accept(name: str, by: str, as_json: bool) -> None:
    """Make the last answer of the check NAME its baseline: what drifted is taken as it is now."""
    settings = current()
    config = watcher_of(settings).config
    watch = config.watch_of.get(f"check/{name.removeprefix('check/')}")
    if watch is None:
        fail(f"info accept: there is no check {name!r}")
    with opened_store(settings):
        try:
            accepted = drift.accept(watch, by, time.time())
        except drift.NothingToAccept as reason:
            fail(f"info accept: {reason}", code=1)
    told = {"check": watch.name, "seen_at": rfc3339(accepted.seen_at), "accepted_by": by}
    words = f"{watch.name}: the answer of {told['seen_at']} is the baseline from the next look on"
    click.echo(json.dumps(told) if as_json else words)


def _document(option: str, name: str | None) -> dict[str, Any] | None:
    """The JSON object in a file; one line and exit 2 where there is none."""
    if name is None:
        return None
    try:
        with Path(name).open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        document = json.loads(content) if len(content) <= _LARGEST_FILE else None
    except OSError as error:
        fail(f"info check: {option} {name}: cannot be read: {error.strerror}")
    except (ValueError, RecursionError):
        fail(f"info check: {option} {name}: not a JSON document")
    if not isinstance(document, dict):
        fail(f"info check: {option} {name}: expected a JSON object of at most {_LARGEST_FILE} bytes")
    found: dict[str, Any] = document
    return found


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        fail("info check: --header: expected 'NAME: VALUE'")
    return name.strip(), value.strip()


def _refuse_faulty(config: Mapping[str, Any]) -> None:
    options = {"url": "URL", "headers": "--header", "contract": "--schema"}
    faults = check_config("info", config)
    for fault in faults:
        key, _, rest = fault.pointer.removeprefix("/").partition("/")
        option = options.get(key, f"--{key}")
        click.echo(f"vedette: info check: {option}{': /' + rest if rest else ''}: {fault.message}", err=True)
    if faults:
        sys.exit(EXIT_CODES["critical"])


def _asked(config: Mapping[str, Any]) -> tuple[Any, str]:
    """The document the service answers, and why there is none: "" where there is one."""
    found: list[tuple[Any, str]] = []
    runner = Runner()
    try:
        runner.start(_asking(config, found), "info", config["timeout"] + _PATIENCE)
        while not (done := runner.run_once(1.0)):
            pass
    finally:
        runner.close()
    return found[0] if found else (None, done[0][1].message)


def _asking(config: Mapping[str, Any], found: list[tuple[Any, str]]) -> Generator[Request, Reply, Observation]:
    reply = yield request(config)
    assert isinstance(reply, HttpReply)
    found.append(read(reply))
    return Observation("ok")


def _save(name: str, document: Any) -> None:
    """Write the document whole or not at all."""
    path = Path(name)
    try:
        with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(json.dumps(document, indent=2) + "\n")
        Path(file.name).chmod(0o666 & ~_umask())
        Path(file.name).replace(path)
    except OSError as error:
        fail(f"info check: --save {name}: cannot be written: {error.strerror}")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _print_trouble(trouble: str, as_json: bool) -> None:
    told = {"status": "critical", "message": trouble}
    click.echo(json.dumps(told, indent=2) if as_json else f"CRITICAL - {printable(trouble)}")
