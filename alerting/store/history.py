"""What was observed: recent samples as rows, finished hours packed into one row each, rollups, changes of status.

A subject's history belongs to its organization: another one's subject of the same name has a history of its own.
Samples are kept 7 days, rollups of an hour 13 months, and the newest changes of status for ever.
"""

import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from alerting.config import Watch
from alerting.samples import HOUR, STATUSES, Rollup, Sample, hour_of, merged, pack, read, roll_up, unpack, written
from alerting.store.database import execute, execute_many, reading, taking_turns, transaction
from probes import Observation

SAMPLES_KEPT = 7 * 86400.0
ROLLUPS_KEPT = 397 * 86400.0
CHANGES_KEPT = 10_000
"""Newest changes of status a subject keeps."""

_SETTLED = 300.0  # seconds after its end at which an hour is packed: the last looks of it may still be on their way
_ALL = 10**9
_HOURS_AT_ONCE = 24  # packed hours read in one statement


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A subject took on a status: when (epoch seconds), and what was said of it."""

    at: float
    status: str
    message: str


def open_series(watches: Iterable[Watch]) -> None:
    """See to it that these subjects have a history. In the caller's transaction."""
    rows = [(watch.subject, watch.organization) for watch in watches]
    execute_many("insert into series (subject, organization) values (?, ?) on conflict do nothing", rows)


def append(rows: Sequence[tuple[Any, ...]]) -> int:
    """Add samples, made by `row`, of subjects whose series are open; how many. In the caller's transaction."""
    return execute_many(
        'insert into sample (series, at, status, duration, "values", message) select id, ?, ?, ?, ?, ?'
        " from series where subject = ? and organization = ? on conflict do nothing",
        rows,
    )


def row(watch: Watch, observation: Observation, values: str) -> tuple[Any, ...]:
    """A sample for `append`. `values` is the JSON text of the observation's."""
    status = observation.status
    message = None if status == "ok" else observation.message
    at, number = round(observation.at, 3), STATUSES.index(status)
    return at, number, observation.duration, values, message, watch.subject, watch.organization


def append_changes(changes: Iterable[tuple[Watch, Observation]]) -> None:
    """Note that these observations changed their subjects' statuses. In the caller's transaction."""
    execute_many(
        "insert into status_change (series, at, status, message) select id, ?, ?, ?"
        " from series where subject = ? and organization = ? on conflict do nothing",
        [
            (round(one.at, 3), STATUSES.index(one.status), one.message, watch.subject, watch.organization)
            for watch, one in changes
        ],
    )


def samples(watch: Watch, since: float, until: float, limit: int) -> list[Sample]:
    """The subject's samples of [since, until), newest first, at most `limit`."""
    with reading():
        number = _number(watch)
        if number is None:
            return []
        both = heapq.merge(
            _recent(number, since, until, limit),
            _packed(number, since, until),
            key=lambda sample: sample.at,
            reverse=True,
        )
        return [sample for sample, _ in zip(both, range(limit), strict=False)]


