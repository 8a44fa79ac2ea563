"""How mail servers and PostgreSQL are asked to go on in TLS."""

from collections.abc import Mapping, Sequence

from probes._machinery.connecting import Trouble
from probes._machinery.conversation import Conversation
from probes._machinery.documents import shown
from probes._machinery.patterns import compiled

_MOST = 65_536  # bytes of an answer
_SMTP = r"(^|\n)\d{3}( [^\n]*)?\r?\n$"  # every line but the last has a dash after its number

Step = tuple[bytes, str, str]
"""What we say; the pattern of a whole answer; how its last line begins when we may go on."""

DIALOGUES: Mapping[str, Sequence[Step]] = {
    "smtp": ((b"", _SMTP, "220"), (b"EHLO vedette\r\n", _SMTP, "250"), (b"STARTTLS\r\n", _SMTP, "220")),
    "imap": ((b"", r"\n$", "* OK"), (b"a STARTTLS\r\n", r"(^|\n)(a |\* BYE)[^\n]*\n$", "a OK")),
    "pop3": ((b"", r"\n$", "+OK"), (b"STLS\r\n", r"\n$", "+OK")),
    "postgres": ((b"\x00\x00\x00\x08\x04\xd2\x16\x2f", r"^.", "S"),),
}
PORTS: Mapping[str | None, int] = {None: 443, "smtp": 25, "imap": 143, "pop3": 110, "postgres": 5432}


async def ask(talk: Conversation, protocol: str) -> None:
    """Speak until the other side waits for a TLS handshake. Raises Trouble where it does not come to that."""
    for words, whole, yes in DIALOGUES[protocol]:
        if words:
            await talk.write(words)
        answer = await _answer(talk, whole)
        last = answer.splitlines()[-1]
        if not last.startswith(yes):
            said = " ".join(answer.split())
            raise Trouble(f"the server does not go over to TLS: it answered {shown(said)}", "starttls")


async def _answer(talk: Conversation, whole: str) -> str:
    received = ""
    while not compiled(whole).search(received):
        got = await talk.read()
        if not got or len(received) > _MOST:
            said = f" after {shown(received)}" if received else ""
            raise Trouble(f"the server closed the connection before TLS began{said}", "starttls")
        received += got.decode("latin-1")
    return received
