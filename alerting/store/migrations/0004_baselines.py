"""Baselines: what the answers of info checks are compared with."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    """Create the table. `document` is JSON; `by` is whoever accepted it, empty where it was the first good answer."""
    db.execute_sql(
        """create table baseline (
            subject text primary key, document text not null, at double precision not null, "by" text not null)"""
    )
