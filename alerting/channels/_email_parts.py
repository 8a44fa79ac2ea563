"""A message in email's form: headers that thread and sort, a text part and an HTML part."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

from alerting import messages
from alerting.channels._email_html import html_body
from alerting.messages import Message
from alerting.phrasing import clip

_TAGS: Mapping[str, str] = {"drill": "test", "flapping": "flapping", "acknowledged": "acknowledged"}


def mail(message: Message, sender: Address, to: Sequence[Address], plain: bool, utf8: bool) -> EmailMessage:
    """The whole mail. `plain`: without the HTML part; `utf8`: addresses may be written in UTF-8 (RFC 6532)."""
    made = EmailMessage(policy=SMTPUTF8 if utf8 else SMTP)
    made["From"] = sender
    made["To"] = tuple(to)
    made["Subject"] = subject(message)
    made["Date"] = datetime.fromtimestamp(message.at, UTC)
    _thread(made, message, sender.domain, to)
    _machine(made, message, sender.domain)
    # Quoted-printable: every server takes it, whatever it says of 8-bit.
    made.set_content(messages.text_body(message) + "\n", cte="quoted-printable")
    if not plain:
        made.add_alternative(html_body(message), subtype="html", cte="quoted-printable")
    return made


def subject(message: Message) -> str:
    """A subject to sort and filter by: "[CRITICAL] HTTP down: website (Acme watch)"."""
    items = messages.worst_first(message.items)
    what = messages.name(items[0]) if len(items) == 1 else messages.tally(items)
    tag = _TAGS.get(message.reason, messages.state(items[0]))
    still = f", for {messages.lasted(items[0], message.at)} now" if message.reason == "reminder" else ""
    return f"[{clip(tag.upper(), 20)}] {clip(what, 150)}{still} ({clip(message.service, 60) or 'Vedette'})"


def _thread(made: EmailMessage, message: Message, domain: str, to: Sequence[Address]) -> None:
    """Make an incident one conversation, and a repeat of a message recognisable as the same one."""
    thread = _id("thread", message.thread_key, domain, to)
    if message.first_in_thread and message.reason in ("triggered", "drill"):
        made["Message-ID"] = thread
        return
    # Anything else keeps an id of its own even where nothing was delivered before: an attempt whose outcome nobody
    # knows may have arrived under the thread's id, and mail programs drop the second mail of one id.
    made["Message-ID"] = _id("message", message.key, domain, to)
    made["In-Reply-To"] = thread
    made["References"] = thread


def _machine(made: EmailMessage, message: Message, domain: str) -> None:
    """What programs read: filters, and those that answer mail by themselves."""
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    made["List-Id"] = f"<alerts.vedette.{domain}>"
    items = messages.worst_first(message.items)
    made["X-Vedette-Reason"] = message.reason
    made["X-Vedette-State"] = clip(messages.state(items[0]), 20)
    if len(items) == 1:
        made["X-Vedette-Fingerprint"] = re.sub(r"[^\x21-\x7e]", "_", clip(items[0].fingerprint, 200))


def _id(sort: str, key: str, domain: str, to: Sequence[Address]) -> str:
    text = "\n".join([sort, key, *sorted(address.addr_spec for address in to)])
    return f"<{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}@{domain}>"
