"""What a redirect makes of a request: nothing that was meant for one server goes to another."""

from urllib.parse import urlsplit

from probes._machinery.requests import HttpRequest

STATUSES = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
_OF_A_BODY = ("content-type", "content-encoding", "content-language", "content-location")


class Unfollowable(Exception):
    """A redirect that is not followed; its text is one sentence for a person."""


def onward(request: HttpRequest, status: int, url: str) -> HttpRequest:
    """The request to make after an answer of that status with that Location, as a whole URL. Raises Unfollowable.

    To another scheme, host or port go neither headers, sign-in and client certificate, nor the body.
    """
    if (status == 303 and request.method != "HEAD") or (status in (301, 302) and request.method == "POST"):
        kept = {name: value for name, value in request.headers.items() if name.lower() not in _OF_A_BODY}
        request = request._replace(method="GET", body=None, headers=kept)
    if origin(url) == origin(request.url):
        return request._replace(url=url)
    if request.body is not None:
        raise Unfollowable(f"the answer redirects (HTTP {status}) to another server, which the body is not sent to")
    return request._replace(
        url=url,
        headers={},
        basic_auth=None,
        digest_auth=None,
        client_certificate=None,
        client_key=None,
        client_key_password=None,
    )


def origin(url: str) -> str:
    """Scheme, host and port, as one text: "https://example.com", "http://[::1]:8080". Names no user or password."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", _port(url)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, _PORTS.get(parts.scheme)) else f":{port}")


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:
        return None
