"""The one table of what a provider's answer means, and finding channels by name."""

import socket
import ssl
from urllib.error import URLError

import pytest

from alerting import channels
from alerting.channels.outcome import LONGEST_WAIT, after_reply, after_status, seconds_to_wait, unreachable


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (200, ("retry", "unknown")),
        (302, ("retry", "no")),
        (400, ("plain", "no")),
        (401, ("give_up", "no")),
        (403, ("give_up", "no")),
        (404, ("give_up", "no")),
        (408, ("retry", "unknown")),
        (410, ("give_up", "no")),
        (429, ("wait", "no")),
        (500, ("retry", "unknown")),
        (503, ("retry", "unknown")),
        (0, ("retry", "unknown")),
    ],
)
def test_every_status_has_one_meaning(status: int, meaning: tuple[str, str]) -> None:
    assert after_status(status) == meaning


@pytest.mark.parametrize(("code", "action"), [(421, "retry"), (450, "retry"), (550, "give_up"), (554, "give_up")])
def test_smtp_refuses_for_now_or_for_good(code: int, action: str) -> None:
    assert after_reply(code) == (action, "no")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("999999999", LONGEST_WAIT),
        (None, None),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("nan", None),
    ],
)
def test_retry_after_counts_in_seconds(header: str | None, seconds: float | None) -> None:
    assert seconds_to_wait(header) == seconds


@pytest.mark.parametrize(
    ("error", "reason", "arrived"),
    [
        (URLError(ConnectionRefusedError()), "connection_refused", "no"),
        (URLError(socket.gaierror()), "dns", "no"),
        (URLError(ssl.SSLCertVerificationError()), "tls", "no"),
        (URLError(TimeoutError()), "timeout", "unknown"),
        (TimeoutError(), "timeout", "unknown"),
        (ConnectionResetError(), "connection", "unknown"),
        (URLError("odd"), "connection", "unknown"),
    ],
)
def test_a_broken_connection_says_how_far_things_came(error: Exception, reason: str, arrived: str) -> None:
    found = unreachable(error, "Slack")
    assert (found.reason, found.arrived, found.action) == (reason, arrived, "retry")
    assert found.message.startswith("Slack: ")


def test_channels_are_found_by_their_file_names() -> None:
    assert channels.kinds() == ("email", "slack")
    assert callable(channels.find("slack").deliver)
    with pytest.raises(KeyError, match=r"no channel of kind 'pigeon'; there are: email, slack"):
        channels.find("pigeon")
