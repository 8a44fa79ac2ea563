"""Who watches the watchman: when no scheduler ticks, web itself says so, and delivers what waits in the outbox."""

import logging
import os
import socket
from collections.abc import Callable

import gevent

from alerting import dispatch, heartbeats, own
from alerting.store.database import DatabaseError, Unavailable, describe
from web.state import Vedette

logger = logging.getLogger("vedette.web")

_EVERY = 5.0  # seconds between two looks
_SURE_AFTER = 3  # looks in a row: after a pause of the whole machine we may be awake before the scheduler is


def watch(installed: Vedette, alive: Callable[[], bool]) -> None:
    """Look again and again, for as long as the worker is alive. Runs in a greenlet of its own."""
    missed = 0
    while alive():
        try:
            installed.refresh()
            if heartbeats.declared(installed.config):
                heartbeats.note_receiving(installed.config, installed.clock())
            missed = missed + 1 if own.scheduler_fault(installed.clock()) is not None else 0
            if missed >= _SURE_AFTER:
                stand_in(installed)
        except (DatabaseError, *Unavailable) as error:
            missed = 0
            logger.error("whether a scheduler runs cannot be told: %s", describe(error))
        except Exception:
            logger.exception("looking after the scheduler failed")
        gevent.sleep(_EVERY)


def stand_in(installed: Vedette) -> bool:
    """Raise the alert about a scheduler that is missing, and deliver in its place. Whether it is missing.

    Several workers may do so at once: the alert is one by its fingerprint, its messages by their leases. The
    scheduler itself resolves the alert when it is back.
    """
    now = installed.clock()
    fault = own.scheduler_fault(now)
    installed.refresh()
    # Without a configuration that was ever good, every channel would look as if it were gone.
    if fault is None or not installed.config.digest:
        return False
    own.observe(installed.config, "scheduler", fault, now)
    owner = f"web:{socket.gethostname()}:{os.getpid()}"
    dispatch.deliver_due(installed.config, installed.settings.base_url, owner, installed.clock)
    return True
