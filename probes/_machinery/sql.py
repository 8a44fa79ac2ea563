"""SQL to PostgreSQL: one thread and one new connection a query, cut off from outside when its time is up."""

import os
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from probes._machinery.guard import Allowed
from probes._machinery.names import NameTrouble
from probes._machinery.requests import SqlQuery, SqlReply
from probes._machinery.sql_errors import classify
from probes._machinery.sql_places import guarded, hold

if TYPE_CHECKING:
    from psycopg import Connection

_MOST_ROWS = 10_000
_READ_ONLY = "-c default_transaction_read_only=on"  # a watchman looks and touches nothing
UNREADABLE_DSN = "the DSN cannot be read; expected postgresql://user:password@host:port/database"


class SqlThreads:
    """Queries under way. A new connection for each: it tests the login, and leaves none idle on others' servers.

    wake: called from a query's thread when it has ended, so that the owner comes to collect it.
    """

    def __init__(self, wake: Callable[[], None], allowed: Allowed) -> None:
        self._wake = wake
        self._allowed = allowed
        self._ended: deque[SqlJob] = deque()

    def start(self, query: SqlQuery, token: object) -> "SqlJob":
        """Begin a query in a thread of its own; the owner bounds how many there are."""
        job = SqlJob(query, token, self._allowed, self._collect)
        # A daemon: a thread stuck in a dead name server's silence must not hold up the end of the process.
        try:
            threading.Thread(target=job.work, name="vedette-sql", daemon=True).start()
        except RuntimeError as trouble:
            job.reply = SqlReply(error=f"Vedette could not start a thread: {trouble}", error_class="own")
            self._collect(job)
        return job

    def finished(self) -> "list[SqlJob]":
        """The jobs whose threads have ended since the last call, cut off or not."""
        return [self._ended.popleft() for _ in range(len(self._ended))]

    def _collect(self, job: "SqlJob") -> None:
        self._ended.append(job)
        self._wake()


class SqlJob:
    """One query in its thread. `reply` is there once the thread has ended."""

    def __init__(self, query: SqlQuery, token: object, allowed: Allowed, ended: Callable[["SqlJob"], None]) -> None:
        self.query = query
        self.token = token
        self.reply: SqlReply | None = None
        self.trouble: BaseException | None = None
        self.cut = False
        self._allowed = allowed
        self._ended = ended
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def cut_off(self) -> None:
        """Time is up: shut the connection under the thread, which then ends by itself.

        A frozen server still acknowledges packets, so neither statement_timeout nor tcp_user_timeout would end it.
        """
        with self._lock:
            self.cut = True
            if self._socket is not None:
                _shut(self._socket)

    def late_reply(self) -> SqlReply:
        """What a probe is told when there was no answer in time."""
        return SqlReply(error=f"no answer within {self.query.timeout:g} s", error_class="timeout")

    def work(self) -> None:
        try:
            self.reply = self._ask()
        except NameTrouble as trouble:
            self.reply = SqlReply(error=str(trouble), error_class=trouble.error_class)
        except Exception as trouble:
            self.reply = _failure(trouble, self.query)
        finally:
            self._ended(self)

    def _ask(self) -> SqlReply:
        import psycopg

        parameters = guarded(_parameters(self.query), self._allowed)
        began = time.monotonic()
        connection = psycopg.connect(**parameters, autocommit=True, row_factory=_row_factory)
        try:
            hold(connection.info.hostaddr, self._allowed)
            self._guard(connection)
            connected = time.monotonic()
            rows = _rows(connection, self.query)
            return SqlReply(tuple(map(_decoded, rows)), connected - began, time.monotonic() - connected)
        finally:
            self._let_go()
            connection.close()

    def _guard(self, connection: "Connection[Any]") -> None:
        with self._lock:
            self._socket = socket.socket(fileno=os.dup(connection.fileno()))
            if self.cut:
                _shut(self._socket)

    def _let_go(self) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None


def _parameters(query: SqlQuery) -> dict[str, Any]:
    """libpq's parameters: the DSN's own and our limits, every one of which covers another way to hang."""
    from psycopg.conninfo import conninfo_to_dict

    given = conninfo_to_dict(query.dsn)
    milliseconds = max(1, int(query.timeout * 1000))
    limits = {
        "connect_timeout": max(1, int(query.timeout)),
        "options": f"{given.get('options') or ''} -c statement_timeout={milliseconds} {_READ_ONLY}".strip(),
        "keepalives_idle": 2,
        "keepalives_interval": 1,
        "keepalives_count": 2,
        "tcp_user_timeout": milliseconds,
    }
    return {"application_name": "vedette", **given, **limits}


def _rows(connection: "Connection[Any]", query: SqlQuery) -> list[Mapping[str, Any]]:
    """The first rows, one by one: whole, the answer to a careless query would fill our memory.

    It takes one statement alone, and none that gives no rows.
    """
    from psycopg import ProgrammingError

    try:
        return list(islice(connection.cursor().stream(query.sql.encode(), query.parameters or None), _MOST_ROWS))
    except ProgrammingError as trouble:
        raise trouble if trouble.sqlstate else ProgrammingError("the statement gives no rows") from None


def _row_factory(cursor: Any) -> Callable[[Sequence[Any]], dict[str, Any]]:
    """Rows as dictionaries in the columns' order; of columns with one name the first is kept."""
    first: dict[str, int] = {}
    for index, column in enumerate(cursor.description or ()):
        first.setdefault(column.name, index)
    return lambda values: {name: values[index] for name, index in first.items()}


def _decoded(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of an SQL_ASCII database comes as bytes."""
    return {
        name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value for name, value in row.items()
    }


def _failure(trouble: Exception, query: SqlQuery) -> SqlReply:
    state = getattr(trouble, "sqlstate", None)
    said, _, _ = _without_secrets(str(trouble), query.dsn).partition("\n\tIs the server running")
    text = " ".join(said.split()) or type(trouble).__name__
    error_class = classify(state, text)
    if error_class == "other" and not _has_descriptors():
        return SqlReply(error="Vedette could not open a socket: too many open files", error_class="own")
    return SqlReply(error=text, error_class=error_class)


def _has_descriptors() -> bool:
    """Whether another file could be opened: libpq says nothing at all where that is what it lacks."""
    try:
        os.close(os.dup(2))
    except OSError:
        return False
    return True


def _without_secrets(text: str, dsn: str) -> str:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        password = conninfo_to_dict(dsn).get("password")
    except ProgrammingError:
        return UNREADABLE_DSN  # libpq would quote the part it did not understand
    if password:
        text = text.replace(str(password), "***")
    return re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:***@", text)


def _shut(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was first
