"""`vedette lock`: who holds which row, and taking a lock from somebody who has gone home."""

import getpass
import time

import click

from alerting.cli import fail, opened_store
from alerting.cli.tables import show
from alerting.shown import lock_document
from alerting.store import locks
from alerting.store.database import reading


@click.group()
def lock() -> None:
    """Row locks."""


@lock.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_locks(as_json: bool) -> None:
    """The locks held, oldest first."""
    with opened_store(), reading():
        found = [lock_document(one) for one in locks.held(None, time.time())]
    columns = ("organization", "app", "screen", "key", "holder", "acquired_at", "expires_at")
    show(found, columns, as_json, "no locks are held")


@lock.command()
@click.option("--app", required=True)
@click.option("--screen", required=True)
@click.option("--key", required=True, help="The row, such as CUSTOMER_ID=14.")
@click.option("--organization", help="Needed only where several hold a lock of that name.")
def release(app: str, screen: str, key: str, organization: str | None) -> None:
    """End the lock on a row."""
    now = time.time()
    with opened_store(), reading():
        found = [
            one
            for one in locks.matching(app, screen, locks.canonical(key), now)
            if organization in (None, one.organization)
        ]
        if not found:
            fail(f"lock release: nobody holds {app}.{screen} {key}", code=1)
        if len(found) > 1:
            fail(f"lock release: say whose with --organization: {', '.join(one.organization for one in found)}")
        released = locks.release(found[0].id, f"{getpass.getuser()} (command line)", now)
    if not released:
        fail("lock release: it has just been released", code=1)
    click.echo(f"released: {app}.{screen} {key}, which {found[0].holder} held", err=True)
