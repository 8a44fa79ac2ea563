"""Wake-ups: how a reader of the log learns of news. A hint that may be lost; the log is the truth."""

import contextlib
import time
from typing import Any, Protocol

from alerting.store.database import connect_apart, database, is_sqlite
from alerting.store.events import CHANNEL

REDIS_CHANNEL = "sse:events"

_POLL = 0.05  # seconds; reading data_version costs microseconds


class Listener(Protocol):
    """Waits for news, at most `timeout` seconds; whether there may be any. After it has (re)connected: there may."""

    def wait(self, timeout: float) -> bool: ...

    def close(self) -> None: ...


def listener(redis_url: str | None = None) -> Listener:
    """The best this installation has: Redis where it is configured, else PostgreSQL's NOTIFY, else SQLite's counter."""
    if redis_url:
        return RedisListener(redis_url)
    return SqliteListener() if is_sqlite() else PostgresListener()


class SqliteListener:
    """`PRAGMA data_version` changes when another connection has committed: a dedicated connection watches it."""

    def __init__(self) -> None:
        self._connection: Any = None
        self._version = 0

    def wait(self, timeout: float) -> bool:
        try:
            if self._connection is None:
                return self._connect()
            return self._changes_within(timeout)
        except Exception:  # as below
            self.close()
            time.sleep(min(1.0, timeout))
            return True

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> bool:
        import sqlite3

        self._connection = sqlite3.connect(database.obj.database, isolation_level=None, check_same_thread=False)
        self._version = self._read()
        return True

    def _changes_within(self, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while (version := self._read()) == self._version:
            if time.monotonic() >= end:
                return False
            time.sleep(min(_POLL, timeout))
        self._version = version
        return True

    def _read(self) -> int:
        return int(self._connection.execute("pragma data_version").fetchone()[0])


class PostgresListener:
    """LISTEN on a connection of its own, made again when it breaks."""

    def __init__(self) -> None:
        self._connection: Any = None

    def wait(self, timeout: float) -> bool:
        try:
            if self._connection is None:
                return self._connect()
            return any(True for _ in self._connection.notifies(timeout=timeout, stop_after=1))
        except Exception:  # whatever broke it, the log is read all the same and the next wait tries anew
            self.close()
            time.sleep(min(1.0, timeout))
            return True

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None

    def _connect(self) -> bool:
        self._connection = connect_apart()
        self._connection.execute(f"listen {CHANNEL}")
        return True


class RedisListener:
    """A subscription to the channel other machines publish on."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._subscription: Any = None

    def wait(self, timeout: float) -> bool:
        try:
            if self._subscription is None:
                return self._connect()
            return self._subscription.get_message(timeout=timeout) is not None
        except Exception:  # Redis is only a hint: without it the log is still read every `timeout`
            self.close()
            time.sleep(min(1.0, timeout))
            return True

    def close(self) -> None:
        if self._subscription is not None:
            with contextlib.suppress(Exception):
                self._subscription.close()
            self._subscription = None

    def _connect(self) -> bool:
        self._subscription = redis_client(self._url).pubsub(ignore_subscribe_messages=True)
        self._subscription.subscribe(REDIS_CHANNEL)
        return True


def redis_client(url: str) -> Any:
    """A client whose calls end within seconds: the library's own defaults retry a dead server for minutes."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=1,
        socket_timeout=2,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=30,
    )
