"""A Slack incoming webhook that is as strict as Slack's documentation, on a free loopback port, in a thread."""

import json
import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

SECRET_PATH = "/services/T0ACMEXYZ/B0HOOKXYZ/planted-Secret-8fQ2"

_MESSAGE_FIELDS = {"text", "attachments", "blocks", "unfurl_links", "unfurl_media", "mrkdwn", "thread_ts", "metadata"}
_BLOCK_FIELDS = {
    "section": {"text", "fields", "accessory", "expand"},
    "header": {"text"},
    "context": {"elements"},
    "divider": set(),
    "actions": {"elements"},
    "image": {"image_url", "alt_text", "title"},
}
_CONTROL = re.compile(r"<([^<>]*)>")
_LINK = re.compile(r"(https?://|mailto:)[^\s|<>]+(\|[^<>|]+)?")
_LOOSE = re.compile(r"&(?!amp;|lt;|gt;)|[<>]")


class Refused(Exception):
    """The word Slack answers a bad payload with; `why` is for whoever reads the test."""

    def __init__(self, word: str, why: str) -> None:
        super().__init__(f"{word}: {why}")
        self.word = word


@dataclass(frozen=True)
class Answer:
    """One scripted answer. status 0: none at all, after `hold` seconds (a timeout) or at once (a cut)."""

    status: int = 200
    body: str = "ok"
    retry_after: str | None = None
    hold: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    also_accept: bool = False  # the message gets through although the answer says otherwise


OK = Answer()
CUT = Answer(status=0)


def silence(seconds: float) -> Answer:
    """Nothing for so long."""
    return Answer(status=0, hold=seconds)


def limited(seconds: int) -> Answer:
    """Slack's 429."""
    return Answer(429, "rate_limited", retry_after=str(seconds))


@dataclass(frozen=True)
class Received:
    """A message that was accepted, and when (epoch seconds)."""

    at: float
    payload: dict[str, Any]
    headers: dict[str, str]

    @property
    def text(self) -> str:
        """What a phone shows, as a person reads it."""
        return unescape(self.payload["text"])

    @property
    def everything(self) -> str:
        """All the text there is, as a person reads it."""
        return unescape("\n".join(_texts(self.payload)))


@dataclass
class SlackServer:
    """What a test sees of the server. `per_second`: at most one message a second, as Slack has it."""

    url: str
    origin: str
    messages: list[Received] = field(default_factory=list)
    attempts: list[tuple[float, int]] = field(default_factory=list)  # (when, status answered; 0 for none)
    refusals: list[str] = field(default_factory=list)
    script: deque[Answer] = field(default_factory=deque)
    always: Answer | None = None
    per_second: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def answer(self, *answers: Answer) -> None:
        """Give these answers next, in order; then judge messages by themselves again."""
        self.script.extend(answers)

    def wait_for(self, count: int, timeout: float = 10.0) -> list[Received]:
        """The first `count` messages, as soon as they are there. Raises AssertionError."""
        with self.changed:
            there = self.changed.wait_for(lambda: len(self.messages) >= count, timeout)
        assert there, f"{len(self.messages)} of {count} messages came; refused: {self.refusals}"
        return self.messages[:count]

    def judge(self, body: bytes, headers: dict[str, str], now: float) -> Answer:
        """What Slack would answer."""
        try:
            payload = check(body, headers.get("content-type", ""))
        except Refused as refusal:
            self.refusals.append(str(refusal))
            return Answer(400, refusal.word)
        if self.per_second and self.messages and now - self.messages[-1].at < 1.0:
            return limited(1)
        self._keep(Received(now, payload, headers))
        return OK

    def follow(self, answer: Answer, body: bytes, headers: dict[str, str], now: float) -> None:
        """Act as the script says: a scripted yes keeps the message, checked like any other."""
        if answer.also_accept or (answer.status == 200 and answer.body == "ok"):
            self._keep(Received(now, check(body, headers.get("content-type", "")), headers))

    def _keep(self, message: Received) -> None:
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()


def check(body: bytes, content_type: str = "application/json") -> dict[str, Any]:
    """The payload, if Slack's documentation allows it. Raises Refused."""
    _demand(content_type.split(";")[0].strip() == "application/json", "invalid_payload", f"type {content_type}")
    try:
        payload = json.loads(body.decode("utf-8"))
    except ValueError:
        raise Refused("invalid_payload", "not JSON in UTF-8") from None
    _demand(isinstance(payload, dict), "invalid_payload", "not an object")
    _only(payload, _MESSAGE_FIELDS, "invalid_payload")
    text, attachments, blocks = (payload.get(name) for name in ("text", "attachments", "blocks"))
    _demand(bool(text or attachments or blocks), "no_text", "neither text nor blocks nor attachments")
    if text is not None:
        _demand(isinstance(text, str), "invalid_payload", "text is no text")
        _demand(_units(text) <= 40_000, "msg_too_long", "text")
        _markup(text, "invalid_payload")
    _blocks(blocks if blocks is not None else [], "invalid_blocks", 50)
    _demand(isinstance(attachments or [], list), "invalid_attachments", "no list")
    _demand(len(attachments or []) <= 100, "too_many_attachments", "more than 100")
    for attachment in attachments or []:
        _attachment(attachment)
    everything = [*(blocks or []), *(block for one in attachments or [] for block in one.get("blocks", []))]
    _demand(_units(json.dumps(everything, ensure_ascii=False)) <= 12_000, "msg_blocks_too_long", "blocks in all")
    return payload


