"""When a job's ping is expected: every so often, or at the moments of a cron line in a time zone."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from probes._machinery.times import seconds

_NICKNAMES: Mapping[str, str] = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_EARLY = 30.0  # seconds a job's clock may be ahead of ours: its ping then comes before its turn, and is for that turn
_SELDOM = 10 * _EARLY  # where turns are closer than this, an early ping cannot be told from a late one
_NEVER = float("inf")
_USUAL_GRACE = (1.0, 3600.0)  # seconds, least and most, where none is configured: a tenth of the wait for the next turn


def due_after(config: Mapping[str, Any], moment: float) -> float:
    """The first turn after `moment`, in epoch seconds. `config` is that of a heartbeat, free of faults."""
    if "period" in config:
        return moment + seconds(config["period"])
    return _fire(config["cron"], config.get("timezone", "UTC"), moment)


def due_after_ping(config: Mapping[str, Any], at: float) -> float:
    """The turn that a ping at `at` leaves open: the first after it, but for one it came a moment too early for."""
    due = due_after(config, at)
    if "cron" in config and due - at <= _EARLY:
        following = due_after(config, due)
        return following if following - due > _SELDOM else due
    return due


def grace(config: Mapping[str, Any], due: float) -> float:
    """Seconds a ping may come after its turn: as configured, else a tenth of the wait for the next, an hour at most."""
    if "grace" in config:
        return seconds(config["grace"])
    least, most = _USUAL_GRACE
    return min(most, max(least, (due_after(config, due) - due) / 10))


def deadline_after(config: Mapping[str, Any], first: float, now: float) -> float:
    """The first moment after `now` at which a turn, `first` or one that follows it, is missed."""
    allowed = grace(config, first)
    if first + allowed > now:
        return first + allowed
    if "period" in config:
        period = seconds(config["period"])
        gone = int((now - first - allowed) / period) + 1
        return first + gone * period + allowed
    return due_after(config, now - allowed) + allowed


def cron_fault(line: str) -> str | None:
    """What keeps `line` from being a cron line that has a turn at all; None where nothing does."""
    from cronsim import CronSimError

    fields = _NICKNAMES.get(line.strip().lower(), line).split()
    if len(fields) != 5:
        return 'expected five fields, minute hour day month weekday, such as "0 3 * * *", or one of ' + ", ".join(
            _NICKNAMES
        )
    try:
        _fire(line, "UTC", 0.0)
    except CronSimError as error:
        return f"not a cron line: {str(error)[:1].lower()}{str(error)[1:]}"
    except ValueError:
        return "there is no such day: it would never be its turn"
    return None


def zone_fault(name: str) -> str | None:
    """What keeps `name` from being a time zone; None where nothing does."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return "unknown time zone; expected a name such as Europe/Paris or UTC"
    return None


def _fire(line: str, zone: str, moment: float) -> float:
    """The first moment of a cron line after `moment`. Raises CronSimError on a faulty line, ValueError for none ever.

    As cron has it: a turn at an hour that the clocks skip comes right after the gap, one in a repeated hour comes once;
    a line with a "*" for its minute or hour goes by elapsed time.
    """
    from cronsim import CronSim

    expression = _NICKNAMES.get(line.strip().lower(), line)
    by_elapsed_time = any(field.startswith("*") for field in expression.split()[:2])
    place, found = ZoneInfo(zone), _NEVER
    wall = datetime.fromtimestamp(moment, place).replace(tzinfo=None)
    for turn in CronSim(expression, wall - timedelta(seconds=max(0.0, _repeated(wall, place)))):
        if _first(turn, place) >= found:
            break
        comes = (one for one in _moments(turn, place, by_elapsed_time) if one > moment)
        found = min(found, *comes, _NEVER)
    if found == _NEVER:
        raise ValueError("this cron line never comes round")
    return found


def _moments(turn: datetime, place: ZoneInfo, by_elapsed_time: bool) -> Iterator[float]:
    """When clocks in that place show `turn` and the job runs."""
    repeated = _repeated(turn, place)
    if repeated < 0:
        if not by_elapsed_time:
            yield _after_gap(turn, place)
        return
    yield _first(turn, place)
    if repeated > 0 and by_elapsed_time:
        yield _first(turn, place) + repeated


def _after_gap(turn: datetime, place: ZoneInfo) -> float:
    while _repeated(turn, place) < 0:
        turn += timedelta(minutes=1)
    return _first(turn, place)


def _first(turn: datetime, place: ZoneInfo) -> float:
    return turn.replace(tzinfo=place).timestamp()


def _repeated(turn: datetime, place: ZoneInfo) -> float:
    """Seconds until clocks show `turn` a second time; 0 where they show it once, below 0 where they never do."""
    return turn.replace(tzinfo=place, fold=1).timestamp() - _first(turn, place)
