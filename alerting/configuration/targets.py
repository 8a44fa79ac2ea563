"""From a probe's configuration as a person gives it, naming pools, to the one its probe takes."""

from collections.abc import Mapping
from typing import Any

import probes
import schemas
from alerting.config import Config
from alerting.configuration.ssh import with_keys


class Incomplete(ValueError):
    """A probe's configuration that names what is not there. `pointer` is where, as JSON pointers are written."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer
        self.message = message


def complete(config: Config, kind: str, given: Mapping[str, Any], organization: str | None) -> Mapping[str, Any]:
    """`given` with the DSN of the pool it names, and the keys for the host it logs in to. Raises Incomplete.

    organization: whose pools may be named; None for a caller who may name any.
    """
    given = with_keys(config.ssh, given)
    if "pool" not in given or not takes_pool(kind):
        return given
    if "dsn" in given:
        raise Incomplete("/pool", "expected one of pool and dsn, not both")
    name = given["pool"]
    found = next((pool for pool in config.pools if pool.name == name), None)
    if found is None or organization not in (None, found.organization):
        # Another's pool is told of in the same words: that it exists is nobody else's business.
        raise Incomplete("/pool", "no such pool is declared in the configuration")
    return {"dsn": found.url, **{key: value for key, value in given.items() if key != "pool"}}


def takes_pool(kind: str) -> bool:
    """Whether probes of that kind ask a database, which a pool may then name."""
    return kind in probes.kinds() and "dsn" in schemas.load(f"probes/{kind}").get("properties", {})
