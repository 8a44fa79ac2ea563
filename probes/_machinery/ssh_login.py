"""Who logs in where by SSH: "user@host:port" taken apart, and what keeps a text from being that."""

import re
from typing import NamedTuple

from probes._machinery.requests import SshCommand
from schemas import Fault

# Nothing else reaches the OpenSSH configuration, whose `Match exec` and `ProxyCommand` put these words into commands.
_LOGIN = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.+-]*\$?)@)?"
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_HIGHEST_PORT = 65_535


class Login(NamedTuple):
    """What was written; None where it was left to the OpenSSH client's configuration."""

    host: str
    port: int | None
    user: str | None

    def at(self) -> str:
        """Host and port as a person writes them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


def read_login(text: str) -> Login:
    """Take "user@host:port", "user@[::1]:22" or parts of it apart. Raises ValueError, in words."""
    found = _LOGIN.fullmatch(text)
    port = int(found["port"]) if found and found["port"] else None
    if found is None or (port is not None and not 1 <= port <= _HIGHEST_PORT):
        raise ValueError("expected user@host or user@host:port, e.g. monitor@db.example:22")
    return Login(found["address"] or found["host"], port, found["user"])


def login_faults(pointer: str, text: str) -> list[Fault]:
    """What keeps `text` from being a login."""
    try:
        read_login(text)
    except ValueError as trouble:
        return [Fault(pointer, str(trouble))]
    return []


def host_of(request: SshCommand) -> str:
    """The host a command goes to, whoever logs in: what its line is for."""
    return request.login.rpartition("@")[2].lower()
