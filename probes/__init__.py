"""What can be watched: one module a kind, found by its name. A probe is a generator that does no I/O."""

from collections.abc import Callable, Generator, Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any

from probes._machinery.observation import EXIT_CODES, Observation, Status
from probes._machinery.requests import Reply, Request

__all__ = ["EXIT_CODES", "Observation", "Probe", "Reply", "Request", "Status", "find", "kinds"]

Probe = Callable[[Mapping[str, Any], float, Observation | None], Generator[Request, Reply, Observation]]
"""probe(config, now, previous): config already valid for `schemas/probes/<kind>.json`, now in epoch seconds,
previous this check's last observation or None."""


@cache
def kinds() -> tuple[str, ...]:
    """The kinds there are, sorted."""
    modules = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".py") for name in modules if name.endswith(".py") and name[0] != "_"))


@cache  # every check asks before every look, and a folder takes longer to list than a web service to answer
def find(kind: str) -> Probe:
    """The probe of that kind, imported on first use. Raises KeyError naming the kinds there are."""
    if kind not in kinds():
        raise KeyError(f"no probe of kind {kind!r}; there are: {', '.join(kinds())}")
    probe: Probe = import_module(f"probes.{kind}").probe
    return probe
