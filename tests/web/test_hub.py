"""The hub and its frames, without a server: cuts at any byte, and streams that must leave."""

import socket
import time
from collections.abc import Iterator

import pytest

from alerting.store.events import LoggedEvent
from tests.waiting import wait_until
from web import frames
from web.audience import Audience
from web.frames import Frame
from web.hub import Hub, Pace, Stream

ALL = Audience(None, None)


def _frame(number: int, organization: str | None = "acme", name: str = "alert_triggered") -> Frame:
    return frames.logged(LoggedEvent(number, name, organization, '{"n":1}', 1_800_000_000.0))


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub(lambda after, limit: [], 10, Pace(look=0.05))
    hub.start(0, _wait)
    yield hub
    hub.close()


def _wait(hub: Hub) -> None:
    import gevent

    while not hub.closed:
        gevent.sleep(0.01)


def test_wherever_a_write_stops_the_rest_ends_the_frame_it_stopped_in() -> None:
    news = [_frame(7), _frame(9), _frame(12)]
    piece = frames.chunk(news)
    for written in range(len(piece.data)):
        at, rest = piece.cut(written, before=5)
        sent = piece.data[:written] + bytes(rest or b"")
        whole = [frame for frame in news if (frame.id or 0) <= at]
        assert sent == b"".join(frame.data for frame in whole)
        assert at == (whole[-1].id if whole else 5)


def test_a_comment_cut_short_is_finished_and_moves_no_id() -> None:
    piece = frames.Chunk(frames.KEEPALIVE)
    assert piece.cut(0, before=5) == (5, None)
    at, rest = piece.cut(4, before=5)
    assert (at, bytes(rest or b"")) == (5, frames.KEEPALIVE[4:])


def test_a_stream_that_must_come_again_is_ended_without_a_word(hub: Hub) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours:
        hub.join(Stream(theirs.detach(), ALL, 0, leave_at=time.time() + 0.2))
        wait_until(lambda: hub.count() == 1, 2, "it has joined")
        ours.settimeout(5)
        assert ours.recv(100) == b""
    assert hub.count() == 0


def test_a_closed_hub_has_no_room(hub: Hub) -> None:
    assert hub.has_room()
    hub.close()
    assert not hub.has_room()


@pytest.mark.parametrize(
    ("audience", "name", "organization", "seen"),
    [
        (Audience(None, None), "alert_triggered", None, True),
        (Audience(frozenset({"acme"}), frozenset({"acme"})), "alert_triggered", None, False),
        (Audience(frozenset({"acme"}), frozenset({"acme"})), "check.updated", "acme", True),
        (Audience(frozenset({"acme"}), frozenset({"acme"})), "check.updated", "globex", False),
        (Audience(frozenset({"acme"}), frozenset()), "alert_resolved", "acme", False),
        (Audience(frozenset(), frozenset({"acme"})), "alert_resolved", "acme", True),
        (Audience(None, None), "log.line", None, False),
        (Audience(None, None, None), "log.line", None, True),
        (Audience(None, None, types=("replica.*",)), "replica.lag_alert", "acme", True),
        (Audience(None, None, types=("replica.*",)), "alert_triggered", "acme", False),
    ],
)
def test_who_sees_what(audience: Audience, name: str, organization: str | None, seen: bool) -> None:
    assert audience.sees(name, organization) is seen