def unescape(text: str) -> str:
    """Slack's text as it is shown: links by their words."""
    shown = _CONTROL.sub(lambda found: found[1].partition("|")[2] or found[1], text)
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _attachment(value: Any) -> None:
    word = "invalid_attachments"
    _demand(isinstance(value, dict), word, "no object")
    # With blocks, the older fields (title, text, fields …) are refused.
    _only(value, {"color", "fallback", "blocks"}, word)
    _demand(bool(value.get("blocks") or value.get("fallback")), word, "nothing in it")
    _demand(re.fullmatch(r"#[0-9a-fA-F]{6}|good|warning|danger", value.get("color", "good")) is not None, word, "color")
    _demand(_units(value.get("fallback", "")) <= 40_000, word, "fallback")
    _markup(value.get("fallback", ""), word)
    _blocks(value.get("blocks", []), word, 20)


def _blocks(blocks: Any, word: str, most: int) -> None:
    _demand(isinstance(blocks, list), word, "no list")
    _demand(len(blocks) <= most, word, f"more than {most} blocks")
    for block in blocks:
        _block(block, word)


def _block(block: Any, word: str) -> None:
    _demand(isinstance(block, dict) and block.get("type") in _BLOCK_FIELDS, word, f"no such block: {block}")
    kind = block["type"]
    _only(block, {"type", "block_id", *_BLOCK_FIELDS[kind]}, word)
    _demand(_units(block.get("block_id", "")) <= 255, word, "block_id")
    if kind == "header":
        _text(block.get("text"), word, 150, {"plain_text"})
    if kind == "section":
        _demand("text" in block or "fields" in block, word, "a section of nothing")
        if "text" in block:
            _text(block["text"], word, 3000)
        _each(block, "fields", 10, word, 2000)
    if kind == "context":
        _demand("elements" in block, word, "a context of nothing")
        _each(block, "elements", 10, word, 2000)
    if kind == "actions":
        _actions(block.get("elements"), word)


def _each(block: dict[str, Any], name: str, most: int, word: str, length: int) -> None:
    if name in block:
        texts = block[name]
        _demand(isinstance(texts, list) and 1 <= len(texts) <= most, word, f"1 to {most} {name}")
        for text in texts:
            _text(text, word, length)


def _actions(elements: Any, word: str) -> None:
    _demand(isinstance(elements, list) and 1 <= len(elements) <= 25, word, "1 to 25 elements")
    for element in elements:
        _demand(isinstance(element, dict) and element.get("type") == "button", word, "no button")
        _only(element, {"type", "text", "url", "action_id", "value", "style"}, word)
        _text(element.get("text"), word, 75, {"plain_text"})
        _demand(_units(element.get("url", "")) <= 3000, word, "url")


def _text(value: Any, word: str, most: int, kinds: set[str] | None = None) -> None:
    _demand(isinstance(value, dict), word, "no text object")
    kind = value.get("type")
    _demand(kind in (kinds or {"plain_text", "mrkdwn"}), word, f"a text of type {kind}")
    _only(value, {"type", "text", "emoji" if kind == "plain_text" else "verbatim"}, word)
    _demand(isinstance(value.get("text"), str), word, "text is no text")
    _demand(1 <= _units(value["text"]) <= most, word, f"{_units(value['text'])} characters, 1 to {most} allowed")
    _markup(value["text"], word)


def _markup(text: str, word: str) -> None:
    """Stricter than Slack here: it would let a mention through, and nothing of ours may mention anyone."""
    for control in _CONTROL.findall(text):
        _demand(_LINK.fullmatch(control) is not None, word, f"not a link: <{control}>")
    loose = _LOOSE.search(_CONTROL.sub("", text)) or re.search(r"&(?!amp;|lt;|gt;)", text)
    _demand(loose is None, word, f"not escaped: {text!r}")
    _demand(not re.search(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]", text), word, "control characters")


def _units(text: Any) -> int:
    """Characters as JavaScript counts them."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2 if isinstance(text, str) else 10**9


def _only(value: dict[str, Any], known: set[str], word: str) -> None:
    _demand(set(value) <= known, word, f"unknown field: {sorted(set(value) - known)}")


def _demand(holds: bool, word: str, why: str) -> None:
    if not holds:
        raise Refused(word, why)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("text", "fallback") and isinstance(inner, str):
                yield inner
            else:
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _handler(server: SlackServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            now = time.time()
            answer = self._decide(body, headers, now)
            server.attempts.append((now, answer.status))
            if answer.hold:
                closing.wait(answer.hold)
            if answer.status:
                self._say(answer)
            self.close_connection = True

        def _decide(self, body: bytes, headers: dict[str, str], now: float) -> Answer:
            if server.script or server.always:
                answer = server.script.popleft() if server.script else server.always
                assert answer is not None
                server.follow(answer, body, headers, now)
                return answer
            if self.path != SECRET_PATH:
                return Answer(404, "no_service")
            return server.judge(body, headers, now)

        def _say(self, answer: Answer) -> None:
            data = answer.body.encode()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "text/html", **answer.headers}.items():
                self.send_header(name, value)
            if answer.retry_after is not None:
                self.send_header("Retry-After", answer.retry_after)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.send_error(405)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    closing = threading.Event()
    Handler.closing = closing  # type: ignore[attr-defined]
    return Handler


class _Http(ThreadingHTTPServer):
    daemon_threads = False  # joined on closing, so that nothing outlives its test

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away before its answer is part of the game."""


@contextmanager
def running() -> Iterator[SlackServer]:
    """The server, until the block ends."""
    slack = SlackServer("", "")
    handler = _handler(slack)
    http = _Http(("127.0.0.1", 0), handler)
    slack.origin = f"http://127.0.0.1:{http.server_address[1]}"
    slack.url = slack.origin + SECRET_PATH
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield slack
    finally:
        handler.closing.set()  # type: ignore[attr-defined]
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.fixture
def slack_server() -> Iterator[SlackServer]:
    with running() as server:
        yield server
