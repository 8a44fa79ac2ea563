"""What every test stands on: real servers, no network beyond this machine, and nothing skipped in silence."""

import ipaddress
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.needing import missing_in

pytest_plugins = [
    "tests.databases",
    "tests.servers.alertmanager",
    "tests.servers.chromium",
    "tests.servers.dnsmasq",
    "tests.servers.exposition",
    "tests.servers.http_target",
    "tests.servers.netdata",
    "tests.servers.netdata_replay",
    "tests.servers.nginx",
    "tests.servers.postgres",
    "tests.servers.process",
    "tests.servers.proxies",
    "tests.servers.redis",
    "tests.servers.silent",
    "tests.servers.slack",
    "tests.servers.smtp",
    "tests.servers.sshd",
]

_lacking = pytest.StashKey[Counter[str]]()


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Iterator[None]:
    """Connections of the tests' own process end on this machine; anything else is a mistake of the test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
        yield


def _guarded(connect: Any) -> Any:
    def guarded(caller: socket.socket, address: Any) -> Any:
        if caller.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(str(address[0])):
            raise AssertionError(f"a test tried to connect to {address!r}, which is not this machine")
        return connect(caller, address)

    return guarded


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def pytest_configure(config: pytest.Config) -> None:
    """Begin the count of tests that lacked a server."""
    config.stash[_lacking] = Counter()


class _Watch:
    """Counts what was skipped for want of a server, here or in the workers of a parallel run."""

    def __init__(self, config: pytest.Config) -> None:
        self.lacking = config.stash[_lacking]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if name := missing_in(report):
            self.lacking[name] += 1


def pytest_sessionstart(session: pytest.Session) -> None:
    """Watch the reports."""
    session.config.pluginmanager.register(_Watch(session.config))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that lacked a server did not pass."""
    if session.config.stash[_lacking] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what was missing."""
    lacking = config.stash[_lacking]
    if lacking:
        terminalreporter.section("missing", red=True)
        for name, count in sorted(lacking.items()):
            terminalreporter.write_line(f"missing: {name}: {count} {'test' if count == 1 else 'tests'} did not run")
