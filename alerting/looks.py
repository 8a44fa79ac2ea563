"""What a look at a watch needs besides the probe: its configuration made whole, and how long it may take."""

from collections.abc import Mapping
from typing import Any

import schemas
from alerting.config import Watch
from probes._machinery.times import seconds

_TWO_LOOKS = 30.0
_USUAL_TIMEOUT = 10.0
_SHARE = 0.9  # of the interval: a look ends before the next begins


def whole(watch: Watch, documents: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration its probe is given: bounded in time, with the baseline of `documents` that is kept for it."""
    return with_baseline(watch, bounded(watch), documents)


def with_baseline(watch: Watch, config: Mapping[str, Any], documents: Mapping[str, Any]) -> Mapping[str, Any]:
    """`config` with the baseline that is kept for the watch."""
    kept = documents.get(watch.subject) if documents and "baseline" not in watch.config else None
    return config if kept is None else {**config, "baseline": kept}


def bounded(watch: Watch) -> Mapping[str, Any]:
    """The probe's configuration with a timeout that ends before its next turn."""
    if "timeout" not in schemas.load(f"probes/{watch.kind}").get("properties", {}):
        return watch.config
    timeout = seconds(watch.config.get("timeout", _USUAL_TIMEOUT))
    if timeout <= watch.every * _SHARE and "timeout" in watch.config:
        return watch.config
    return {**watch.config, "timeout": min(timeout, watch.every * _SHARE)}


def deadline(watch: Watch) -> float:
    """Seconds after which a look is given up. A doubtful first look at a replica looks twice, whatever its interval."""
    return max(watch.every, _TWO_LOOKS)
