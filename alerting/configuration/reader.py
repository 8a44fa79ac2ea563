"""Reading a configuration file, whole or with all that is wrong with it by line, and following it as it changes."""

import re
import tomllib
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from alerting.config import Config, Environment, NetdataParent, Organization, Pool, Service
from alerting.configuration import schema
from alerting.configuration.addresses import check_addresses
from alerting.configuration.channels import channels
from alerting.configuration.faults import ConfigError, Fault, Findings
from alerting.configuration.heartbeats import keys
from alerting.configuration.hooks import hook_keys, hooks
from alerting.configuration.lines import Where, lines_of
from alerting.configuration.maintenance import plain_times, windows
from alerting.configuration.parts import IMPLICIT, Declared, declared
from alerting.configuration.references import refer
from alerting.configuration.rules import default_rules, routes, rules
from alerting.configuration.shown import masked, written_secrets
from alerting.configuration.ssh import check_ssh, read_ssh
from alerting.configuration.values import resolve, too_deep
from alerting.configuration.watches import watches
from alerting.settings import Settings, usual_config

__all__ = ["LARGEST", "ConfigError", "ConfigWatcher", "Fault", "read", "read_bytes"]

LARGEST = 1_048_576
"""Bytes a configuration file may have."""

EXAMPLE = "vedette.example.toml"

Refreshed = Literal["same", "reloaded", "rejected"]
_Signature = tuple[int, int, int, int]


def read(path: Path | None, settings: Settings) -> Config:
    """The configuration in `path`; without one, the example that watches Vedette itself. Raises ConfigError."""
    return read_bytes(_content(path), _name(path), settings)


def read_bytes(content: bytes, name: str, settings: Settings) -> Config:
    """The configuration in `content`, which faults will say is in `name`. Raises ConfigError."""
    text = _decoded(content, name)
    raw = _parsed(text, name)
    findings = Findings(name, lines_of(text))
    if deep := too_deep(raw):
        findings.add(deep, "nested too deeply")
        raise ConfigError(findings.faults.values())
    raw = plain_times(raw)
    document = resolve(raw, settings, findings)
    findings.secrets.update(written_secrets(raw), written_secrets(document))
    schema.hold("config", document, findings)
    parts = declared(document, settings)
    refer(parts, findings)
    _timezone(parts, findings)
    return _config(parts, settings, findings, Config(name, sha256(content).hexdigest(), document=masked(raw)))


def _content(path: Path | None) -> bytes:
    if path is None:
        return files("deploy").joinpath(EXAMPLE).read_bytes()
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a usable path"
        raise ConfigError([Fault(str(path), None, "", f"cannot be read: {reason}")]) from None


def _name(path: Path | None) -> str:
    return str(path) if path else EXAMPLE


def _decoded(content: bytes, name: str) -> str:
    if len(content) > LARGEST:
        raise ConfigError([Fault(name, None, "", f"too large: expected at most {LARGEST} bytes")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([Fault(name, line, "", "expected text in UTF-8")]) from None


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_fault(str(error), text, name)]) from None
    except RecursionError:
        raise ConfigError([Fault(name, None, "", "nested too deeply")]) from None
    except ValueError:
        # Python refuses to read integers of thousands of digits, and does not say where.
        raise ConfigError([Fault(name, None, "", "not TOML: a number or date in it is out of range")]) from None


def _syntax_fault(message: str, text: str, name: str) -> Fault:
    place = re.search(r" \((?:at line (\d+), column \d+|at end of document)\)$", message)
    line = int(place[1]) if place and place[1] else max(1, len(text.splitlines()))
    said = message[: place.start()] if place else message
    return Fault(name, line, "", f"not TOML: {said[0].lower()}{said[1:]}")


def _timezone(parts: Declared, findings: Findings) -> None:
    service = parts.document.get("service")
    zone = service.get("timezone") if isinstance(service, dict) else None
    if isinstance(zone, str) and not _is_zone(zone):
        findings.add(("service", "timezone"), "unknown time zone; expected a name such as Europe/Paris or UTC")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return name == "UTC"
    return True


