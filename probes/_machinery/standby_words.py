"""The words in which a standby's lag is told, and remedies that can be copied."""

import re

from probes._machinery.standby import MIB


def size(count: float | None) -> str:
    """ "12.3 MB", or in bytes below a tenth of one."""
    if count is None:
        return "an unknown number of bytes"
    return f"{count / MIB:.1f} MB" if count >= MIB / 10 else f"{count:.0f} bytes"


def distance(count: float | None, seconds: float | None) -> str:
    """ "12.3 MB behind, 4 s"."""
    return f"{size(count)} behind" + ("" if seconds is None else f", {seconds:.0f} s")


def pace(before: int, now: int, seconds: float) -> str:
    """How fast a standby catches up that lacked `before` bytes so many seconds ago, and when it will be there."""
    rate = (before - now) / seconds
    if rate <= 0:
        return ", falling further behind" if now > before else ""
    return f", gaining {size(rate)}/s, there in about {duration(now / rate)}"


def duration(seconds: float) -> str:
    """ "40 s", "12 min" or "3 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def identifier(name: str) -> str:
    """A name as a statement has it."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a statement has it."""
    return "'" + text.replace("'", "''") + "'"
