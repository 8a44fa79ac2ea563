"""How late looks begin: the moments of the last minute, kept small."""

from array import array
from collections import deque

_KEPT = 60.0  # seconds


class Lateness:
    """How many seconds after their turn looks began, over the last minute. For one writing thread and any readers."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, array[float]]] = deque()

    def note(self, late: float, now: float) -> None:
        """A look began `late` seconds after its turn, at the monotonic moment `now`."""
        second = int(now)
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append((second, array("f")))
            while self._seconds[0][0] < second - _KEPT:
                self._seconds.popleft()
        self._seconds[-1][1].append(late)

    def forget(self) -> None:
        """Begin anew."""
        self._seconds.clear()

    def quantiles(self, *wanted: float) -> list[float]:
        """The lateness that these shares of the looks did not exceed, in seconds; 0 where nothing was looked at."""
        found = sorted(late for _, several in list(self._seconds) for late in several)
        return [found[min(len(found) - 1, int(share * len(found)))] if found else 0.0 for share in wanted]
