"""What a web process holds besides Flask: the settings, the configuration as it is now, the signing key."""

import contextlib
import hashlib
import hmac
import math
import time
from collections.abc import Callable
from functools import cached_property
from typing import Protocol

from flask import current_app

from alerting.config import Config
from alerting.overlay import Overlay
from alerting.settings import Settings
from alerting.store.database import DatabaseError, Unavailable

_REFRESH_EVERY = 2.0  # seconds between two looks at the configuration file


class Watcher(Protocol):
    """The configuration file, read and kept up to date: `alerting.configuration.reader.ConfigWatcher`."""

    @property
    def config(self) -> Config: ...

    @property
    def rejected(self) -> Exception | None: ...

    def refresh(self) -> str: ...


class Vedette:
    """One web process. `clock` gives epoch seconds; tests turn it."""

    def __init__(self, settings: Settings, watcher: Watcher, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.watcher = watcher
        self._overlay = Overlay()
        self.clock = clock
        self.started_at = clock()
        self._looked_at = -math.inf

    @property
    def config(self) -> Config:
        """The last good configuration, with the rules that the API made."""
        return self._overlay.over(self.watcher.config)

    @cached_property
    def secret_key(self) -> str:
        """Signs tokens and cookies. The first use reads the database where SECRET_KEY is not set."""
        from alerting.store import settings_table

        return settings_table.secret_key(self.settings.secret_key)

    def key_for(self, purpose: str) -> bytes:
        """A key of its own for each purpose: what is signed for one is worth nothing for another. 32 bytes."""
        return hmac.digest(self.secret_key.encode(), purpose.encode(), hashlib.sha256)

    def refresh(self) -> None:
        """Take a changed configuration file and changed rules, looking for them at most every two seconds."""
        if time.monotonic() - self._looked_at >= _REFRESH_EVERY:
            self._looked_at = time.monotonic()
            self.watcher.refresh()
            with contextlib.suppress(DatabaseError, *Unavailable):  # those of the last look stay
                self._overlay.refresh()

    def refresh_rules(self) -> None:
        """Take rules that were changed just now."""
        self._overlay.refresh()


def vedette() -> Vedette:
    """That of the application which serves the current request."""
    found: Vedette = current_app.extensions["vedette"]
    return found


def now() -> float:
    """Epoch seconds by this process's clock."""
    return vedette().clock()


class Unread:
    """Stands in for the watcher of a file that was faulty when this process began: nothing is known until it is mended.

    A worker that is started anew must serve and say what is wrong, not die for a fault the others live with.
    """

    def __init__(self, rejected: Exception, settings: Settings) -> None:
        self._settings = settings
        self._watcher: Watcher | None = None
        self._rejected = rejected

    @property
    def config(self) -> Config:
        return self._watcher.config if self._watcher is not None else Config()

    @property
    def rejected(self) -> Exception | None:
        return self._watcher.rejected if self._watcher is not None else self._rejected

    def refresh(self) -> str:
        if self._watcher is not None:
            return self._watcher.refresh()
        found = watcher_for(self._settings)
        if isinstance(found, Unread):
            self._rejected = found.rejected or self._rejected
            return "same"
        self._watcher = found
        return "reloaded"


def watcher_for(settings: Settings) -> Watcher:
    """The configuration file's watcher, or a stand-in that tries again while the file is faulty."""
    from alerting.configuration.reader import ConfigError, ConfigWatcher

    try:
        return ConfigWatcher(settings)
    except ConfigError as error:
        return Unread(error, settings)
