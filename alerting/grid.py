"""When checks are due: a fixed grid with a stable phase, so that they neither drift nor bunch."""

import hashlib
import math


def phase(subject: str, every: float) -> float:
    """Where in its interval a subject's checks lie, in seconds: the same on every start and every machine."""
    digest = hashlib.blake2b(subject.encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64 * every


def next_due(subject: str, every: float, after: float) -> float:
    """The first moment of the subject's grid beyond `after`, in epoch seconds."""
    return next_moment(phase(subject, every), every, after)


def next_moment(shift: float, every: float, after: float) -> float:
    """The same of a grid whose phase is known."""
    turn = math.floor((after - shift) / every) + 1
    due = turn * every + shift
    # A moment of the grid, divided and multiplied again, may come out as itself: it would be looked at twice.
    return due if due > after else (turn + 1) * every + shift


def missed(every: float, due: float, now: float) -> int:
    """How many moments of the grid went by between `due` and `now` without a check: counted, not replayed."""
    return max(0, math.floor((now - due) / every))
