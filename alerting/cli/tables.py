"""What commands print: a table for a person, JSON for a program."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool, nothing: str) -> None:
    """Print rows: these columns of them for a person (`nothing` where there are no rows), all of them as JSON."""
    if as_json:
        click.echo(json.dumps(list(rows)))
    elif rows:
        _table(
            [[name.replace("_", " ") for name in columns], *([_text(row[name]) for name in columns] for row in rows)]
        )
    else:
        click.echo(nothing, err=True)


def show_one(row: Mapping[str, Any], as_json: bool) -> None:
    """Print one thing, a field a line, or as a JSON object."""
    if as_json:
        click.echo(json.dumps(row))
        return
    width = max(map(len, row))
    for name, value in row.items():
        click.echo(f"{name.replace('_', ' '):{width}}  {_text(value)}")


def printable(text: str) -> str:
    """Text of unknown origin for a terminal: it may hold anything, but must not move the cursor or ring a bell."""
    return "".join(each if each.isprintable() else " " for each in text)


def _table(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        click.echo("  ".join(f"{text:{width}}" for text, width in zip(line, widths, strict=True)).rstrip())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} ({_text(each)})" for name, each in value.items())
    return "-" if value is None else printable(str(value))
