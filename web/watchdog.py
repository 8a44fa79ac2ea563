"""Who watches the watchman: when no scheduler ticks, web itself says so, and delivers what waits in the outbox."""

import logging
import os
import socket
from collections.abc import Callable

import gevent

from alerting import dispatch, own
from alerting.store.database import DatabaseError, describe
from web.state import Vedette

logger = logging.getLogger("vedette.web")

_EVERY = 15.0  # seconds between two looks


def watch(installed: Vedette, alive: Callable[[], bool]) -> None:
    """Look again and again, for as long as the worker is alive. Runs in a greenlet of its own."""
    while alive():
        try:
            look(installed)
        except DatabaseError as error:
            logger.error("whether a scheduler runs cannot be told: %s", describe(error))
        except Exception:
            logger.exception("looking after the scheduler failed")
        gevent.sleep(_EVERY)


def look(installed: Vedette) -> bool:
    """Raise the alert about a scheduler that is missing, and deliver in its place. Whether it is missing.

    Several workers may do so at once: the alert is one by its fingerprint, its messages by their leases. The
    scheduler itself resolves the alert when it is back.
    """
    now = installed.clock()
    fault = own.scheduler_fault(now)
    if fault is None:
        return False
    installed.refresh()
    own.observe(installed.config, "scheduler", fault, now)
    owner = f"web:{socket.gethostname()}:{os.getpid()}"
    dispatch.deliver_due(installed.config, installed.settings.base_url, owner, installed.clock)
    return True