def rollups(watch: Watch, since: float, until: float, limit: int = 100_000) -> list[Rollup]:
    """The subject's hours that begin in [since, until), newest first, the one under way included; at most `limit`."""
    with reading():
        number = _number(watch)
        if number is None:
            return []
        first, last = -int(-since // HOUR), -int(-until // HOUR)
        by_hour = {
            hour: read(hour, text)
            for hour, text in execute(
                "select hour, data from rollup where series = ? and hour >= ? and hour < ? order by hour desc limit ?",
                (number, first, last, limit),
            )
        }
        for hour, looks in _by_hour(_recent(number, first * HOUR, last * HOUR)).items():
            fresh = roll_up(looks)
            by_hour[hour] = merged(by_hour[hour], fresh) if hour in by_hour else fresh
    return [by_hour[hour] for hour in sorted(by_hour, reverse=True)][:limit]


def status_changes(watch: Watch, since: float, until: float, limit: int = CHANGES_KEPT) -> list[StatusChange]:
    """When the subject took on which status within [since, until), newest first."""
    with reading():
        number = _number(watch)
        found = execute(
            "select at, status, message from status_change where series = ? and at >= ? and at < ?"
            " order by at desc limit ?",
            (number, since, until, limit),
        )
    return [StatusChange(at, STATUSES[status], message) for at, status, message in found]


def series(
    watch: Watch, metrics: Sequence[str], since: float, until: float, points: int
) -> list[tuple[float, dict[str, float | None]]]:
    """Averages for a chart: `points` moments evenly over [since, until), oldest first; None where nothing is known.

    Of samples where they are fine enough and still kept, else of rollups.
    """
    step = (until - since) / points
    if step >= HOUR or until - since > SAMPLES_KEPT:
        seen = [(one.hour, _averages(one, metrics)) for one in rollups(watch, since, until)]
    else:
        seen = [(one.at, dict(one.values)) for one in samples(watch, since, until, _ALL)]
    buckets: list[dict[str, list[float]]] = [{name: [] for name in metrics} for _ in range(points)]
    for at, values in seen:
        bucket = buckets[min(points - 1, int((at - since) / step))]
        for name in metrics:
            if (value := values.get(name)) is not None:
                bucket[name].append(value)
    return [
        (since + number * step, {name: sum(found) / len(found) if found else None for name, found in bucket.items()})
        for number, bucket in enumerate(buckets)
    ]


def all_series() -> list[int]:
    """The numbers of every history there is."""
    with reading():
        return [number for (number,) in execute("select id from series order by id")]


def finished_hour(now: float) -> int:
    """The first hour (since the epoch) that may not be packed yet."""
    return hour_of(now - _SETTLED)


def pack_hours(number: int, now: float) -> int:
    """Pack the finished hours of one history; how many. Done twice or cut off in between it does no harm."""
    end = finished_hour(now) * HOUR
    with reading():
        if not execute("select 1 from sample where series = ? and at < ? limit 1", (number, end)):
            return 0
    with taking_turns():
        rows = execute(
            'delete from sample where series = ? and at < ? returning at, status, duration, "values", message',
            (number, end),
        )
        hours = _by_hour(map(_sample, rows))
        for hour, looks in hours.items():
            _keep_hour(number, hour, looks)
    return len(hours)


def prune(number: int, now: float) -> None:
    """Forget what of one history is older than we keep it: three statements on a few rows, each by its key."""
    with transaction():
        execute("delete from packed where series = ? and hour < ?", (number, hour_of(now - SAMPLES_KEPT)))
        execute("delete from rollup where series = ? and hour < ?", (number, hour_of(now - ROLLUPS_KEPT)))
        execute(
            "delete from status_change where series = ? and at <= (select at from status_change where series = ?"
            " order by at desc limit 1 offset ?)",
            (number, number, CHANGES_KEPT),
        )


def _keep_hour(number: int, hour: int, looks: list[Sample]) -> None:
    """Add looks to what is kept of their hour: they may come after it was packed."""
    fresh = roll_up(looks)
    for (text,) in execute("select data from rollup where series = ? and hour = ?", (number, hour)):
        fresh = merged(read(hour, text), fresh)
    for (data,) in execute("select data from packed where series = ? and hour = ?", (number, hour)):
        looks = [*unpack(bytes(data)), *looks]
    upsert = "insert into {0} (series, hour, data) values (?, ?, ?) on conflict (series, hour) do update set data = {1}"
    execute(upsert.format("rollup", "excluded.data"), (number, hour, written(fresh)))
    execute(upsert.format("packed", "excluded.data"), (number, hour, pack(looks)))


def _number(watch: Watch) -> int | None:
    found = execute("select id from series where subject = ? and organization = ?", (watch.subject, watch.organization))
    return int(found[0][0]) if found else None


def _recent(number: int, since: float, until: float, limit: int = _ALL) -> Iterator[Sample]:
    rows = execute(
        'select at, status, duration, "values", message from sample'
        " where series = ? and at >= ? and at < ? order by at desc limit ?",
        (number, since, until, limit),
    )
    return map(_sample, rows)


def _packed(number: int, since: float, until: float) -> Iterator[Sample]:
    """Samples of packed hours, newest first, read as far as somebody asks."""
    above = hour_of(until) + 1
    while hours := execute(
        "select hour, data from packed where series = ? and hour >= ? and hour < ? order by hour desc limit ?",
        (number, hour_of(since), above, _HOURS_AT_ONCE),
    ):
        for above, data in hours:  # noqa: B007
            yield from (one for one in reversed(unpack(bytes(data))) if since <= one.at < until)


def _sample(row: Sequence[Any]) -> Sample:
    at, status, duration, values, message = row
    return Sample(at, STATUSES[status], json.loads(values), duration, message)


def _by_hour(looks: Iterable[Sample]) -> dict[int, list[Sample]]:
    hours: dict[int, list[Sample]] = {}
    for one in looks:
        hours.setdefault(hour_of(one.at), []).append(one)
    return hours


def _averages(rollup: Rollup, metrics: Sequence[str]) -> dict[str, float | None]:
    spreads = {name: rollup.values.get(name) for name in metrics}
    return {name: None if spread is None else spread.average for name, spread in spreads.items()}
