"""The database: opening it, reading, writing in one transaction, and bringing its tables up to date."""

import contextlib
import json
import os
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import peewee
from playhouse import migrations
from playhouse.db_url import parse
from playhouse.pool import MaxConnectionsExceeded, PooledPostgresqlDatabase, PooledSqliteDatabase

database = peewee.DatabaseProxy()

DatabaseError = peewee.DatabaseError
IntegrityError = peewee.IntegrityError
Unavailable = (peewee.OperationalError, peewee.InterfaceError, peewee.InternalError, MaxConnectionsExceeded)
"""What is raised while the database is away, locked, read-only, or every connection is taken: try again later."""

_MIGRATIONS = Path(__file__).with_name("migrations")
_MIGRATION_LOCK = 71000  # any number of our own: the key of PostgreSQL's advisory lock around migrations
_TURNS_LOCK = 71004  # the same for transactions that take turns
_SQLITE_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 1,
    "busy_timeout": 5000,
    "foreign_keys": 1,
    "wal_autocheckpoint": 4000,  # pages, 16 MB: what is written again and again goes to the database itself less often
}

encoded = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
"""The text of a JSON value. Raises ValueError on a number that is none."""

# SQLite has one writer. Our threads queue here, in order, not in SQLite's busy handler, which sleeps and starves.
_writer = threading.RLock()


def open_database(url: str, connections: int = 20) -> None:
    """Point the store at `url` (sqlite:///path, postgres://…, postgresql://…). No connection is made yet."""
    database.initialize(_sqlite(url, connections) if url.startswith("sqlite") else _postgresql(url, connections))


def close_database() -> None:
    """Close every connection of this process."""
    database.obj.close_all()


def is_sqlite() -> bool:
    """Whether the open database is SQLite."""
    return isinstance(database.obj, peewee.SqliteDatabase)


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """A connection for the statements inside. Inside another `reading` or `transaction` it is the same one."""
    if not database.is_closed():
        yield
        return
    with database.connection_context():
        yield


@contextlib.contextmanager
def transaction() -> Iterator[None]:
    """One transaction: all of what is inside, or none. Never do I/O inside: other writers wait for its end."""
    with _writer if is_sqlite() else contextlib.nullcontext(), reading(), database.atomic():
        yield


@contextlib.contextmanager
def taking_turns() -> Iterator[None]:
    """A transaction that waits for all others of its kind: what it read stays true until it has written.

    SQLite has one writer anyway. In PostgreSQL a person's "resolve" would be lost under an observation judged just
    then from the alert as it was before, with everybody told of the one and the other kept.
    """
    with transaction():
        if not is_sqlite():
            database.execute_sql("select pg_advisory_xact_lock(%s)", (_TURNS_LOCK,))
        yield


def execute(sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
    """The rows a statement gives; a parameter is written "?" for both databases."""
    cursor = database.execute_sql(sql.replace("?", database.param), parameters)
    return list(cursor.fetchall()) if cursor.description else []


def insert(sql: str, row: Sequence[Any]) -> int:
    """Insert one row by a statement without a `returning`; the id it got."""
    if is_sqlite():
        return int(database.execute_sql(sql, row).lastrowid)
    return int(execute(f"{sql} returning id", row)[0][0])


def execute_many(sql: str, rows: Sequence[Sequence[Any]]) -> int:
    """One statement for many rows, prepared once: how many rows of the database it touched."""
    if not rows:
        return 0
    with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
        cursor = database.cursor()
        cursor.executemany(sql.replace("?", database.param), rows)
        return int(cursor.rowcount)


def among(values: Collection[Any]) -> str:
    """The parameters of an `in (…)`."""
    return ", ".join("?" * len(values))


def connect_apart(options: str = "") -> Any:
    """A PostgreSQL connection outside the pool, without transactions, for one that lasts: a LISTEN, a session's lock.

    `options` are settings of the session, as libpq takes them: "-c name=value".
    """
    import psycopg

    arguments = {name: value for name, value in database.obj.connect_params.items() if name != "prefer_psycopg3"}
    arguments["options"] = f"{arguments.get('options', '')} {options}".strip()
    return psycopg.connect(dbname=database.obj.database, autocommit=True, **arguments)


def describe(error: Exception) -> str:
    """A database error in one line, free of connection strings."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def migrate() -> list[str]:
    """Apply the numbered migrations not yet applied, in order; their names. Safe from several processes at once."""
    if is_sqlite():
        _create_privately(database.obj.database)
    with _migrating(), reading():
        applied: list[str] = migrations.run(database.obj, str(_MIGRATIONS))
    return applied


def pending_migrations() -> list[str]:
    """Names of migrations this version has and the database has not."""
    with reading():
        rows = migrations.Runner(database.obj, str(_MIGRATIONS)).status()
    return [row.name for row in rows if row.applied is None]


def _sqlite(url: str, connections: int) -> PooledSqliteDatabase:
    path = url.partition("///")[2]
    # IMMEDIATE: a transaction that reads first and writes later would otherwise fail at once as "locked".
    return PooledSqliteDatabase(
        path,
        pragmas=_SQLITE_PRAGMAS,
        lock_type="IMMEDIATE",
        max_connections=connections,
        timeout=5,
        autoconnect=False,
        check_same_thread=False,
    )


def _postgresql(url: str, connections: int) -> PooledPostgresqlDatabase:
    arguments: dict[str, Any] = parse(url, unquote_password=True)
    name = arguments.pop("database")
    defaults = {"connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
    return PooledPostgresqlDatabase(
        name,
        prefer_psycopg3=True,
        max_connections=connections,
        stale_timeout=300,
        timeout=5,
        autoconnect=False,
        **{**defaults, "tcp_user_timeout": 8000, "application_name": "vedette", **arguments},
    )


def _create_privately(path: str) -> None:
    """The file holds password hashes and signing keys: its owner alone may read it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        pass
    except OSError as error:  # no such folder, no right to write there
        raise peewee.OperationalError(f"{error.strerror}: {path}") from error


@contextlib.contextmanager
def _migrating() -> Iterator[None]:
    """One migrating process at a time: a lock file beside SQLite, an advisory lock in PostgreSQL."""
    if is_sqlite():
        import fcntl

        with Path(f"{database.obj.database}.migrate-lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        return
    with reading():
        database.execute_sql("select pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        try:
            yield
        finally:
            database.execute_sql("select pg_advisory_unlock(%s)", (_MIGRATION_LOCK,))


def location(url: str) -> str:
    """Where the database is, in words fit for a log: no user, no password."""
    parts = urlsplit(url)
    return url if parts.scheme == "sqlite" else f"{parts.hostname}:{parts.port or 5432}{parts.path}"
