"""Keeps the outbox moving: a message at a time to each channel, channels beside one another."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from alerting import dispatch
from alerting.config import Config
from alerting.store.database import DatabaseError, Unavailable, describe

logger = logging.getLogger("vedette.delivery")

_AWAY = 1.0  # seconds between two tries at what failed without having been put off in the outbox
_AT_ONCE = 64  # channels spoken to at the same time; a thread is made when it is needed
_FLOOR = 0.5  # seconds until the outbox is looked at without a hint: rows fall due, and web writes some


class Dispatcher:
    """Delivers what is due until it is stopped. A channel that hangs delays no other."""

    def __init__(self, configuration: Callable[[], Config], base_url: str, owner: str) -> None:
        self._configuration = configuration
        self._base_url = base_url
        self._owner = owner
        self._news = threading.Event()
        self._stopping = False
        self._busy: set[str] = set()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="deliver")
        self._thread = threading.Thread(target=self._run, name="dispatcher")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def hint(self) -> None:
        """There may be something to deliver."""
        self._news.set()

    def stop(self, seconds: float) -> None:
        """Claim nothing more, and give deliveries under way `seconds` to end. What does not is told again."""
        self._stopping = True
        self._news.set()
        end = time.monotonic() + seconds
        if self._thread.ident is not None:  # a term may end before it began
            self._thread.join(seconds)
        while self._busy and time.monotonic() < end:
            time.sleep(0.02)
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def alive(self) -> bool:
        """Whether it does its work."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping:
            self._news.clear()
            try:
                for name in set(dispatch.due_channels(self._configuration(), time.time())) - self._busy:
                    self._busy.add(name)
                    self._pool.submit(self._deliver, name)
            except (DatabaseError, *Unavailable) as error:
                logger.error("the outbox cannot be read: %s", describe(error))
                time.sleep(_AWAY)
            self._news.wait(_FLOOR)

    def _deliver(self, name: str) -> None:
        try:
            dispatch.deliver_next(self._configuration(), name, self._base_url, self._owner)
        except (DatabaseError, *Unavailable) as error:
            logger.error("delivering to %s stopped at the database: %s", name, describe(error))
            time.sleep(_AWAY)
        except Exception:
            logger.exception("delivering to %s failed", name)
            time.sleep(_AWAY)
        finally:
            self._busy.discard(name)
            self._news.set()
