"""One command on another machine by SSH: where the host's key is stored, by key, and nothing left running there."""

import asyncio
import logging
import math
import shlex
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from ipaddress import ip_address
from secrets import randbelow
from typing import Any, NamedTuple

import asyncssh

from probes._machinery.connecting import Trouble, connected
from probes._machinery.guard import REFUSED
from probes._machinery.names import NameTrouble, addresses
from probes._machinery.requests import SshCommand, SshReply
from probes._machinery.ssh_errors import SshTrouble, broken, strange_key
from probes._machinery.ssh_keys import Stored, host_key_algorithms, offered, stored_keys
from probes._machinery.ssh_login import Login, read_login

_MOST_OUTPUT = 1_048_576
_PIECE = 65_536
_MARGIN = 0.25  # seconds: to say where the time went before the runner ends it without a word
_GOODBYE = 0.05  # seconds a signal is given to leave
_MOST_JUMPS = 5

# A command outlives its connection, and sshd lets nobody signal root's: so it takes its deadline with it.
_FAR_SIDE = 'command -v timeout >/dev/null 2>&1 && exec timeout -k 1 "$0" "$@"; exec "$@"'

Allowed = Callable[[str], bool]


class _ShutAtOnce(Exception):
    """The server closed the connection before it said a word: MaxStartups does so at random."""


class _Witness(asyncssh.SSHClient):
    """Remembers the connection and the key that a host showed and nobody had stored; trusts none."""

    connection: asyncssh.SSHClientConnection | None = None
    stranger: asyncssh.SSHKey | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self.connection = conn

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.stranger = key
        return False

    def heard(self) -> bool:
        """Whether the server has introduced itself."""
        return self.connection is not None and bool(self.connection.get_extra_info("server_version"))


class _Target(NamedTuple):
    """Where a login leads once the OpenSSH client's configuration is taken into account."""

    login: Login
    place: Login
    alias: str
    jumps: Sequence[str]
    by_command: bool
    known_hosts: Sequence[str]


class _Call(NamedTuple):
    """What every connection of an exchange needs: the request, the guard, and who closes them all."""

    request: SshCommand
    allowed: Allowed
    held: AsyncExitStack


async def serve(request: SshCommand, allowed: Allowed) -> SshReply:
    """Connect, run the command, and see it end; trouble is told in the reply (its classes: `SshTrouble`)."""
    logging.getLogger("asyncssh").setLevel(logging.ERROR)  # it would log every command, and what is in it
    said = [f"no SSH session on {request.login.rpartition('@')[2]}"]
    try:
        async with asyncio.timeout(max(request.timeout - _MARGIN, request.timeout / 2)):
            return await _exchange(request, allowed, said)
    except TimeoutError:
        return SshReply(error=f"{said[-1]} within {request.timeout:g} s", error_class="timeout")
    except SshTrouble as trouble:
        return SshReply(error=str(trouble), error_class=trouble.error_class)


async def _exchange(request: SshCommand, allowed: Allowed, said: list[str]) -> SshReply:
    async with AsyncExitStack() as held:
        connection = await _logged_in(_login(request.login), _Call(request, allowed, held))
        said.append(f"the command on {request.login.rpartition('@')[2]} had not ended")
        return await _run(connection, request)


def _login(text: str) -> Login:
    try:
        return read_login(text)
    except ValueError as trouble:
        raise SshTrouble(str(trouble), "config") from None


async def _logged_in(
    login: Login, call: _Call, through: asyncssh.SSHClientConnection | None = None, depth: int = 0
) -> asyncssh.SSHClientConnection:
    """A connection, by the jump hosts that the configuration names; tried once more where the door was shut at once."""
    target = await _target(login)
    if depth > _MOST_JUMPS:
        raise SshTrouble("the OpenSSH configuration jumps over too many hosts, or in a circle", "config")
    for jump in target.jumps if through is None else ():
        hop = call._replace(request=SshCommand(jump, (), private_key=call.request.private_key))
        through = await _logged_in(_login(jump), hop, through, depth + 1)
    try:
        connection = await _connected(target, call, through)
    except _ShutAtOnce:
        await asyncio.sleep(0.2 + randbelow(400) / 1000)
        connection = await _once_more(target, call, through)
    call.held.callback(connection.abort)
    return connection


async def _target(login: Login) -> _Target:
    """Raises SshTrouble on a configuration that cannot be read."""
    port, user = login.port or (), login.user or ()
    try:
        options = await asyncssh.SSHClientConnectionOptions.construct(
            config=(), host=login.host, port=port, username=user, client_keys=None
        )
    except (OSError, ValueError, asyncssh.Error) as trouble:
        raise broken(trouble, login, "") from None
    jumps = options.tunnel.split(",") if isinstance(options.tunnel, str) and options.tunnel != "none" else ()
    files = options.known_hosts if isinstance(options.known_hosts, list) else ()
    place = Login(options.host, options.port, options.username)
    return _Target(login, place, options.host_key_alias or options.host, jumps, bool(options.proxy_command), files)