def _config(parts: Declared, settings: Settings, findings: Findings, base: Config) -> Config:
    check_addresses(parts, findings)
    parents = _netdata(parts, settings, findings)
    check_ssh(parts, findings)
    watched = tuple(watches(parts, parents, findings))
    told = tuple(channels(parts, settings, findings))
    if findings.faults:
        raise ConfigError(findings.faults.values())
    return Config(
        source=base.source,
        digest=base.digest,
        service=Service(**parts.document.get("service", {})),
        organizations=tuple(_organization(parts, slug) for slug in parts.organizations),
        pools=tuple(_pool(parts, str(where[1]), item) for where, item in parts.items("pools")),
        netdata=tuple(parents.values()),
        environments=tuple(_environment(parts, where, item) for where, item in parts.items("environments")),
        watches=watched,
        rules=(*rules(parts), *default_rules()),
        channels=told,
        routes=tuple(routes(parts)),
        maintenance=tuple(windows(parts)),
        heartbeat_keys=keys(parts),
        hooks=tuple(hooks(parts)),
        hook_keys=hook_keys(parts),
        denied_networks=_networks(parts, "deny"),
        allowed_networks=_networks(parts, "allow"),
        connectivity=tuple(parts.document.get("probes", {}).get("connectivity", ())),
        ssh=read_ssh(parts),
        document=base.document,
    )


def _organization(parts: Declared, slug: str) -> Organization:
    return Organization(slug, (parts.get("organizations", slug) or {}).get("name", slug))


def _pool(parts: Declared, name: str, item: Mapping[str, Any]) -> Pool:
    sizes = {key: item[key] for key in ("size", "overflow") if key in item}
    return Pool(name, parts.organization_of(item) or "", item["url"], **sizes)


def _environment(parts: Declared, where: Where, item: Mapping[str, Any]) -> Environment:
    return Environment(
        str(where[1]),
        parts.organization_of(item) or "",
        item.get("project"),
        item.get("server"),
        tuple(item.get("containers", ())),
    )


def _netdata(parts: Declared, settings: Settings, findings: Findings) -> dict[str, NetdataParent]:
    found = {
        str(where[1]): NetdataParent(
            str(where[1]),
            item["url"],
            item.get("public_url"),
            item.get("api_key") or None,
            tuple(item.get("headers", {}).items()),
        )
        for where, item in parts.items("netdata")
        if not findings.spoiled(where)
    }
    if settings.netdata_parent_url and parts.get("netdata", IMPLICIT) is None:
        found[IMPLICIT] = NetdataParent(
            IMPLICIT,
            settings.netdata_parent_url,
            settings.netdata_parent_public_url,
            settings.netdata_parent_api_key,
        )
    return found


def _networks(parts: Declared, key: str) -> tuple[str, ...]:
    networks = parts.document.get("probes", {}).get(key, ())
    return tuple(str(ip_network(network, strict=False)) for network in networks)


class ConfigWatcher:
    """Holds `config`, the last good one, and `rejected`, what is wrong with the file as it is now, None if nothing."""

    config: Config
    rejected: ConfigError | None = None

    def __init__(self, settings: Settings) -> None:
        """Read for the first time the file of the settings; none there: the example. Raises ConfigError."""
        self._path = settings.config_path
        self._settings = settings
        self._signature = self._look()
        content = _content(self._path)
        self.config = read_bytes(content, _name(self._path), settings)
        self._seen = sha256(content).hexdigest()

    def refresh(self) -> Refreshed:
        """Look whether the file has changed, and read it if so: one `stat` where it has not.

        Where there was none, a new vedette.toml is taken the same way.
        "rejected" is answered once for each faulty content; "reloaded" also when a rejected file is as it was before.
        """
        if self._path is None and (found := usual_config()) is not None:
            self._path = found
        signature = self._look()
        if signature == self._signature:
            return "same"
        return self._reread(signature)

    def _reread(self, signature: _Signature | None) -> Refreshed:
        try:
            content = _content(self._path)
        except ConfigError as error:
            self._signature = signature
            return self._reject(error, "")
        if signature != self._look():
            return "same"  # somebody is writing it: the next look will find it whole
        self._signature = signature
        seen = sha256(content).hexdigest()
        return "same" if seen == self._seen else self._take(content, seen)

    def _take(self, content: bytes, seen: str) -> Refreshed:
        try:
            # Editors that empty a file before they write it must not make us forget everything for a moment.
            if not content.strip():
                raise ConfigError([Fault(_name(self._path), None, "", "the file is empty")])
            self.config = read_bytes(content, _name(self._path), self._settings)
        except ConfigError as error:
            return self._reject(error, seen)
        self._seen, self.rejected = seen, None
        return "reloaded"

    def _reject(self, error: ConfigError, seen: str) -> Refreshed:
        self._seen, self.rejected = seen, error
        return "rejected"

    def _look(self) -> _Signature | None:
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns) if found else None
