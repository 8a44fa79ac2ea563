"""/ping/<key>: jobs say here that they began, ran, or failed; nobody signs in, the key is the secret."""

import ipaddress
import re
from collections.abc import Mapping
from uuid import UUID

from flask import Blueprint, Response, current_app, request

from alerting import heartbeats
from alerting.config import Watch
from alerting.configuration.heartbeats import digest
from probes._machinery.pings import Kind, Ping
from web.bodies import raw_body
from web.errors import Problem, bad_input, not_found
from web.pace import Pace
from web.state import now, vedette

LOG_KEPT = 100_000
"""Bytes of a run's log that are kept: its beginning."""

_PER_SECOND, _AT_ONCE = 10.0, 600.0  # pings of one heartbeat, on the average and in a burst
_SAID = 1000  # characters of a log that are remembered with the last ping
_LARGEST_STATUS = 255
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # of a terminal
_WORDS: Mapping[str | None, Kind] = {None: "success", "start": "start", "fail": "failure"}

blueprint = Blueprint("ping", __name__)


def _pace() -> Pace:
    found: Pace = current_app.extensions.setdefault("ping", Pace(_PER_SECOND, _AT_ONCE))
    return found


@blueprint.route("/ping/<key>", methods=["GET", "POST"])
@blueprint.route("/ping/<key>/<word>", methods=["GET", "POST"])
def ping(key: str, word: str | None = None) -> Response:
    """Take one ping. Whatever keeps it from being stored is an error that a caller tries again after."""
    watch = _watch(key)
    kind, exit_status = _meaning(word)
    _pace().keep(watch.subject, "this heartbeat pings too often")
    log = raw_body() if request.method == "POST" else b""
    text = _text(log[:LOG_KEPT])
    told = Ping(now(), kind, exit_status, _source(), _run(), _first_lines(text))
    heartbeats.receive(vedette().config, watch, told, text, len(log))
    return Response("OK", mimetype="text/plain", headers={"Cache-Control": "no-store"})


def _watch(key: str) -> Watch:
    config = vedette().config
    subject = config.heartbeat_keys.get(digest(key))
    if subject is not None:
        return config.watch_of[subject]
    if not config.digest:  # no file was ever read: whose key this is cannot be told
        raise Problem(503, "the configuration cannot be used just now", headers={"Retry-After": "10"})
    raise not_found("heartbeat")


def _meaning(word: str | None) -> tuple[Kind, int | None]:
    """What the last part of the address says: nothing, "start", "fail", or an exit status."""
    if word in _WORDS:
        return _WORDS[word], None
    assert word is not None
    if not re.fullmatch(r"[0-9]{1,10}", word):
        raise not_found("kind of ping; there are /start, /fail and an exit status")
    if int(word) > _LARGEST_STATUS:
        raise bad_input(f"an exit status is a number from 0 to {_LARGEST_STATUS}")
    return ("success" if int(word) == 0 else "failure"), int(word)


def _run() -> str:
    """The caller's own id of this run, so that runs that overlap are told apart."""
    given = request.args.get("rid", "")
    try:
        return str(UUID(given)) if given else ""
    except ValueError:
        raise bad_input("rid, the id of a run, is a UUID") from None


def _source() -> str | None:
    """The address it came from: what the proxy says, where that is a proxy of this machine."""
    peer = request.remote_addr or ""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    for given in (forwarded if _is_loopback(peer) else "", peer):
        try:
            return str(ipaddress.ip_address(given))
        except ValueError:
            continue
    return None


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _text(log: bytes) -> str:
    """The log as text that every database takes."""
    return log.decode("utf-8", "replace").replace("\0", "\ufffd")


def _first_lines(text: str) -> str:
    """Its first lines that say something, on one line."""
    lines = (" ".join(line.split()) for line in _COLOURS.sub("", text[: 10 * _SAID]).splitlines())
    return " / ".join(line for line in lines if line)[:_SAID]
