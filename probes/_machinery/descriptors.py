"""How many files and sockets this process may have open at once."""

import resource

_ENOUGH = 65_536


def raised() -> int:
    """Raise the soft limit as far as we may, at most to 65,536; how many may be open now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return _ENOUGH if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