async def _once_more(
    target: _Target, call: _Call, through: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    try:
        return await _connected(target, call, through)
    except _ShutAtOnce:
        said = f"{target.place.at()} closes SSH connections at once, twice: too many at a time (MaxStartups)?"
        raise SshTrouble(said, "lost") from None


async def _connected(
    target: _Target, call: _Call, through: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    """One attempt. Raises SshTrouble or _ShutAtOnce."""
    _guard(target.place.host, call.allowed)
    direct = None
    if through is None and not target.by_command:
        direct = await _socket(target.place, call.allowed)
    try:
        stored = stored_keys(call.request.host_key, target.known_hosts, target.alias, target.place.port, direct)
        return await _authenticated(target, call, through, direct, stored)
    except BaseException:
        if direct is not None:
            direct.close()
        raise


async def _authenticated(
    target: _Target,
    call: _Call,
    through: asyncssh.SSHClientConnection | None,
    direct: socket.socket | None,
    stored: Stored,
) -> asyncssh.SSHClientConnection:
    witness = _Witness()
    try:
        return await asyncssh.connect(
            target.login.host,
            target.login.port or (),
            username=target.login.user or (),
            sock=direct,
            tunnel=through,
            client_factory=lambda: witness,
            known_hosts=stored,
            server_host_key_algs=host_key_algorithms(stored),
            preferred_auth="publickey",
            agent_forwarding=False,
            gss_kex=False,
            **offered(call.request.private_key),
        )
    except asyncssh.HostKeyNotVerifiable as refusal:
        raise strange_key(target.place, refusal, witness.stranger, stored, call.request.host_key is not None) from None
    except (OSError, ValueError, asyncssh.Error) as trouble:
        if not witness.heard() and isinstance(trouble, ConnectionError | asyncssh.ConnectionLost):
            raise _ShutAtOnce from None
        raise broken(trouble, target.place, target.place.user or "") from None


async def _socket(place: Login, allowed: Allowed) -> socket.socket:
    """Connected to the first address that answers, of those that may be."""
    assert place.port is not None
    try:
        return await connected(await addresses(place.host, place.port, allowed), place.port)
    except (NameTrouble, Trouble) as trouble:
        refused = trouble.error_class == "refused"
        said = f"SSH {trouble}: is sshd running there?" if refused else str(trouble)
        raise SshTrouble(said, trouble.error_class) from None


def _guard(host: str, allowed: Allowed) -> None:
    """An address behind a jump host is judged too; a name there is that host's to resolve."""
    with suppress(ValueError):
        if not allowed(str(ip_address(host))):
            raise SshTrouble(REFUSED, "denied")


async def _run(connection: asyncssh.SSHClientConnection, request: SshCommand) -> SshReply:
    """The command to its end, or cut off: then it is told to end, and ends there by itself in any case."""
    place = read_login(request.login)
    words = ("sh", "-c", _FAR_SIDE, str(math.ceil(request.timeout) + 1), *request.command)
    try:
        process = await connection.create_process(shlex.join(words), encoding=None, request_pty=False)
        try:
            return await _outcome(process, request, place)
        finally:
            await _ended(process)
    except (OSError, asyncssh.Error) as trouble:
        raise broken(trouble, place, place.user or "") from None


async def _outcome(process: asyncssh.SSHClientProcess[bytes], request: SshCommand, place: Login) -> SshReply:
    with suppress(OSError):  # a command need not read
        process.stdin.write(request.stdin)
        process.stdin.write_eof()
    stdout, stderr = await asyncio.gather(_text(process.stdout), _text(process.stderr))
    await process.wait_closed()
    if process.exit_signal is not None:
        said = f"the command on {place.at()} was ended by SIG{process.exit_signal[0]}"
        return SshReply(None, stdout, stderr, said, "signal")
    if process.exit_status is None:
        raise SshTrouble(f"the SSH connection to {place.at()} was closed before the command had ended", "lost")
    return SshReply(process.exit_status, stdout, stderr)


async def _text(stream: asyncssh.SSHReader[bytes]) -> str:
    content = bytearray()
    while piece := await stream.read(_PIECE):
        content += piece
        if len(content) > _MOST_OUTPUT:
            raise SshTrouble(f"the command printed more than {_MOST_OUTPUT} bytes", "output")
    return content.decode("utf-8", "replace")


async def _ended(process: asyncssh.SSHClientProcess[Any]) -> None:
    if process.exit_status is None and process.exit_signal is None:
        with suppress(OSError):
            process.terminate()
            await asyncio.sleep(_GOODBYE)
