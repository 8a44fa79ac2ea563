"""Maintenance windows as they are written, in a file's [maintenance] tables or to the API: their faults, and values."""

import re
from collections.abc import Generator, Iterator, Mapping
from datetime import date, datetime, time
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from alerting.config import Maintenance
from alerting.configuration import matches
from alerting.configuration.parts import Declared
from alerting.configuration.values import seconds
from probes._machinery.turns import cron_fault, due_after, zone_fault
from schemas import Fault

LONGEST = 366 * 86_400.0
"""Seconds that something may be kept quiet in one go."""

SAID = "a moment such as 2026-12-01T22:00:00+01:00, or 2026-12-01T22:00:00 for the window's time zone"

_DAY = 86_400.0
_LONGEST_TURN = 7 * _DAY
_KINDS = {"once": ("starts_at", "ends_at"), "weekly": ("days", "at"), "cron": ("cron",)}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?")
_SOME_MONDAY = 1_798_761_600.0 - 4 * _DAY  # turns are compared from here on: 28 December 2026
_COMPARED = 20
_LATEST = 253_370_764_800.0  # the year 9999: no moment beyond can be written


def plain_times(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the dates and times of its windows as text: TOML has them, nothing after it has."""
    windows = document.get("maintenance")
    if not isinstance(windows, dict):
        return document
    plain = {
        name: {key: _plain(value) for key, value in item.items()} if isinstance(item, dict) else item
        for name, item in windows.items()
    }
    return {**document, "maintenance": plain}


def faults(item: Mapping[str, Any], zone: str) -> Iterator[Fault]:
    """What the schema cannot say of a window: no such zone, no or several schedules, an end that is no end.

    `zone` is the service's, for a window that names none.
    """
    yield from matches.faults(item)
    zone = item.get("timezone", zone)
    if unknown := zone_fault(zone):
        yield Fault("/timezone", unknown)
        return
    kinds = [kind for kind, keys in _KINDS.items() if any(key in item for key in keys)]
    if len(kinds) != 1:
        found = f"found {' and '.join(kinds)}" if kinds else "found none"
        yield Fault("", f"expected one of starts_at and ends_at; days, at and lasts; cron and lasts; {found}")
        return
    yield from _once_faults(item, zone) if kinds == ["once"] else _recurring_faults(item, kinds[0], zone)


def maintenance_of(item: Mapping[str, Any], name: str, organization: str, zone: str, **more: Any) -> Maintenance:
    """A window from its keys, which must be free of faults. `more`: its id, and what manages it."""
    place = item.get("timezone", zone)
    return Maintenance(
        name=name,
        organization=organization,
        match=matches.flat(item.get("match", {})),
        reason=item["reason"],
        timezone=place,
        starts_at=moment_of(item.get("starts_at"), place),
        ends_at=moment_of(item.get("ends_at"), place),
        days=tuple(item.get("days", ())),
        at=item.get("at"),
        cron=item.get("cron"),
        lasts=seconds(item.get("lasts", 0)),
        until=moment_of(item.get("until"), place),
        **more,
    )


def windows(parts: Declared) -> Iterator[Maintenance]:
    """The file's windows, in its order. The document must be free of faults."""
    for where, item in parts.items("maintenance"):
        yield maintenance_of(item, str(where[1]), parts.organization_of(item) or "", service_zone(parts))


def service_zone(parts: Declared) -> str:
    """The zone of windows that name none."""
    service = parts.document.get("service")
    zone = service.get("timezone") if isinstance(service, dict) else None
    return zone if isinstance(zone, str) and zone_fault(zone) is None else "UTC"


def moment_of(text: str | None, zone: str) -> float | None:
    """Epoch seconds of a moment as it is written, with an offset or without; None where it is none, or before 1970."""
    if text is None or not _MOMENT.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text.upper())
        at = (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))).timestamp()
    except (ValueError, OverflowError):
        return None
    return at if 0 <= at < _LATEST else None


def _plain(value: Any) -> Any:
    if isinstance(value, time):
        return value.isoformat("minutes" if value == value.replace(second=0, microsecond=0) else "auto")
    return value.isoformat() if isinstance(value, date) else value


def _once_faults(item: Mapping[str, Any], zone: str) -> Iterator[Fault]:
    for key in ("lasts", "until"):
        if key in item:
            yield Fault(f"/{key}", "is for a window that recurs; this one has starts_at and ends_at")
    begins, ends = (yield from _moment(item, "starts_at", zone)), (yield from _moment(item, "ends_at", zone))
    if begins is None or ends is None:
        return
    if ends <= begins:
        yield Fault("/ends_at", "lies before starts_at" if ends < begins else "is the same moment as starts_at")
    elif ends - begins > LONGEST:
        yield Fault("/ends_at", "expected a year after starts_at at most")


def _recurring_faults(item: Mapping[str, Any], kind: str, zone: str) -> Iterator[Fault]:
    missing = [key for key in (*_KINDS[kind], "lasts") if key not in item]
    for key in missing:
        yield Fault("", f"{key} is missing")
    if "until" in item:
        yield from _moment(item, "until", zone)
    if fault := cron_fault(item["cron"]) if "cron" in item else None:
        yield Fault("/cron", fault)
    elif not missing and (fault := _endless(item, zone)):
        yield Fault("/lasts", fault)


def _moment(item: Mapping[str, Any], key: str, zone: str) -> Generator[Fault, None, float | None]:
    """The moment under `key`, after the fault of one that is none."""
    found = moment_of(item.get(key), zone)
    if key not in item:
        yield Fault("", f"{key} is missing")
    elif found is None:
        yield Fault(f"/{key}", f"expected {SAID}")
    return found


def _endless(item: Mapping[str, Any], zone: str) -> str | None:
    """What keeps a recurring window from ever ending: it is meant to be over at times."""
    lasts, turns = seconds(item["lasts"]), [_SOME_MONDAY]
    if lasts > _LONGEST_TURN:
        return "expected a week at most"
    planned = maintenance_of({**item, "reason": "", "match": {}}, "", "", zone)
    config = {"cron": planned.line, "timezone": planned.timezone}
    for _ in range(_COMPARED):
        turns.append(due_after(config, turns[-1]))
    if all(following - turn <= lasts for turn, following in pairwise(turns[1:])):
        return "it would begin again before it ends, each time, and so never end"
    return None
