"""Email by SMTP: one message to all recipients, delivered when the server took it for at least one of them."""

import re
import smtplib
from collections.abc import Mapping, Sequence
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

from alerting.channels._email_parts import mail
from alerting.channels._email_session import Server, broken_off, refusal, server_of, session
from alerting.channels.outcome import DeliveryError, Receipt, after_reply
from alerting.messages import Message
from alerting.phrasing import one_line

_ADDRESS = re.compile(r"""[^\s@,;:<>()\[\]\\"]{1,64}@[^\s@,;:<>()\[\]\\"]{1,253}""")

_NAMED = re.compile(r"([^<>]*)<([^<>]+)>")

_UNWRITABLE = (553, b"the server does not take addresses like this one (SMTPUTF8)")

Refused = dict[str, tuple[int, bytes]]


def deliver(settings: Mapping[str, Any], message: Message, *, plain: bool = False, timeout: float = 10.0) -> Receipt:
    """Hand the message to the mail server; its Message-ID is the receipt. `timeout` in seconds a step.

    Raises DeliveryError: where every recipient was refused, but not where only some were (Receipt.refused).
    """
    server = server_of(_required(settings, "url", "SMTP_URL"))
    sender = _address(_required(settings, "from", "MAIL_FROM"), "from")
    # One each, however often it is named: a server counts and refuses by address.
    to = list({one.addr_spec: one for one in (_address(text, "to") for text in settings["to"])}.values())
    with session(server, sender.domain, timeout) as smtp:
        if not sender.addr_spec.isascii() and not smtp.has_extn("smtputf8"):
            raise refusal(*_UNWRITABLE, "the sender")
        return _send(smtp, server, message, sender, to, plain)


def _required(settings: Mapping[str, Any], key: str, variable: str) -> str:
    if settings.get(key):
        return str(settings[key])
    words = f"Email cannot be sent: {variable} is not set, and the channel has no {key}"
    raise DeliveryError("not_configured", words, action="give_up", arrived="no", field=key)


def _address(text: str, field: str) -> Address:
    """One address, its domain in ASCII. Raises DeliveryError: what reads as two addresses would reach a stranger."""
    named = _NAMED.fullmatch(text)
    name, spec = (named[1].strip(' "'), named[2]) if named else ("", text)
    local, _, domain = spec.rpartition("@")
    try:
        if not _ADDRESS.fullmatch(spec) or not text.isprintable():
            raise ValueError(spec)
        return Address(one_line(name), local, domain.encode("idna").decode("ascii"))
    except (ValueError, HeaderParseError, IndexError):
        words = f"Email cannot be sent: {field} holds something that is not one email address"
        raise DeliveryError("invalid_address", words, action="give_up", arrived="no", field=field) from None


def _send(
    smtp: smtplib.SMTP, server: Server, message: Message, sender: Address, to: Sequence[Address], plain: bool
) -> Receipt:
    utf8 = smtp.has_extn("smtputf8")
    writable = [one for one in to if utf8 or one.addr_spec.isascii()]
    refused = {one.addr_spec: _UNWRITABLE for one in to if one not in writable}
    refused |= _envelope(smtp, server, sender, writable)
    if len(refused) == len(to):
        raise _all_refused(refused, server)
    made = mail(message, sender, writable, plain, utf8)
    _hand_over(smtp, server, made, plain)
    return Receipt(made["Message-ID"], tuple(refused))


def _envelope(smtp: smtplib.SMTP, server: Server, sender: Address, to: Sequence[Address]) -> Refused:
    """Name the sender and the recipients; those that were refused."""
    if not to:
        return {}
    wide = not all(one.addr_spec.isascii() for one in (sender, *to))
    code, said = smtp.mail(sender.addr_spec, ["SMTPUTF8", "BODY=8BITMIME"] if wide else [])
    if code != 250:
        raise refusal(code, said, "the sender", (server.password,))
    replies = {one.addr_spec: smtp.rcpt(one.addr_spec) for one in to}
    return {address: reply for address, reply in replies.items() if reply[0] not in (250, 251)}


def _all_refused(refused: Refused, server: Server) -> DeliveryError:
    """The error where nobody is left: tried again where one of them was refused for now only."""
    code, said = min(refused.values(), key=lambda reply: after_reply(reply[0])[0] != "retry")
    error = refusal(code, said, "every recipient", (server.password,))
    error.reason, error.field = "recipient_refused", "to"
    return error


def _hand_over(smtp: smtplib.SMTP, server: Server, made: EmailMessage, plain: bool) -> None:
    try:
        code, said = smtp.data(made.as_bytes())
    except smtplib.SMTPDataError as early:
        raise _refused_content(early.smtp_code, early.smtp_error, server, plain) from None
    except OSError as cut:  # smtplib's own errors are OSErrors
        raise broken_off(cut, "unknown") from None
    if code != 250:
        raise _refused_content(code, said, server, plain)


def _refused_content(code: int, said: bytes | str, server: Server, plain: bool) -> DeliveryError:
    """The message was refused, not its recipients: as spam, or for its size. Then it is tried in plain text."""
    error = refusal(code, said, "the message", (server.password,))
    if error.action == "give_up" and not plain:
        error.action = "plain"
    return error
