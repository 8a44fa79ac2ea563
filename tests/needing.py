"""What a test needs of the machine: it is found, or the test is reported as not run for want of it."""

from pathlib import Path

import pytest

from tests import provision

MISSING = "missing: "
"""How the reason of such a skip begins: the run then fails, naming what it lacked (see conftest)."""


def need(server: str) -> dict[str, Path]:
    """The programs of that server (a key of `provision.SERVERS`) by their first names; skips what cannot run."""
    if not provision.is_there(server):
        pytest.skip(f"{MISSING}{server}")
    return provision.programs(server)


def missing_in(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """The server for want of which this report's test was skipped, if that is why."""
    reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ""
    before, mark, name = reason.partition(MISSING)
    return name if mark and before in ("", "Skipped: ") else None
