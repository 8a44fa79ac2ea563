"""Conversations by TCP: connect, say something, and read until what is looked for was found."""

from collections.abc import Callable

from probes._machinery.connecting import Trouble
from probes._machinery.conversation import Conversation, conversation
from probes._machinery.patterns import matches
from probes._machinery.questions import TcpReply, TcpRequest
from probes._machinery.trust import believing

_MOST = 65_536  # bytes read of what the other side says


async def serve(request: TcpRequest, allowed: Callable[[str], bool]) -> TcpReply:
    """The reply; where nothing came of it, with what was received before."""
    received, ended = bytearray(), None
    context = believing(request.trust) if request.tls else None
    try:
        async with conversation(request.host, request.port, request.patience) as talk:
            await talk.connect(allowed)
            if context:
                await talk.secure(context, request.server_name)
            if request.send:
                await talk.write(request.send)
            if request.until is not None:
                ended = await _read(talk, request.until, received)
            phases = talk.phases
    except Trouble as trouble:
        return TcpReply(bytes(received), None, str(trouble), trouble.error_class, trouble.phases)
    return TcpReply(bytes(received), ended, phases=phases)


async def _read(talk: Conversation, until: str, received: bytearray) -> str:
    while len(received) < _MOST:
        got = await talk.read(_MOST - len(received))
        if not got:
            return "closed"
        received += got
        if matches(until, received.decode("utf-8", "replace")):
            return "found"
    return "full"
