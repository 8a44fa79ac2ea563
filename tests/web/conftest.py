"""What the tests of the web share: the two databases."""

from tests.databases import database_url, store

__all__ = ["database_url", "store"]
