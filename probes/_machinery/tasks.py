"""A probe under way, the line it may have to stand in, and the alarm that wakes whoever drives it."""

import os
import threading
import time
from collections import deque
from collections.abc import Generator, Hashable
from typing import Any

from probes._machinery.exchanges import Exchange
from probes._machinery.observation import Observation
from probes._machinery.requests import Reply, Request
from probes._machinery.sql import SqlJob

Running = Generator[Request, Reply, Observation]
Job = SqlJob | Exchange
"""What is under way elsewhere than in this thread, and can be cut off."""


class Task:
    """A probe under way. `turn` counts its requests, so that a timer set for an earlier one is known for stale."""

    __slots__ = ("begun", "deadline", "deadline_seconds", "heard_at", "job", "key", "left", "probe", "request", "turn")

    def __init__(self, probe: Running, key: Hashable, deadline_seconds: float) -> None:
        self.probe = probe
        self.key = key
        self.deadline_seconds = self.left = deadline_seconds
        self.deadline: float | None = None
        self.begun: float | None = None
        self.heard_at: float | None = None  # when its last reply came, where it has waited here since
        self.turn = 0
        self.request: Request | None = None  # what it asked for last
        self.job: Job | None = None

    def go_on(self) -> float:
        """Start the clock; the moment (time.monotonic) by which the probe must have ended."""
        now = time.monotonic()
        if self.begun is None:
            self.begun = now
        self.deadline = now + self.left
        return self.deadline

    def seconds(self) -> float:
        """How long the probe has been at work, its first wait in line left out."""
        return 0.0 if self.begun is None else (self.heard_at or time.monotonic()) - self.begun

    def pause(self) -> None:
        """Stop the clock while the probe stands in line: that wait is ours, not its target's."""
        if self.deadline is not None:
            self.left = max(0.0, self.deadline - time.monotonic())
            self.deadline = None


class Line:
    """How many requests of a sort are being served, and who waits, first come first served."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.busy = 0
        self.waiting: deque[tuple[Task, Any]] = deque()

    @property
    def is_full(self) -> bool:
        return self.busy >= self._limit


class Alarm:
    """Wakes a poll from another thread, and can be rung after its end without harm."""

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._closed = False

    def ring(self) -> None:
        with self._lock:  # else a late ring could write into whatever was opened under the same number
            if not self._closed:
                os.eventfd_write(self.descriptor, 1)

    def hear(self) -> None:
        os.eventfd_read(self.descriptor)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            os.close(self.descriptor)
