"""How each channel is: when it may speak next, whether its provider limits it or has refused it for good."""

from collections.abc import Iterable
from dataclasses import dataclass

from alerting.store.models import ChannelState


@dataclass(frozen=True, slots=True)
class State:
    """`not_before`: epoch seconds until which the channel keeps silent. `broken_since` None: it works."""

    not_before: float = 0.0
    rate_limited: bool = False
    broken_since: float | None = None
    broken_reason: str | None = None
    fingerprint: str = ""


def get(channel: str) -> State:
    """The channel's state; a fresh one where nothing was noted yet."""
    row = ChannelState.get_or_none(ChannelState.channel == channel)
    if row is None:
        return State()
    return State(row.not_before, row.rate_limited, row.broken_since, row.broken_reason, row.fingerprint)


def put(channel: str, state: State) -> None:
    """Note how the channel is now."""
    columns = {name: getattr(state, name) for name in State.__slots__}
    ChannelState.insert(channel=channel, **columns).on_conflict(
        conflict_target=[ChannelState.channel], update=columns
    ).execute()


def keep_only(channels: Iterable[str]) -> None:
    """Forget the channels that are not among these."""
    ChannelState.delete().where(ChannelState.channel.not_in(list(channels))).execute()


def broken() -> dict[str, State]:
    """The channels whose provider refused us for good, by name."""
    rows = ChannelState.select().where(ChannelState.broken_since.is_null(False))
    return {
        row.channel: State(row.not_before, row.rate_limited, row.broken_since, row.broken_reason, row.fingerprint)
        for row in rows
    }
