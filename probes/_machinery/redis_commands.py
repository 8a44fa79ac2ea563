"""Commands to Redis by its own library, on a connection of our own making: guarded, timed, never tried twice."""

import time
from collections.abc import Callable
from typing import Any

from redis.asyncio import Connection  # this module is imported on first use itself
from redis.exceptions import RedisError, ResponseError

from probes._machinery.connecting import Trouble
from probes._machinery.conversation import Conversation, Streams, conversation
from probes._machinery.questions import RedisReply, RedisRequest, Refusal
from probes._machinery.redis_errors import in_words
from probes._machinery.trust import believing

_PROTOCOL = 2  # every version speaks it


async def serve(request: RedisRequest, allowed: Callable[[str], bool]) -> RedisReply:
    """The answers, a Refusal in place of each that the server refused; an error where it did not come to commands."""
    context = believing(request.trust) if request.tls else None
    try:
        async with conversation(request.host, request.port, request.patience) as talk:
            await talk.connect(allowed)
            return await _spoken(request, await talk.streams(context), talk)
    except Trouble as trouble:
        return RedisReply(error=str(trouble), error_class=trouble.error_class, phases=trouble.phases)


class _Line(Connection):
    """The library's connection, over streams that are there already."""

    def __init__(self, request: RedisRequest, streams: Streams) -> None:
        super().__init__(
            username=request.username,
            password=request.password,
            db=request.database,
            protocol=_PROTOCOL,
            driver_info=None,
            socket_timeout=None,
            socket_connect_timeout=None,
        )
        self._given = streams

    async def _connect(self) -> None:
        self._reader, self._writer = self._given


async def _spoken(request: RedisRequest, streams: Streams, talk: Conversation) -> RedisReply:
    line: Any = _Line(request, streams)
    answers: list[Any] = []
    seconds: list[float] = []
    try:
        await line.connect()
        for command in request.commands:
            began = time.monotonic()
            answers.append(await _answer(line, command))
            seconds.append(time.monotonic() - began)
            if len(answers) == 1:
                talk.mark("first_byte_seconds")
        return RedisReply(tuple(answers), tuple(seconds), phases=talk.phases)
    except RedisError as trouble:
        raise Trouble(*in_words(_whole(trouble))) from None
    finally:
        await line.disconnect(nowait=True)


async def _answer(line: Any, command: tuple[str, ...]) -> Any:
    await line.send_command(*command)
    try:
        return await line.read_response()
    except ResponseError as refused:
        return Refusal(_whole(refused))


def _whole(refused: RedisError) -> str:
    """What the server said, with the word at its beginning that the library takes off."""
    code = getattr(refused, "status_code", None)
    return f"{code} {refused}" if code else str(refused)
