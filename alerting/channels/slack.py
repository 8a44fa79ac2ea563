"""Slack, by an incoming webhook: one call a message, never tried again here."""

import logging
import re
from collections.abc import Mapping
from http.client import HTTPException, InvalidURL
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from alerting.channels._slack_payload import payload
from alerting.channels.outcome import Action, DeliveryError, Receipt, after_status, seconds_to_wait, unreachable
from alerting.messages import Message
from alerting.settings import is_url

if TYPE_CHECKING:
    from slack_sdk.webhook import WebhookResponse

_FIELDS: Mapping[str, str] = {
    "invalid_attachments": "attachments",
    "invalid_blocks": "blocks",
    "invalid_blocks_format": "blocks",
    "invalid_payload": "payload",
    "missing_text_or_fallback_or_attachments": "text",
    "msg_blocks_too_long": "blocks",
    "msg_too_long": "text",
    "no_text": "text",
    "too_many_attachments": "attachments",
}
"""What Slack says of a message it cannot take → the part it means."""

_PERMANENT = frozenset(
    {
        "account_inactive",
        "action_prohibited",
        "channel_is_archived",
        "channel_not_found",
        "invalid_auth",
        "invalid_token",
        "is_archived",
        "no_active_hooks",
        "no_service",
        "no_team",
        "not_authed",
        "posting_to_general_channel_denied",
        "team_disabled",
        "token_revoked",
        "user_not_found",
    }
)

_RATE_LIMITED = frozenset({"ratelimited", "rate_limited"})


def deliver(settings: Mapping[str, Any], message: Message, *, plain: bool = False, timeout: float = 10.0) -> Receipt:
    """Post the message; a webhook gives no message id. `timeout` in seconds a step. Raises DeliveryError."""
    url = _address(settings)
    answer = _post(url, payload(message, plain), timeout)
    if answer.status_code == 200 and answer.body.strip() == "ok":
        return Receipt(None)
    raise _refusal(answer, url, plain)


def _address(settings: Mapping[str, Any]) -> str:
    """The webhook's address; with `api_url`, its path on that host."""
    address, other = str(settings["webhook_url"]), settings.get("api_url")
    if not is_url(address, "https", "http") or (other and not is_url(str(other), "https", "http")):
        raise _no_address()
    host = urlsplit(str(other or address))
    return urlsplit(address)._replace(scheme=host.scheme, netloc=host.netloc).geturl()


def _post(url: str, body: dict[str, Any], timeout: float) -> "WebhookResponse":
    from alerting.channels._slack_client import DirectWebhook

    # The client logs the address, which is the secret, so it gets a logger that says nothing. Its own retries would
    # post a message twice after a cut connection and sleep through a 429.
    silent = logging.Logger("slack", level=logging.CRITICAL + 1)
    client = DirectWebhook(url, timeout=timeout, retry_handlers=[], logger=silent)  # type: ignore[arg-type]
    try:
        return client.send_dict(body)
    except InvalidURL:
        raise _no_address() from None
    except (OSError, HTTPException) as error:
        raise unreachable(error, "Slack") from None


def _no_address() -> DeliveryError:
    words = "Slack: the webhook's address is not one; expected https://hooks.slack.com/services/T…/B…/…"
    return DeliveryError("invalid_address", words, action="give_up", arrived="no", field="webhook_url")


def _refusal(answer: "WebhookResponse", url: str, plain: bool) -> DeliveryError:
    status, word = answer.status_code, _word(answer.body, url)
    action, arrived = after_status(status)
    wait = seconds_to_wait({name.lower(): value for name, value in answer.headers.items()}.get("retry-after"))
    action = _action(action, word, wait)
    if action == "plain" and plain:
        action = "give_up"  # there is no plainer form
    if word in _FIELDS or word in _PERMANENT or word in _RATE_LIMITED:
        arrived = "no"
    reason = word or f"http_{status}"
    return DeliveryError(
        reason,
        _sentence(reason, status, word),
        action=action,
        arrived=arrived,
        retry_after=wait if action == "wait" else None,
        field=_FIELDS.get(word),
    )


def _action(by_status: Action, word: str, wait: float | None) -> Action:
    """Slack's own word says more than the status; a time to wait holds for any trouble that passes."""
    if word in _RATE_LIMITED or (by_status == "retry" and wait is not None):
        return "wait"
    if word in _PERMANENT:
        return "give_up"
    return "plain" if word in _FIELDS else by_status


def _word(body: str, url: str) -> str:
    """The word Slack answered with; empty where the answer is no word, or part of the address."""
    found = re.fullmatch(r"([a-z]+(?:_[a-z]+)*)", body.strip()) or re.search(r'"error": ?"([a-z_]+)"', body[:2000])
    word = found[1] if found else ""
    return word if word and len(word) <= 60 and word != "ok" and word not in url else ""


def _sentence(reason: str, status: int, word: str) -> str:
    if status == 429 or word in _RATE_LIMITED:
        return "Slack asks us to wait"
    if word in _FIELDS:
        return f"Slack refused the message's {_FIELDS[word]}: {word}"
    if 200 <= status < 300:
        return "Something answered in Slack's place: the status was a success, the answer was not Slack's"
    return f"Slack answered {status}" + (f": {word}" if word else "")
