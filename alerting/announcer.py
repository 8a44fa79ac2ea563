"""Announces committed events on Redis, so that other machines' streams wake at once and other programs may listen."""

import json
import logging
import threading
from typing import Any

from alerting.store import events
from alerting.store.database import reading
from alerting.store.events import LoggedEvent
from alerting.store.wakeup import REDIS_CHANNEL, listener, redis_client

logger = logging.getLogger("vedette.announcer")

_FLOOR = 0.5  # seconds until the log is looked at without a hint
_AWAY = 2.0  # seconds between two tries while Redis or the database is away


class Announcer:
    """Reads the log as it grows and publishes it in order. Whoever leads runs one: each event is announced once.

    What nobody could be told while Redis was away is told when it is back; what happened while nobody led is not.
    """

    def __init__(self, redis_url: str) -> None:
        self._client = redis_client(redis_url)
        self._stopping = threading.Event()
        self._last: int | None = None
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)

    def start(self) -> None:
        """Begin with the next event."""
        self._thread.start()

    def stop(self) -> None:
        """End soon; nothing waits for it."""
        self._stopping.set()

    def _run(self) -> None:
        news = listener()
        while not self._stopping.is_set():
            try:
                self._announce()
                news.wait(_FLOOR)
            except Exception as error:  # a hint for others must never cost us more than a line in the log
                logger.warning("events are not announced just now: %s", type(error).__name__)
                self._stopping.wait(_AWAY)
        news.close()

    def _announce(self) -> None:
        with reading():
            if self._last is None:
                self._last = events.bounds()[1]
            found = events.after(self._last)
        for event in found:
            self._client.publish(REDIS_CHANNEL, json.dumps(_announcement(event)))
            self._last = event.id


def _announcement(event: LoggedEvent) -> dict[str, Any]:
    return {"org_id": event.organization, "type": event.type, "data": json.loads(event.data), "id": event.id}
