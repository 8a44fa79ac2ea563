"""`vedette user` and `vedette token`: who may sign in, and tokens for programs."""

import json
import re
import sys
import time
from typing import Any

import click

from alerting.cli import fail, opened_store
from alerting.cli.tables import show
from alerting.notices import rfc3339
from alerting.settings import current
from alerting.store import accounts, tokens
from alerting.store.accounts import AccountError, Person
from alerting.store.database import reading, transaction
from alerting.store.tokens import Stored

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHORT_PASSWORD = 8


@click.group()
def user() -> None:
    """People who may sign in."""


@user.command()
@click.argument("email")
@click.option("--superuser", is_flag=True, help="May do everything, everywhere.")
@click.option("--organization", help="Make them a member of this organization.")
@click.option("--role", type=click.Choice(list(accounts.ROLES)), help="Their role there; member where not given.")
@click.option("--password-stdin", is_flag=True, help="Take their password from the first line of standard input.")
@click.option("--json", "as_json", is_flag=True, help="Print the user as JSON.")
def add(
    email: str, superuser: bool, organization: str | None, role: str | None, password_stdin: bool, as_json: bool
) -> None:
    """Add a user, or change one there is already.

    For one without a password a link is printed that signs them in once within the hour.
    """
    if role is not None and organization is None:
        fail("user add: --role needs --organization")
    _doubt(organization)
    password = _password() if password_stdin else None
    now = time.time()
    with opened_store() as settings, reading():
        try:
            with transaction():
                person = accounts.put(email, now, superuser, password)
                if organization is not None:
                    accounts.join(person, organization, role or "member")
        except AccountError as error:
            fail(f"user add: {error}")
        link = None
        if accounts.password_hash(person) is None:
            link = f"{settings.base_url}/sign-in/{tokens.issue('link', now, user=person.id)[0]}"
        _told(accounts.get(person.id) or person, link, as_json)


@user.command()
@click.argument("email")
def disable(email: str) -> None:
    """Shut a user out: at once, but for streams that are open, which end within the hour. `user add` undoes it."""
    with opened_store():
        try:
            found = accounts.disable(email)
        except AccountError as error:
            fail(f"user disable: {error}")
    if not found:
        fail(f"user disable: there is no user {email}", code=1)
    click.echo(f"disabled: {email}", err=True)


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_users(as_json: bool) -> None:
    """Everybody who may sign in, and who might."""
    with opened_store(), reading():
        people = [_person(person) for person in accounts.everybody()]
    show(people, ("email", "is_superuser", "is_active", "organizations"), as_json, "no users")


@click.group()
def token() -> None:
    """API tokens for programs."""


@token.command()
@click.option("--user", "email", help="Whose it is: it may do what they may, within its scopes.")
@click.option("--organization", help="Or: the organization it belongs to.")
@click.option("--scope", "scopes", multiple=True, required=True, help="A permission it has; once for each.")
@click.option("--name", default="", help="What it is for.")
@click.option("--ttl", help="How long it is good for: 90d, 12h; for ever where not given.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def create(
    email: str | None, organization: str | None, scopes: tuple[str, ...], name: str, ttl: str | None, as_json: bool
) -> None:
    """Make a token and print it, once: it is kept nowhere."""
    if (email is None) == (organization is None):
        fail("token create: give either --user or --organization")
    _doubt(organization)
    lifetime = None if ttl is None else _seconds(ttl)
    with opened_store(), reading():
        person = accounts.by_email(email) if email is not None else None
        if email is not None and person is None:
            fail(f"token create: there is no user {email}", code=1)
        try:
            granted = sorted(accounts.permissions(scopes))
        except AccountError as error:
            fail(f"token create: --scope: {error}")
        owner = None if person is None else person.id
        secret, stored = tokens.issue("api", time.time(), owner, organization, granted, name, lifetime=lifetime)
    told = {"token": secret, "id": stored.id, "scopes": granted, "expires_at": rfc3339(stored.expires_at)}
    click.echo(json.dumps(told) if as_json else secret)


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_tokens(as_json: bool) -> None:
    """Every API token there was, without its secret."""
    with opened_store(), reading():
        emails = {person.id: person.email for person in accounts.everybody()}
        found = [_token(stored, emails) for stored in tokens.api_tokens()]
    columns = ("id", "name", "user", "organization", "scopes", "expires_at", "last_used_at", "revoked_at")
    show(found, columns, as_json, "no tokens")


@token.command()
@click.argument("token_id")
def revoke(token_id: str) -> None:
    """End a token, by the id that `token list` shows."""
    with opened_store():
        revoked = tokens.revoke(token_id, time.time())
    if not revoked:
        fail(f"token revoke: there is no living token {token_id}", code=1)
    click.echo(f"revoked: {token_id}", err=True)


def _password() -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    if 0 < len(password) < _SHORT_PASSWORD:
        click.echo(f"vedette: warning: the password has fewer than {_SHORT_PASSWORD} characters", err=True)
    return password


def _told(person: Person, link: str | None, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({**_person(person), "sign_in_link": link}))
        return
    click.echo(f"added: {person.email}", err=True)
    if link is not None:
        click.echo(link)


def _person(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "email": person.email,
        "is_superuser": person.is_superuser,
        "is_active": person.is_active,
        "organizations": dict(sorted(person.roles.items())),
        "created_at": rfc3339(person.created_at),
    }


def _token(stored: Stored, emails: dict[str, str]) -> dict[str, Any]:
    return {
        "id": stored.id,
        "name": stored.name,
        "user": None if stored.user is None else emails.get(stored.user),
        "organization": stored.organization,
        "scopes": list(stored.scopes),
        "created_at": rfc3339(stored.created_at),
        "expires_at": rfc3339(stored.expires_at),
        "last_used_at": rfc3339(stored.used_at),
        "revoked_at": rfc3339(stored.revoked_at),
    }


def _seconds(ttl: str) -> float:
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", ttl)
    if found is None:
        fail("token create: --ttl: expected a number and s, m, h or d, such as 90d")
    return float(int(found[1]) * _UNITS[found[2]]) if found else 0.0


def _doubt(organization: str | None) -> None:
    """Say so where the configuration declares no such organization: most likely it is a slip of the pen."""
    from alerting.configuration.reader import ConfigError, read

    if organization is None:
        return
    try:
        settings = current()
        declared = {one.slug for one in read(settings.config_path, settings).organizations}
    except ConfigError:
        return
    if organization not in declared:
        words = f"no organization {organization!r} is declared; there are: {', '.join(sorted(declared)) or 'none'}"
        click.echo(f"vedette: careful: {words}", err=True)
