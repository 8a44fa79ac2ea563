"""The processes: web, scheduler, worker, migrate, and `up`, which runs the first two in one terminal."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.resources import files
from types import FrameType

import click

from alerting import logs
from alerting.cli import fail, watcher_of
from alerting.settings import Settings, current
from alerting.store import database

_RETRY = 2.0  # seconds between two tries to reach a database that is away
_RESTART = 1.0  # seconds before `up` starts a process anew
_STOP = 9.5  # seconds a process has to end, of the ten a platform grants us all
_PR_SET_PDEATHSIG = 1  # prctl(2)


_leash = click.option("--leashed", is_flag=True, hidden=True, help="End when the process that started this one ends.")


@click.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    settings = current()
    logs.set_up(settings, "cli")
    database.open_database(settings.database_url)
    try:
        applied = database.migrate()
    except database.DatabaseError as error:
        fail(f"the database at {_where(settings)} cannot be used: {database.describe(error)}", code=1)
    click.echo(f"applied: {', '.join(applied)}" if applied else "nothing to apply", err=True)


@click.command()
@_leash
def web(leashed: bool) -> None:
    """Serve /health, the API, the stream and the page: gunicorn with gevent workers."""
    _end_with_parent(leashed)
    settings = current()
    logs.set_up(settings, "web")
    watcher_of(settings)
    _await_database(settings, tries=1)
    configuration = str(files("deploy").joinpath("gunicorn.conf.py"))
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "-c", configuration, "web.wsgi:application"])  # noqa: S606


@click.command()
@_leash
def scheduler(leashed: bool) -> None:
    """Probe, judge and deliver. Two may run: one acts, the other takes over when it dies."""
    _end_with_parent(leashed)
    settings = current()
    logs.set_up(settings, "scheduler")
    watcher = watcher_of(settings)
    _await_database(settings)
    from alerting import scheduler as process

    sys.exit(process.run(settings, watcher))


@click.command()
def worker() -> None:
    """Take probe work from other machines' schedulers (needs REDIS_URL)."""
    if current().redis_url is None:
        fail("worker: REDIS_URL is not set; one scheduler probes everything without it")
    fail("worker: spreading probe work over machines is not available in this version; run `scheduler` alone")


@click.command()
def up() -> None:
    """Run web and scheduler in one terminal, and print where to look and a one-time sign-in link."""
    settings = current()
    logs.set_up(settings, "up")
    watcher_of(settings)
    _port_must_be_free(settings)
    _await_database(settings)
    sys.exit(_Family(lambda: _welcome(settings)).run())


def _end_with_parent(leashed: bool) -> None:
    """Where `up` is killed, its children end too: another `up` could not start beside them. Linux alone can say so."""
    if leashed and sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class _Family:
    """Web and scheduler as child processes, started anew when they die and ended together.

    The scheduler begins when web answers, or it would find Vedette itself down and say so. `welcome` waits for that.
    """

    def __init__(self, welcome: Callable[[], None]) -> None:
        self._welcome = welcome
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = threading.Event()
        self._answered = threading.Event()

    def run(self) -> int:
        """Until SIGTERM or SIGINT; 0, or 2 when web refuses to start."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._children["web"] = _spawn("web")
        threading.Thread(target=self._greet, daemon=True).start()
        code = 0
        while code == 0 and not self._stopping.wait(0.1):
            if self._answered.is_set() and "scheduler" not in self._children:
                self._children["scheduler"] = _spawn("scheduler")
            code = self._mind()
        self._end()
        return code

    def _greet(self) -> None:
        try:
            self._welcome()
        finally:
            self._answered.set()

    def _mind(self) -> int:
        for name, child in self._children.items():
            ended = child.poll()
            if ended == 2 and not self._answered.is_set():
                return 2  # refused before anything ran; later on the file may be mended at any moment
            if ended is not None:
                click.echo(f"vedette: {name} ended ({ended}); starting it anew", err=True)
                self._stopping.wait(_RESTART)
                self._children[name] = _spawn(name)
        return 0

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping.set()

    def _end(self) -> None:
        for child in self._children.values():
            child.terminate()
        end = time.monotonic() + _STOP
        for child in self._children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.1, end - time.monotonic()))
            child.kill()


def _spawn(name: str) -> subprocess.Popen[bytes]:
    # A group of its own: Ctrl-C reaches us alone, and we end the children in order.
    return subprocess.Popen([sys.executable, "-m", "alerting.cli", name, "--leashed"], process_group=0)


def _await_database(settings: Settings, tries: int | None = None) -> None:
    """Open the database and bring its tables up to date; while it is away, say so in one line and try again."""
    database.open_database(settings.database_url)
    logger = logs.logger("vedette.store")
    while True:
        try:
            database.migrate()
            return
        except (database.DatabaseError, OSError) as error:
            logger.error("the database at %s cannot be used: %s", _where(settings), database.describe(error))
        if tries is not None and (tries := tries - 1) <= 0:
            return
        time.sleep(_RETRY)


def _port_must_be_free(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.port))
        except OSError:
            fail(f"port {settings.port} is taken by another program; set PORT to a free one")


def _welcome(settings: Settings) -> None:
    """Once the page answers, say where it is, with a link that signs its reader in."""
    address = f"http://127.0.0.1:{settings.port}"
    if _answers(f"{address}/health"):
        from alerting.store import accounts

        link = accounts.first_link(time.time())
        click.echo(f"\n  Vedette watches.  The page: {settings.base_url}/")
        click.echo(f"  Sign in once with:  {settings.base_url}/sign-in/{link}   (valid for an hour)\n")
        sys.stdout.flush()


def _answers(url: str) -> bool:
    import requests

    for _ in range(150):
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=1).ok:
                return True
        time.sleep(0.1)
    return False


def _where(settings: Settings) -> str:
    return database.location(settings.database_url)
