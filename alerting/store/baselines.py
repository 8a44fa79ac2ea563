"""Baselines: for every info check, the answer that later ones are compared with."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import peewee

from alerting.config import Watch
from alerting.store.models import Baseline
from probes import Observation

KIND = "info"
"""The kind of probe that has baselines."""


@dataclass(frozen=True, slots=True)
class Baselines:
    """All of them as they were when they were read: subject → document. `stamp` changes when one of them does."""

    documents: Mapping[str, Any]
    stamp: tuple[int, float] = (0, 0.0)


NONE = Baselines({})


def fresh(known: Baselines) -> Baselines:
    """All baselines; `known` itself where nothing has changed since it was read, which costs next to nothing."""
    stamp = _stamp()
    return known if stamp == known.stamp else Baselines(_documents(), stamp)


def keep_first(seen: Iterable[tuple[Watch, Observation]]) -> None:
    """Make a good answer the baseline of its subject, where the subject has none."""
    rows = [_row(one.subject, one.facts["document"], one.at, "") for watch, one in seen if is_first(watch, one)]
    if rows:
        Baseline.insert_many(rows).on_conflict_ignore().execute()


def move(subject: str, document: Any, at: float, by: str) -> None:
    """Compare with `document` from now on."""
    kept = [Baseline.document, Baseline.at, Baseline.by]
    Baseline.insert(_row(subject, document, at, by)).on_conflict(
        conflict_target=[Baseline.subject], preserve=kept
    ).execute()


def forget(subjects: Collection[str]) -> None:
    """Drop those of subjects that are no longer watched."""
    Baseline.delete().where(Baseline.subject.in_(list(subjects))).execute()


def _stamp() -> tuple[int, float]:
    # The sum and not the newest: a clock set back makes a moved baseline older than others.
    row: Any = Baseline.select(peewee.fn.COUNT(Baseline.subject), peewee.fn.SUM(Baseline.at)).tuples().first()
    return row[0], row[1] or 0.0


def _documents() -> dict[str, Any]:
    return {row.subject: row.document for row in Baseline.select(Baseline.subject, Baseline.document)}


def is_first(watch: Watch, seen: Observation) -> bool:
    """Whether it was seen without a baseline to compare with, and could be one."""
    if watch.kind != KIND or seen.status != "ok" or seen.facts.get("document") is None:
        return False
    drift = seen.facts.get("drift")
    return drift is not None and drift["baseline"] is None


def _row(subject: str, document: Any, at: float, by: str) -> dict[str, Any]:
    return {"subject": subject, "document": document, "at": at, "by": by}
