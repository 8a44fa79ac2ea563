"""What went wrong with an SSH connection, as one sentence with what to do about it."""

import errno
import os
from collections.abc import Sequence
from typing import Any

import asyncssh

from probes._machinery.ssh_login import Login

_CLASSES = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.ENETDOWN: "unreachable",
}
_OWN = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.EAGAIN})


class SshTrouble(Exception):
    """The command was never run to its end; the text is one sentence.

    error_class: auth, host_key, refused, dns, timeout, lost, denied, unreachable, signal, output; config or own where
    the trouble is this machine's
    """

    def __init__(self, text: str, error_class: str) -> None:
        super().__init__(text)
        self.error_class = error_class


def no_connection(trouble: OSError, place: Login) -> SshTrouble:
    """The trouble of a socket."""
    number = trouble.errno or 0
    said = (os.strerror(number) if number > 0 else _line(trouble)).lower()
    if number in _OWN:
        return SshTrouble(f"Vedette could not open a socket: {said}", "own")
    if number == errno.ECONNREFUSED:
        return SshTrouble(f"SSH connection refused by {place.at()}: is sshd running there?", "refused")
    return SshTrouble(f"no SSH connection to {place.at()}: {said}", _CLASSES.get(number, "lost"))


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
    if isinstance(trouble, OSError):
        return no_connection(trouble, place)
    return SshTrouble(f"the SSH connection to {place.at()} broke: {_line(trouble)}", "lost")


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
    return " ".join(str(trouble).split()) or type(trouble).__name__
