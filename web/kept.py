"""Answers that are kept for a while, each made once, however many wait for it."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")

_MOST = 1000


class Kept(Generic[Answer]):
    """One worker's answers by key. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry[Answer]] = {}

    def get(self, key: Hashable, make: Callable[[], tuple[Answer, float]]) -> Answer:
        """The answer under `key`, made now where there is none. `make` gives it, and for how many seconds it holds."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                self._forget_old()
                entry = self._entries[key] = _Entry()
        with entry.lock:  # those who come meanwhile wait for the one who asks
            if entry.answer is None or entry.until <= self._clock():
                entry.answer, holds = make()
                entry.until = self._clock() + holds
            return entry.answer

    def _forget_old(self) -> None:
        if len(self._entries) >= _MOST:
            now = self._clock()
            self._entries = {key: one for key, one in self._entries.items() if one.until > now}
        while len(self._entries) >= _MOST:
            self._entries.pop(next(iter(self._entries)))


class _Entry(Generic[Answer]):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.answer: Answer | None = None
        self.until = 0.0
