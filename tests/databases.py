"""The two databases every test of the store runs on: fixtures `database_url` and `store`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alerting.store import database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database: a file, or a new database of a real server."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'vedette.db'}"
        return
    pair: Any = request.getfixturevalue("postgres_pair")
    name = f"t{abs(hash(str(tmp_path))):x}"
    yield str(pair.primary.new_database(name))
    pair.primary.sql(f'DROP DATABASE "{name}" WITH (FORCE)')  # hundreds of them fill a disk, and take long to remove


@pytest.fixture
def store(database_url: str) -> Iterator[str]:
    """That database, open and with its tables."""
    with opened(database_url):
        database.migrate()
        yield database_url


def opened(url: str) -> Any:
    """A context in which the store is that database."""
    import contextlib

    @contextlib.contextmanager
    def context() -> Iterator[None]:
        database.open_database(url)
        try:
            yield
        finally:
            database.close_database()

    return context()
