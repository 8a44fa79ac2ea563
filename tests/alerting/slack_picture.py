"""A picture of what Slack shows, drawn from our payloads: `python -m tests.alerting.slack_picture FILE`."""

import html
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from alerting.channels._slack_payload import payload
from tests.alerting import told
from tests.web.browser import Browser

_STYLE = """
body { margin: 0; padding: 20px 24px; background: #fff; color: #1d1c1d }
body { font: 15px/1.46 Lato, "DejaVu Sans", "Noto Color Emoji", Arial, sans-serif }
.message { display: flex; gap: 10px; margin-bottom: 18px }
.face { flex: none; width: 36px; height: 36px; border-radius: 8px; background: #14505c }
.name { font-weight: 900 }
.app { font-size: 10px; background: #e8e8e8; border-radius: 2px; padding: 1px 3px; color: #616061 }
.at { font-size: 12px; color: #616061 }
.attachment { border-left: 4px solid; border-radius: 4px; padding: 2px 0 2px 12px; margin-top: 6px; max-width: 560px }
.block { margin: 6px 0 } .fields { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px }
.context { font-size: 12px; color: #616061 } a { color: #1264a3; text-decoration: none }
"""


def page(payloads: list[dict[str, Any]]) -> str:
    """The channel as HTML. It draws what Slack's own client draws of sections, fields, contexts and colours."""
    messages = "".join(
        f'<div class="message"><div class="face"></div><div><span class="name">Vedette</span>'
        f' <span class="app">APP</span> <span class="at">{at}</span><div>{_markup(one["text"])}</div>'
        f"{_attachments(one)}</div></div>"
        for at, one in zip(("4:08 AM", "4:20 AM"), payloads, strict=True)
    )
    return f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style>{messages}'


def _attachments(message: dict[str, Any]) -> str:
    return "".join(
        f'<div class="attachment" style="border-color:{html.escape(one["color"])}">'
        f"{''.join(_block(block) for block in one['blocks'])}</div>"
        for one in message["attachments"]
    )


def _block(block: dict[str, Any]) -> str:
    if "fields" in block:
        return f'<div class="block fields">{"".join(f"<div>{_text(one)}</div>" for one in block["fields"])}</div>'
    if block["type"] == "context":
        return f'<div class="block context">{" ".join(_text(one) for one in block["elements"])}</div>'
    return f'<div class="block">{_text(block["text"])}</div>'


def _text(value: dict[str, str]) -> str:
    return _markup(value["text"])


def _markup(text: str) -> str:
    """Slack's mrkdwn, which comes with & < > escaped as HTML wants them."""
    linked = re.sub(r"<(https?://[^|>]+)\|([^>]+)>", r'<a href="\1">\2</a>', text)
    return re.sub(r"\*([^*\n]+)\*", r"<b>\1</b>", linked).replace("\n", "<br>")


def draw(target: Path) -> None:
    """Write the picture: a website that went down, and came back."""
    resolved = told.message(told.item(told="resolved", resolved_at=told.AT), reason="resolved")
    down = told.message(told.item(occurrences=1), at=told.AT - 715)
    with tempfile.TemporaryDirectory() as folder, Browser(720, 100) as browser:
        source = Path(folder) / "slack.html"
        source.write_text(page([payload(down, plain=False), payload(resolved, plain=False)]), "utf-8")
        browser.open(source.as_uri())
        browser.whole(target)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
