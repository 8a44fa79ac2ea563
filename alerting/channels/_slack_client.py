"""Slack's webhook client, without proxies from the environment, redirects, or answers of any length."""

from http.client import HTTPMessage
from typing import IO
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from slack_sdk.webhook import WebhookClient, WebhookResponse

_LONGEST_ANSWER = 65_536


class DirectWebhook(WebhookClient):
    """Posts to the address it was given and nowhere else: the address is a secret."""

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        opener = build_opener(ProxyHandler({}), HTTPSHandler(context=self.ssl), _Stay())
        try:
            answer = opener.open(req, timeout=self.timeout)
        except HTTPError as refusal:
            answer = refusal
        with answer:
            body = answer.read(_LONGEST_ANSWER).decode("utf-8", "replace")
            return WebhookResponse(url=url, status_code=answer.status, body=body, headers=dict(answer.headers.items()))


class _Stay(HTTPRedirectHandler):
    """A redirect is an answer like any other."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """No further request."""
        return
