"""Flapping: an alert that begins and ends again and again is told once as such, and then when it has been steady.

The delay grows as Netdata's does: a change while it runs doubles it.
"""

from dataclasses import dataclass, replace

MOST = 4
"""Changes within an hour that are not yet flapping."""

LONGEST = 1800.0
"""Seconds an alert must be steady at most."""

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Flap:
    """How restless a fingerprint is. Times are epoch seconds.

    changes  when it began or ended within the last hour, oldest first
    delay    seconds it must be steady; they run until `until`
    since    when it was called flapping; None: it is not
    """

    fingerprint: str
    changes: tuple[float, ...] = ()
    delay: float = 0.0
    until: float = 0.0
    since: float | None = None


def changed(flap: Flap, now: float, base: float) -> Flap:
    """After a change; `base` is the rule's delay in seconds, and 0 lets it never flap."""
    if not base:
        return replace(flap, changes=(), since=None, until=now)
    recent = (*(at for at in flap.changes if now - _HOUR < at <= now), now)
    runs = bool(flap.changes) and now < flap.until
    delay = min(flap.delay * 2, LONGEST) if runs else min(base, LONGEST)
    since = flap.since if flap.since is not None else (now if len(recent) > MOST else None)
    return Flap(flap.fingerprint, recent[-(MOST + 1) :], delay, now + delay, since)
