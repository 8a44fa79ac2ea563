"""How restless each fingerprint is."""

import json
from collections.abc import Sequence
from typing import Any

from alerting.flapping import Flap
from alerting.store.database import execute

_COLUMNS = "fingerprint, changes, delay, until, since"


def get(fingerprint: str) -> Flap:
    """That of a fingerprint; a calm one where nothing is known."""
    rows = execute(f"select {_COLUMNS} from flap where fingerprint = ?", (fingerprint,))  # noqa: S608
    return _value(rows[0]) if rows else Flap(fingerprint)


def put(flap: Flap) -> None:
    """Keep it."""
    execute(
        f"insert into flap ({_COLUMNS}) values (?, ?, ?, ?, ?) on conflict (fingerprint) do update set"  # noqa: S608
        " changes = excluded.changes, delay = excluded.delay, until = excluded.until, since = excluded.since",
        (flap.fingerprint, json.dumps(flap.changes), flap.delay, flap.until, flap.since),
    )


def steady(now: float) -> list[Flap]:
    """Those that were flapping and have been steady for their delay."""
    rows = execute(f"select {_COLUMNS} from flap where since is not null and until <= ?", (now,))  # noqa: S608
    return [_value(row) for row in rows]


def forget(fingerprint: str) -> None:
    """It is calm."""
    execute("delete from flap where fingerprint = ?", (fingerprint,))


def prune(before: float) -> None:
    """Drop those that have long been calm."""
    execute("delete from flap where since is null and until < ?", (before,))


def _value(row: Sequence[Any]) -> Flap:
    fingerprint, changes, delay, until, since = row
    return Flap(fingerprint, tuple(json.loads(changes)), delay, until, since)
