"""A message as the HTML part of an email: one narrow column, styled inline, at home in light and dark."""

from collections.abc import Mapping, Sequence
from html import escape

from alerting import messages
from alerting.messages import COLOURS, IN_FULL, Item, Message
from alerting.phrasing import clip, one_line

_LISTED = 200  # Gmail hides what is beyond some 100 KB; the text part has them all

_ON_BADGE: Mapping[str, str] = {"critical": "#ffffff", "warning": "#1d1c1d", "info": "#0b1f33", "resolved": "#06281a"}

_DARK = """
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (prefers-color-scheme: dark) {
  .page { background: #16181c !important; }
  .card { background: #22252b !important; border-top-color: #3a3f47 !important;
    border-right-color: #3a3f47 !important; border-bottom-color: #3a3f47 !important; }
  .text, .link { color: #f2f3f5 !important; }
  .faint { color: #a9b0ba !important; }
  .button { background: #f2f3f5 !important; color: #16181c !important; }
}
"""

_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_TEXT = f"{_FONT};font-size:16px;line-height:1.45;color:#1d2127"
_FAINT = f"{_FONT};font-size:14px;line-height:1.45;color:#5d6672"


def html_body(message: Message) -> str:
    """A whole HTML document; everything in it that is not ours is escaped."""
    items = messages.worst_first(message.items)
    several = f'<p class="text" style="{_TEXT};font-weight:600;margin:0 0 12px">{escape(messages.tally(items))}</p>'
    body = _list(items, message) if len(items) > IN_FULL else "".join(_card(item, message) for item in items)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{_safe(messages.headline(message), 400)}</title><style>{_DARK}</style></head>"
        '<body class="page" style="margin:0;padding:0;background:#f3f4f6">'
        f'<div style="display:none;max-height:0;overflow:hidden">{_safe(messages.headline(message), 400)}</div>'
        '<div class="page" style="background:#f3f4f6;padding:16px 12px">'
        '<div style="max-width:560px;margin:0 auto">'
        f"{several if len(items) > 1 else ''}{body}{_foot(message)}</div></div></body></html>\n"
    )


def _card(item: Item, message: Message) -> str:
    colour = _colour(item)
    return (
        f'<div class="card" style="background:#ffffff;border:1px solid #dfe3e8;border-left:6px solid {colour};'
        'border-radius:6px;padding:16px 18px;margin:0 0 12px">'
        f"{_badge(item, message)}"
        f'<h1 class="text" style="{_TEXT};font-size:20px;line-height:1.3;font-weight:600;margin:10px 0 8px;'
        f'overflow-wrap:anywhere">{_safe(messages.name(item), 300)}</h1>'
        f"{_story(item, message.at)}{_facts(item, message)}{_button(item.link, 'Open the alert')}</div>"
    )


def _badge(item: Item, message: Message) -> str:
    ink = _ON_BADGE.get(messages.state(item), "#ffffff")
    return (
        f'<span style="{_FONT};font-size:13px;font-weight:600;display:inline-block;padding:3px 10px;'
        f'border-radius:4px;background:{_colour(item)};color:{ink}">'
        f"{_safe(messages.label(item, message.reason), 60)}</span>"
    )


def _story(item: Item, at: float) -> str:
    style = f"{_TEXT};margin:0 0 8px;overflow-wrap:anywhere"
    return "".join(f'<p class="text" style="{style}">{_safe(said, 2000)}</p>' for said in messages.story(item, at))


def _facts(item: Item, message: Message) -> str:
    rows = "".join(
        f'<tr><td class="faint" style="{_FAINT};padding:3px 16px 3px 0;vertical-align:top;white-space:nowrap">'
        f'{_safe(title, 60)}</td><td class="text" style="{_TEXT};font-size:14px;padding:3px 0;'
        f'overflow-wrap:anywhere">{_safe(value, 300)}</td></tr>'
        for title, value in messages.facts(item, message)
    )
    return f'<table role="presentation" style="border-collapse:collapse;margin:8px 0 0">{rows}</table>'


def _button(link: str, words: str) -> str:
    if not link.startswith(("http://", "https://")):
        return ""
    return (
        f'<p style="margin:16px 0 0"><a class="button" href="{escape(link)}" style="{_FONT};font-size:15px;'
        "font-weight:600;display:inline-block;padding:10px 18px;border-radius:5px;background:#1d2127;color:#ffffff;"
        f'text-decoration:none">{words}</a></p>'
    )


def _list(items: Sequence[Item], message: Message) -> str:
    rows = "".join(_row(item, message) for item in items[:_LISTED])
    more = len(items) - _LISTED
    rest = f'<p class="faint" style="{_FAINT};margin:10px 0 0">and {more} more</p>' if more > 0 else ""
    return (
        '<div class="card" style="background:#ffffff;border:1px solid #dfe3e8;border-radius:6px;padding:8px 14px 16px;'
        f'margin:0 0 12px">{rows}{rest}{_button(message.link, "All alerts")}</div>'
    )


def _row(item: Item, message: Message) -> str:
    name = _safe(messages.name(item), 150)
    if item.link.startswith(("http://", "https://")):
        name = f'<a class="link" href="{escape(item.link)}" style="color:#1d2127">{name}</a>'
    said = _safe(messages.cause(item, message.at), 160)
    return (
        f'<p class="text" style="{_TEXT};font-size:15px;margin:8px 0 0;padding-left:10px;border-left:4px solid '
        f'{_colour(item)};overflow-wrap:anywhere"><b>{_safe(messages.label(item, message.reason), 40)}:</b> '
        f"{name}{said}</p>"
    )


def _foot(message: Message) -> str:
    said = [*messages.notes(message), f"Sent by {one_line(message.service) or 'Vedette'}."]
    return f'<p class="faint" style="{_FAINT};margin:4px 2px 0">{_safe(" ".join(said), 500)}</p>'


def _colour(item: Item) -> str:
    return COLOURS.get(messages.state(item), COLOURS["info"])


def _safe(text: str, limit: int) -> str:
    return escape(clip(text, limit))
