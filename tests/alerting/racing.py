"""What several processes do to one database at once: each function here runs in a process of its own."""

import multiprocessing
import time
from collections.abc import Callable
from typing import Any

from alerting.store import database, events, outbox
from alerting.store.events import NewEvent

_SPAWN = multiprocessing.get_context("spawn")  # a fork would share the parent's connections


def race(function: Callable[..., Any], arguments: list[tuple[Any, ...]], seconds: float = 60.0) -> list[Any]:
    """Call the function in one process for each tuple of arguments, all at the same time; their results, in order."""
    with _SPAWN.Pool(len(arguments)) as pool:
        started = [pool.apply_async(function, one) for one in arguments]
        return [one.get(seconds) for one in started]


def start(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function in a process of its own, started; the caller ends it."""
    process = _SPAWN.Process(target=function, args=arguments, daemon=True)
    process.start()
    return process


def queue() -> Any:
    """A queue to such a process or from it."""
    return _SPAWN.Queue()


def meet(at: float) -> None:
    """Wait for the moment agreed upon: processes take their time to start."""
    time.sleep(max(0.0, at - time.time()))


def migrate(url: str, at: float) -> list[str]:
    """Bring the tables up to date at that moment; what was applied here."""
    database.open_database(url)
    meet(at)
    applied = database.migrate()
    with database.reading():
        events.bounds()  # whoever comes back finds the tables
    database.close_database()
    return applied


def append_events(url: str, at: float, writer: int, count: int) -> list[int]:
    """Append so many events, each in a transaction that dawdles before and after it; their ids."""
    database.open_database(url)
    meet(at)
    ids: list[int] = []
    for number in range(count):
        with database.transaction():
            if writer % 2:
                time.sleep(0.002)
            ids += events.append([NewEvent("task_status", {"writer": writer, "number": number})], float(number))
            if not writer % 2:
                time.sleep(0.002)  # between drawing an id and committing it: where readers would pass it by
    database.close_database()
    return ids


def read_events(url: str, at: float, until: int, seconds: float) -> list[int]:
    """Follow the log by `id > last` until so many events were seen; their ids in the order seen."""
    database.open_database(url)
    meet(at)
    seen: list[int] = []
    end = time.monotonic() + seconds
    while len(seen) < until and time.monotonic() < end:
        with database.reading():
            seen += [event.id for event in events.after(seen[-1] if seen else 0)]
    database.close_database()
    return seen


def drain_outbox(url: str, at: float, owner: str, now: float, channels: list[str]) -> list[tuple[int, int]]:
    """Claim and deliver what there is until nothing is pending; (row, nanoseconds at its claim) in order."""
    database.open_database(url)
    meet(at)
    claimed: list[tuple[int, int]] = []
    end, busy = time.monotonic() + 90.0, True
    while busy and time.monotonic() < end:
        for channel in channels:
            with database.transaction():
                claims = outbox.claim(channel, owner, now)
            claimed += [(one.id, time.monotonic_ns()) for one in claims]
            with database.transaction():
                outbox.delivered(claims, None, now)
        with database.reading():
            busy = outbox.oldest_waiting(now) is not None
    database.close_database()
    return claimed


def lead(url: str, name: str, said: Any) -> None:
    """Take the lead as soon as it is free, say so, and keep it until killed; say when it is lost."""
    from alerting.leader import lead as ours

    database.open_database(url)
    mine = ours()
    while not mine.take():
        time.sleep(0.02)
    said.put((name, "leads"))
    while mine.held():
        time.sleep(0.02)
    said.put((name, "lost"))
