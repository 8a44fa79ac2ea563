"""What went wrong with an SSH connection, as one sentence with what to do about it."""

from collections.abc import Sequence
from typing import Any

import asyncssh

from probes._machinery.connecting import OURS
from probes._machinery.ssh_login import Login


class SshTrouble(Exception):
    """The command was never run to its end; the text is one sentence.

    error_class: auth, host_key, lost, signal, output, and those of `connecting.Trouble`; config where this machine's
    own configuration cannot be used
    """

    def __init__(self, text: str, error_class: str) -> None:
        super().__init__(text)
        self.error_class = error_class


def broken(trouble: Exception, place: Login, user: str) -> SshTrouble:
    """The trouble of a connection that was there."""
    if isinstance(trouble, asyncssh.PermissionDenied):
        said = (
            f"{place.at()} lets nobody in as {user} with the keys offered: put the public key into its"
            " authorized_keys (a key with a passphrase is used through an agent alone)"
        )
        return SshTrouble(said, "auth")
    if isinstance(trouble, asyncssh.ChannelOpenError):
        return SshTrouble(f"{place.at()} opens no session (MaxSessions?): {_line(trouble)}", "lost")
    if isinstance(trouble, asyncssh.ConfigParseError) or not isinstance(trouble, asyncssh.Error | OSError):
        return SshTrouble(f"the SSH configuration of this machine cannot be used: {_line(trouble)}", "config")
    ours = isinstance(trouble, OSError) and trouble.errno in OURS
    return SshTrouble(f"the SSH connection to {place.at()} broke: {_line(trouble)}", "own" if ours else "lost")


def strange_key(
    place: Login, refusal: Exception, shown: asyncssh.SSHKey | None, stored: Sequence[Sequence[Any]], given: bool
) -> SshTrouble:
    """The host showed a key that is not among those `stored`; `given`: they came from the configuration."""
    if shown is None:
        return SshTrouble(f"the host key of {place.at()} is refused: {_line(refusal)}", "host_key")
    known = ", ".join(key.get_fingerprint() for key in stored[0])
    fingerprint = f"{shown.get_algorithm()} {shown.get_fingerprint()}"
    if known:
        said = (
            f"{place.at()} shows another host key than the one stored: {fingerprint} instead of {known};"
            " somebody may be in between, or the host was installed anew"
        )
    else:
        said = f"the host key of {place.at()} is not stored: {fingerprint}"
    return SshTrouble(
        f"{said}; compare it with the host's own, then store it: {_how_to_store(place, given)}", "host_key"
    )


def _how_to_store(place: Login, given: bool) -> str:
    port = f"-p {place.port} " if place.port not in (None, 22) else ""
    where = "into host_keys of [ssh]" if given else ">> ~/.ssh/known_hosts"
    return f"ssh-keyscan {port}{place.host} {where}"


def _line(trouble: Exception) -> str:
    said = trouble.strerror if isinstance(trouble, OSError) and trouble.strerror else str(trouble)
    return " ".join(said.split()) or type(trouble).__name__
