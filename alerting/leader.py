"""Who acts: of several schedulers one holds the lead, by a lock that its death releases."""

import contextlib
import fcntl
from pathlib import Path
from typing import IO, Any, Protocol

from alerting.store.database import connect_apart, database, is_sqlite

# A machine that vanishes sends no word: without these the server would keep its lock for two hours.
_NOTICE_A_LOST_HOLDER = "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
_LEADER_LOCK = 71003  # any number of our own: the key of PostgreSQL's advisory lock


class Lead(Protocol):
    """The lead of this installation: taken, held, given back."""

    def take(self) -> bool:
        """Try to take it; whether it is ours."""
        ...

    def held(self) -> bool:
        """Whether it is still ours. Ask before acting: a broken connection gives it away unnoticed."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


def lead() -> Lead:
    """A lock file beside SQLite, an advisory lock in PostgreSQL."""
    return FileLead(Path(f"{database.obj.database}.scheduler-lock")) if is_sqlite() else PostgresLead()


class FileLead:
    """flock: the kernel releases it with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def take(self) -> bool:
        handle = self._path.open("a")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return False
        self._file = handle
        return True

    def held(self) -> bool:
        return self._file is not None

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class PostgresLead:
    """A session's advisory lock on a connection of its own: the server releases it with the session."""

    def __init__(self) -> None:
        self._connection: Any = None

    def take(self) -> bool:
        self._connection = connect_apart(_NOTICE_A_LOST_HOLDER)
        row = self._connection.execute("select pg_try_advisory_lock(%s)", (_LEADER_LOCK,)).fetchone()
        if not row[0]:
            self.release()
        return self._connection is not None

    def held(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.execute("select 1")
        except Exception:
            self.release()
        return self._connection is not None

    def release(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None
