"""What a team declared: organizations, what to watch, rules, channels, routes. `configuration` reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")

DEFAULT_EVERY: Mapping[str, float] = {"replica": 120.0}
"""Seconds between two looks, by probe kind; a minute for the rest."""


@dataclass(frozen=True, slots=True)
class Organization:
    """Whoever things belong to. `slug` is the key in the file and the id everywhere else."""

    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class Service:
    """This installation: its name, the zone its times are shown in (IANA name), its own dead-man's switch."""

    name: str = "Vedette"
    timezone: str = "UTC"
    heartbeat_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Pool:
    """A SQL pool: `url` is a PostgreSQL DSN and holds a password."""

    name: str
    organization: str
    url: str = field(repr=False)
    size: int = 5
    overflow: int = 2


@dataclass(frozen=True, slots=True)
class Ssh:
    """How Vedette logs in elsewhere: its private key (None: those of the user it runs as), and host → host key."""

    private_key: str | None = field(default=None, repr=False)
    host_keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NetdataParent:
    """A Netdata that others stream to. `public_url` is where a person opens its dashboard."""

    name: str
    url: str = field(repr=False)
    public_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a project runs: on which server, in containers of which names (patterns)."""

    name: str
    organization: str
    project: str | None = None
    server: str | None = None
    containers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Watch:
    """One thing that is watched: a server, an environment's replica, a check or a heartbeat, in the scheduler's terms.

    subject   "server/prod-1", "environment/shop-prod", "check/website", "heartbeat/nightly-backup"
    kind      the probe's kind; `config` is that probe's configuration, complete, secrets included
    every     seconds between two looks; `failures` observations in a row before its status counts
    parents   subjects whose open alert silences this one's triggers
    """

    subject: str
    kind: str
    organization: str
    every: float
    config: Mapping[str, Any] = field(repr=False)
    failures: int = 1
    project: str | None = None
    server: str | None = None
    environment: str | None = None
    parents: tuple[str, ...] = ()
    description: str = ""

    @property
    def name(self) -> str:
        """The subject's name without its sort: "prod-1"."""
        return self.subject.partition("/")[2]

    @property
    def sort(self) -> str:
        """ "server", "environment", "check" or "heartbeat"."""
        return self.subject.partition("/")[0]

    @property
    def is_probed(self) -> bool:
        """Whether we go and look. A heartbeat comes to us: that nothing was seen of it says nothing."""
        return self.kind != "heartbeat"


@dataclass(frozen=True, slots=True)
class Rule:
    """A question put to every observation: metric, operator, threshold, held for `duration_seconds`.

    subjects  patterns ("server/*"); empty: every subject its alert type is about
    managed_by "default" | "config" | "api"
    """

    name: str
    alert_type: str
    severity: Severity
    metric_name: str
    operator: str = ">"
    threshold: float = 0.0
    duration_seconds: float = 300.0
    cooldown_seconds: float = 3600.0
    notify_channels: tuple[str, ...] = ()
    failures: int = 1
    subjects: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    organization: str | None = None
    description: str = ""
    is_active: bool = True
    managed_by: Literal["default", "config", "api"] = "config"


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages go. `settings` is what `schemas/channels/<kind>.json` describes and may hold secrets."""

    name: str
    kind: str
    organization: str
    settings: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Route:
    """Alerts that match go to `channels` (names or kinds) instead of the severity policy. First match wins."""

    match: Mapping[str, str]
    channels: tuple[str, ...]
    organization: str | None = None


@dataclass(frozen=True)
class Config:
    """One whole configuration. `source` is the file it came from, `digest` a hash of its text."""

    source: str = ""
    digest: str = ""
    service: Service = Service()
    organizations: tuple[Organization, ...] = ()
    pools: tuple[Pool, ...] = ()
    netdata: tuple[NetdataParent, ...] = ()
    environments: tuple[Environment, ...] = ()
    watches: tuple[Watch, ...] = ()
    rules: tuple[Rule, ...] = ()
    channels: tuple[Channel, ...] = ()
    routes: tuple[Route, ...] = ()
    denied_networks: tuple[str, ...] = ()
    heartbeat_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """SHA-256 of a heartbeat's key, in hexadecimal → its subject."""
    connectivity: tuple[str, ...] = ()
    """Addresses (https://…, tcp://host:port) any answer of which proves that our own network works."""
    ssh: Ssh = Ssh()
    allowed_networks: tuple[str, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The file as read, placeholders unresolved: what `vedette config show` prints, free of secrets."""

    @cached_property
    def watch_of(self) -> Mapping[str, Watch]:
        """subject → watch."""
        return {watch.subject: watch for watch in self.watches}

    @cached_property
    def channel_of(self) -> Mapping[str, Channel]:
        """name → channel."""
        return {channel.name: channel for channel in self.channels}
