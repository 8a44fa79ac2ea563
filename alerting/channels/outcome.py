"""How a delivery ends: a receipt, or an error that says what to do next. One table of HTTP statuses for all."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from socket import gaierror
from typing import Literal
from urllib.error import URLError

Action = Literal["wait", "retry", "plain", "give_up"]
Arrived = Literal["no", "unknown"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider said yes. `refused` are recipients it would not take while others got the message."""

    provider_id: str | None
    refused: tuple[str, ...] = ()


class DeliveryError(Exception):
    """The provider did not say yes. Neither `reason` nor `message` holds a secret.

    reason       a short word for machines: "ratelimited", "timeout", "http_500", "invalid_blocks"
    message      a sentence for people
    action       wait (that channel alone, `retry_after` seconds exactly) · retry (with back-off) ·
                 plain (once more without markup) · give_up (permanent: the channel is broken)
    arrived      no: nobody was told; unknown: it may have got through
    field        the part of the message that was refused, where the provider says
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        action: Action,
        arrived: Arrived,
        retry_after: float | None = None,
        field: str | None = None,
    ) -> None:
        """See the class."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.action: Action = action
        self.arrived: Arrived = arrived
        self.retry_after = retry_after
        self.field = field


_EXACT: Mapping[int, tuple[Action, Arrived]] = {
    400: ("plain", "no"),
    408: ("retry", "unknown"),
    413: ("plain", "no"),
    422: ("plain", "no"),
    425: ("retry", "no"),
    429: ("wait", "no"),
}

_BY_HUNDREDS: Mapping[int, tuple[Action, Arrived]] = {
    2: ("retry", "unknown"),  # a 2xx that is not the provider's own yes: a captive portal, a proxy's page
    3: ("retry", "no"),  # redirects are not followed: the address holds a secret that is not for others
    4: ("give_up", "no"),  # 401, 403, 404, 410 and their like
    5: ("retry", "unknown"),
}

LONGEST_WAIT = 86_400.0
"""Seconds; a provider that asks for more is asked again after a day."""


def after_status(status: int) -> tuple[Action, Arrived]:
    """What an HTTP status without a success means."""
    return _EXACT.get(status) or _BY_HUNDREDS.get(status // 100, ("retry", "unknown"))


def seconds_to_wait(header: str | None) -> float | None:
    """The seconds of a `Retry-After` header; None where there is none that counts seconds."""
    found = re.fullmatch(r"\s*(\d{1,9})(\.\d+)?\s*", header or "")
    return min(float(found[0]), LONGEST_WAIT) if found else None


def after_reply(code: int) -> tuple[Action, Arrived]:
    """What an SMTP reply code other than a yes means (RFC 5321, 4.2.1: 4yz is for now, 5yz for good)."""
    return ("give_up", "no") if 500 <= code < 600 else ("retry", "no")


def unreachable(error: Exception, whom: str, arrived: Arrived | None = None) -> DeliveryError:
    """The error of a connection that could not be made or broke off; `whom` names the provider, no address.

    `arrived`: where the caller knows better than the error how far things had come.
    """
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    for kinds, reason, words, usually in _BROKEN:
        if isinstance(cause, kinds):
            return DeliveryError(reason, f"{whom}: {words}", action="retry", arrived=arrived or usually)
    return DeliveryError(
        "connection", f"{whom}: the connection broke off", action="retry", arrived=arrived or "unknown"
    )


# Where nothing can have been sent yet, nobody was told; after that, nobody knows.
_BROKEN: tuple[tuple[type[Exception], str, str, Arrived], ...] = (
    (ConnectionRefusedError, "connection_refused", "the connection was refused", "no"),
    (gaierror, "dns", "the host's name was not found", "no"),
    (ssl.SSLCertVerificationError, "tls", "the certificate could not be verified", "no"),
    (ssl.SSLError, "tls", "the TLS handshake failed", "unknown"),
    (TimeoutError, "timeout", "no answer in time", "unknown"),
)
