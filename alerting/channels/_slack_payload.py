"""A message in Slack's form: one line of text and one coloured attachment of blocks, within Slack's limits."""

from collections.abc import Iterable, Sequence
from typing import Any

from alerting import messages
from alerting.messages import COLOURS, IN_FULL, Item, Message
from alerting.phrasing import ELLIPSIS, one_line

# Slack says 50 blocks and 3000 characters a text; in an attachment more than 20 blocks have been refused, and above
# some 13,000 characters in all `msg_blocks_too_long`. Lengths here are those of the JSON, so the truth is below them.
_ALL_BLOCKS = 11_500
_SECTION = 2_900
_TEXT = 3_500
_TITLE = 400
_FIELD = 300
_LINK = 600
_AROUND = 1_400  # of _ALL_BLOCKS, for the heading, the notes and the links around a list

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

Blocks = list[dict[str, Any]]


def payload(message: Message, plain: bool) -> dict[str, Any]:
    """The body of a webhook call. `plain`: text alone, for when Slack refused the blocks."""
    silent = {"unfurl_links": False, "unfurl_media": False}  # a preview would open our links
    if plain:
        return {"text": _plain(message), **silent}
    items = messages.worst_first(message.items)
    blocks = _one(items[0], message) if len(items) == 1 else _many(items, message)
    attachment = {
        "color": COLOURS.get(messages.state(items[0]), COLOURS["info"]),
        "fallback": fit(messages.headline(message), _TEXT),
        "blocks": blocks,
    }
    return {"text": attachment["fallback"], "attachments": [attachment], **silent}


def fit(text: str, limit: int) -> str:
    """The text on one line, escaped, of at most `limit` characters of JSON; cut between characters, never in one."""
    line = one_line(text)
    if _length(_escape(line)) <= limit:
        return _escape(line)
    kept, left = [], limit - len(ELLIPSIS)
    for char in line:
        left -= _length(_escape(char))
        if left < 0:
            break
        kept.append(_escape(char))
    return "".join(kept).rstrip() + ELLIPSIS


def _escape(text: str) -> str:
    return "".join(_ESCAPES.get(char, char) for char in text)


def _length(text: str) -> int:
    """Characters as JavaScript counts them, with what JSON adds."""
    return len(text.encode("utf-16-le")) // 2 + sum(text.count(char) for char in '"\\\n')


def _one(item: Item, message: Message) -> Blocks:
    fields = [_text(f"*{fit(title, 50)}*\n{fit(value, _FIELD)}") for title, value in messages.facts(item, message)]
    story = [fit(said, _SECTION // 2) for said in messages.story(item, message.at)]
    said = [_section("\n".join(story))] if story else []
    title = f"{messages.emoji(item)} *{_linked(item.link, messages.name(item), _TITLE)}*"
    return [_section(title), *said, {"type": "section", "fields": fields}, _foot(message, item.link, "Open the alert")]


def _many(items: Sequence[Item], message: Message) -> Blocks:
    lines = _lines(items, message, _ALL_BLOCKS - _AROUND)
    left_out = len(items) - len(lines)
    more = [f"and {left_out} more"] if left_out else []
    sections = [_section("\n".join(chunk)) for chunk in _chunks([*lines, *more], _SECTION)]
    return [_section(f"*{fit(messages.tally(items), _TITLE)}*"), *sections, _foot(message, message.link, "All alerts")]


def _lines(items: Sequence[Item], message: Message, budget: int) -> list[str]:
    """A line an alert, as telling as fits for all of them; bare names of the worst where even those do not."""
    forms = ([_telling(item, message) for item in items], [_brief(item, message) for item in items])
    for lines in forms:
        if sum(_length(line) + 2 for line in lines) <= budget:
            return lines
    return list(_within([f"{messages.emoji(item)} {fit(messages.name(item), 92)}" for item in items], budget))


def _telling(item: Item, message: Message) -> str:
    name = _linked(item.link, messages.name(item), 150)
    said = fit(messages.cause(item, message.at), 300)
    return f"{messages.emoji(item)} {fit(messages.label(item, message.reason), 50)}: {name}{said}"


def _brief(item: Item, message: Message) -> str:
    return f"{messages.emoji(item)} {fit(messages.name(item), 120)}{fit(messages.cause(item, message.at), 80)}"


def _within(lines: Iterable[str], budget: int) -> Iterable[str]:
    for line in lines:
        budget -= _length(line) + 2
        if budget < 0:
            return
        yield line


def _chunks(lines: Sequence[str], limit: int) -> Iterable[list[str]]:
    """The lines in order, in groups that fit a section each."""
    group: list[str] = []
    for line in lines:
        if group and sum(_length(one) + 2 for one in [*group, line]) > limit:
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _plain(message: Message) -> str:
    if len(message.items) <= IN_FULL:
        lines = messages.text_body(message).split("\n")
    else:
        items = messages.worst_first(message.items)
        lines = [messages.tally(items), *(messages.line(item, message.at) for item in items), message.link]
    repeated = [messages.headline(message)] if message.repeated else []
    return "\n".join(_within((fit(line, 500) for line in [*repeated, *lines]), _ALL_BLOCKS)) or "…"


def _foot(message: Message, link: str, words: str) -> dict[str, Any]:
    parts = [*messages.notes(message), *([message.service] if one_line(message.service) else [])]
    shown = [*([_linked(link, words, 50)] if _is_link(link) else []), *(fit(part, 200) for part in parts)]
    return {"type": "context", "elements": [_text(" · ".join(shown) or words)]}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _text(text)}


def _text(text: str) -> dict[str, Any]:
    # verbatim: addresses and names in a probe's words are not made into links and mentions.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _linked(link: str, words: str, limit: int) -> str:
    shown = fit(words.replace("|", "¦"), limit)  # a bar would end the address
    return f"<{_escape(link)}|{shown}>" if _is_link(link) else shown


def _is_link(link: str) -> bool:
    clean = link.isprintable() and not any(char in link for char in ' <>|"\\')
    return clean and link.startswith(("http://", "https://")) and _length(_escape(link)) <= _LINK
