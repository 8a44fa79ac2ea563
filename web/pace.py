"""How often who may knock, where nobody signs in: what one may do at once comes back with time."""

import time
from collections.abc import Callable

from web.errors import Problem


class Pace:
    """Counts for each caller, in each worker for itself: `per_second` on the average, `at_once` in a burst."""

    def __init__(
        self, per_second: float = 10.0, at_once: float = 600.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._at_once, self._clock = per_second, at_once, clock
        self._spent: dict[str, tuple[float, float]] = {}

    def wait(self, who: str, cost: float = 1.0) -> float:
        """Seconds it must wait; 0 where it need not, and then this counts, as much as it costs."""
        at = self._clock()
        spent, since = self._spent.get(who, (0.0, at))
        spent = max(0.0, spent - (at - since) * self._per_second)
        if spent + cost > self._at_once:
            return (spent + cost - self._at_once) / self._per_second
        self._spent[who] = (spent + cost, at)
        return 0.0

    def keep(self, who: str, detail: str, cost: float = 1.0) -> None:
        """Count it. Raises Problem 429, which says `detail`, where it must wait."""
        if wait := self.wait(who, cost):
            raise Problem(429, detail, headers={"Retry-After": str(int(wait) + 1)})
