"""One question to PostgreSQL whose answer is a JSON document: by a connection of ours, or by psql over SSH."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

from probes._machinery.documents import parse
from probes._machinery.psql import command, read
from probes._machinery.requests import Reply, Request, SqlQuery, SqlReply, SshReply
from probes._machinery.sql_errors import REMEDIES


@dataclass(frozen=True, slots=True)
class Answer:
    """The document; or why there is none: a sentence with its remedy, and its class (refused, auth, timeout, …)."""

    document: Mapping[str, Any] | None = None
    error: str = ""
    error_class: str = ""


def asked(config: Mapping[str, Any], sql: str, parameter: str, timeout: float) -> Generator[Request, Reply, Answer]:
    """Put `sql` to the server of `config` (`dsn`, or `ssh` and what goes with it): one row, `answer`, a document.

    sql has one %s, which is the parameter
    """
    if "ssh" in config:
        reply = yield command(config, sql, parameter, timeout)
        assert isinstance(reply, SshReply)
        return _understood(read(config, reply))
    reply = yield SqlQuery(config["dsn"], sql, (parameter,), timeout)
    assert isinstance(reply, SqlReply)
    return _understood(reply)


def asked_itself(dsn: str, sql: str, timeout: float) -> Generator[Request, Reply, Answer]:
    """The same of another server, without a parameter."""
    reply = yield SqlQuery(dsn, sql, timeout=timeout)
    assert isinstance(reply, SqlReply)
    return _understood(reply)


def _understood(reply: SqlReply) -> Answer:
    if reply.error is not None:
        remedy = REMEDIES.get(reply.error_class or "")
        return Answer(error=reply.error + (f" ({remedy})" if remedy else ""), error_class=reply.error_class or "other")
    said = reply.rows[0].get("answer") if reply.rows else None
    try:
        document = parse(said.encode()) if isinstance(said, str) else None
    except ValueError:
        document = None
    if isinstance(document, dict):
        return Answer(document)
    return Answer(error="the answer cannot be read", error_class="other")
