"""How a delivery ends: a receipt, or an error that says what to do next. One table of HTTP statuses for all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

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
