"""Keys for SSH: which host keys are stored for a host, and which of our own is offered to it."""

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncssh

from probes._machinery.ssh_errors import SshTrouble

Stored = Sequence[Sequence[Any]]
"""As asyncssh has them: the host's keys, authorities, revoked keys, and four of X.509's."""

_PROTECTED = "the private key is protected by a passphrase: expected one without, or an agent that holds it"
_ALGORITHMS = (
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256",
)  # fmt: skip


def stored_keys(
    given: str | None, files: Sequence[str], host: str, port: int | None, connected: socket.socket | None
) -> Stored:
    """What may be believed: the text `given`, else what the user's known_hosts say of the host. Raises SshTrouble."""
    try:
        if given is not None:
            return (read_host_keys(given), (), (), (), (), (), ())
        address = str(connected.getpeername()[0]) if connected is not None else ""
        return asyncssh.match_known_hosts(_readable(files), host, address, port if port != 22 else None)
    except (OSError, ValueError) as trouble:
        raise SshTrouble(f"the stored host keys cannot be read: {' '.join(str(trouble).split())}", "config") from None


def read_host_keys(text: str) -> list[asyncssh.SSHKey]:
    """The public keys in a text: lines as in a .pub file, or as ssh-keyscan prints them. Raises ValueError."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise ValueError("expected a host's public key, such as ssh-ed25519 AAAA…")
    return [_public_key(line) for line in lines]


def read_private_key(text: str) -> asyncssh.SSHKey:
    """A private key in OpenSSH's or another PEM form. Raises ValueError, in words that hold none of it."""
    try:
        return asyncssh.import_private_key(text if text.endswith("\n") else f"{text}\n")
    except asyncssh.KeyImportError as trouble:
        if "assphrase" in str(trouble):
            raise ValueError(_PROTECTED) from None
        raise ValueError("expected a private key, as in ~/.ssh/id_ed25519") from None


def offered(private_key: str | None) -> dict[str, Any]:
    """asyncssh's arguments: that key alone, or those of the user Vedette runs as and of his agent."""
    if private_key is None:
        return {}
    try:
        return {"client_keys": [read_private_key(private_key)], "agent_path": None}
    except ValueError as trouble:
        raise SshTrouble(str(trouble), "config") from None


def host_key_algorithms(stored: Stored) -> Sequence[str]:
    """Those of the stored keys first, then the rest: a host that shows another sort of key is to be told as changed."""
    keys, authorities = stored[0], stored[1]
    if not keys or authorities:
        return ()
    first = [name.decode() for key in keys for name in key.sig_algorithms if name.decode() in _ALGORITHMS]
    return list(dict.fromkeys((*first, *_ALGORITHMS)))


def _public_key(line: str) -> asyncssh.SSHKey:
    for text in (line, line.partition(" ")[2]):
        try:
            return asyncssh.import_public_key(text)
        except asyncssh.KeyImportError:
            continue
    raise ValueError("expected a host's public key, such as ssh-ed25519 AAAA…")


def _readable(files: Sequence[str]) -> list[str] | bytes:
    usual = (str(Path("~/.ssh/known_hosts").expanduser()), "/etc/ssh/ssh_known_hosts")
    return [name for name in files or usual if os.access(name, os.R_OK)] or b""
