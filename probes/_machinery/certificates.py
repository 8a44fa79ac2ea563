"""The certificate a port shows: as one that trusts it would see it, else as whoever looks sees it."""

import time
from collections.abc import Callable
from dataclasses import replace

from probes._machinery.connecting import Trouble
from probes._machinery.conversation import conversation
from probes._machinery.questions import TlsReply, TlsRequest
from probes._machinery.starttls import ask
from probes._machinery.trust import believing, believing_all


async def serve(request: TlsRequest, allowed: Callable[[str], bool]) -> TlsReply:
    """The leaf; where it is not to be trusted, a second handshake that trusts anybody reads it all the same."""
    began = time.monotonic()
    strict = await _shown(request, allowed, False)
    if strict.error_class != "certificate":
        return strict
    left = max(1.0, request.patience - (time.monotonic() - began))
    seen = await _shown(replace(request, patience=left), allowed, True)
    return replace(seen, distrust=strict.error, distrust_code=strict.distrust_code)


async def _shown(request: TlsRequest, allowed: Callable[[str], bool], anybody: bool) -> TlsReply:
    context = believing_all() if anybody else believing(request.trust)
    try:
        async with conversation(request.host, request.port, request.patience) as talk:
            await talk.connect(allowed)
            if request.starttls:
                await ask(talk, request.starttls)
            session = await talk.secure(context, request.server_name)
            return TlsReply(session.getpeercert(True) or b"", protocol=session.version(), phases=talk.phases)
    except Trouble as trouble:
        return TlsReply(
            distrust_code=trouble.code, error=str(trouble), error_class=trouble.error_class, phases=trouble.phases
        )
