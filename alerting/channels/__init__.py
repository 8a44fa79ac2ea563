"""Where an alert can go: one module a kind, found by its name. A channel knows one provider and keeps no state."""

from collections.abc import Mapping
from importlib import import_module
from importlib.resources import files
from typing import Any, Protocol

from alerting.channels.outcome import DeliveryError, Receipt
from alerting.config import Channel
from alerting.messages import Message

__all__ = ["DeliveryError", "Provider", "Receipt", "find", "kinds"]

_NOT_KINDS = frozenset({"outcome"})


class Provider(Protocol):
    """What a channel's module offers."""

    def deliver(
        self, settings: Mapping[str, Any], message: Message, *, plain: bool = False, timeout: float = 10.0
    ) -> Receipt:
        """Tell it; settings hold to `schemas/channels/<kind>.json`, `timeout` in seconds. Raises DeliveryError.

        `plain`: without any markup, for a provider that refused the full form.
        """


def kinds() -> tuple[str, ...]:
    """The kinds there are, sorted."""
    modules = {entry.name.removesuffix(".py") for entry in files(__name__).iterdir() if entry.name.endswith(".py")}
    return tuple(sorted(name for name in modules - _NOT_KINDS if name[0] != "_"))


def find(kind: str) -> Provider:
    """The channel of that kind, imported on first use. Raises KeyError naming the kinds there are."""
    if kind not in kinds():
        raise KeyError(f"no channel of kind {kind!r}; there are: {', '.join(kinds())}")
    provider: Provider = import_module(f"alerting.channels.{kind}")
    return provider


def edits(channel: Channel) -> bool:
    """Whether the channel edits its message in place, so that it is told of acknowledgements too."""
    able = getattr(find(channel.kind), "edits", None)
    return bool(able is not None and able(channel.settings))
