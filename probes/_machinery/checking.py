"""Whether a probe's configuration can be taken: its schema, and what a schema cannot say."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import schemas
from probes import kinds
from probes._machinery.guard import REFUSED, never
from probes._machinery.targets import NO_PORT, host_faults
from schemas import Fault

_LAST_PORT = 65535


def check_config(kind: str, config: Mapping[str, Any]) -> list[Fault]:
    """Everything wrong with `config` for a probe of that kind, in order; empty when the probe can take it.

    A module may offer `faults(config)` for what JSON Schema cannot say; it is asked once the schema holds.
    """
    if kind not in kinds():
        return [Fault("", f"no probe of kind {kind!r}; there are: {', '.join(kinds())}")]
    found = [_without_secret(kind, fault) for fault in schemas.faults(f"probes/{kind}", config)]
    if found:
        return found
    further = getattr(import_module(f"probes.{kind}"), "faults", None)
    return list(further(config)) if further else []


def unmeasured(kind: str, config: Mapping[str, Any]) -> frozenset[str]:
    """The values that a probe of that kind has at times, and so configured never; a module may offer them by name."""
    offered = getattr(import_module(f"probes.{kind}"), "unmeasured", None) if kind in kinds() else None
    return frozenset(offered(config)) if offered else frozenset()


def url_faults(pointer: str, url: str, schemes: Sequence[str] = ("http", "https")) -> list[Fault]:
    """What keeps `url` from being a URL of one of these schemes that leads where a probe may go.

    Its text is never quoted: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return [Fault(pointer, "not a URL; expected e.g. https://example.com:8443/health")]
    if parts.scheme not in schemes:
        spoken = f"{', '.join(schemes[:-1])} or {schemes[-1]}"
        return [Fault(pointer, f"the scheme {parts.scheme!r} is not spoken here; expected {spoken}")]
    if not host:
        return [Fault(pointer, "the URL names no host; expected e.g. https://example.com/health")]
    if port == 0:
        return [Fault(pointer, NO_PORT)]
    if any(character.isspace() or ord(character) < 32 for character in url):
        return [Fault(pointer, "the URL holds a space or a control character")]
    return host_faults(pointer, host)


def dsn_faults(pointer: str, dsn: str) -> list[Fault]:
    """What keeps `dsn` from being a PostgreSQL connection text."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    from probes._machinery.sql import UNREADABLE_DSN

    scheme, separator, _ = dsn.partition("://")
    if separator and scheme not in ("postgres", "postgresql"):
        return [Fault(pointer, f"the scheme {scheme!r} is not spoken here; expected postgresql")]
    try:
        given = {key: str(value).split(",") for key, value in conninfo_to_dict(dsn).items()}
    except ProgrammingError:
        return [Fault(pointer, UNREADABLE_DSN)]
    # libpq looks at the port only when it connects, and would then quote it: part of a password with a slash in it.
    if not all(port.isdecimal() or not port for port in given.get("port", ())):
        return [Fault(pointer, UNREADABLE_DSN)]
    if not all(0 < int(port) <= _LAST_PORT for port in given.get("port", ()) if port):
        return [Fault(pointer, NO_PORT)]
    return [Fault(pointer, REFUSED)] if any(map(never, [*given.get("host", ()), *given.get("hostaddr", ())])) else []


_FILE_PARAMETERS = frozenset(
    ["passfile", "service", "servicefile", "sslcert", "sslcrl", "sslcrldir", "sslkey", "sslkeylogfile", "sslrootcert"]
)


def files_in(dsn: str) -> list[str]:
    """The parameters of a readable DSN by which libpq would read, or even write, files of this machine; sorted."""
    from psycopg.conninfo import conninfo_to_dict

    named = {key for key, value in conninfo_to_dict(dsn).items() if key in _FILE_PARAMETERS and value != "system"}
    return sorted(named)


def _without_secret(kind: str, fault: Fault) -> Fault:
    """A fault inside a property the schema marks `writeOnly` must not quote the value."""
    name = fault.pointer.lstrip("/").partition("/")[0]
    about = schemas.load(f"probes/{kind}").get("properties", {}).get(name, {})
    if not about.get("writeOnly"):
        return fault
    return Fault(fault.pointer, f"not what is expected here: {about['description']}")
