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

    What another program watches and reports to a hook is one too, made of its report: "hook/main/HighLatency-3f…".

    subject   "server/prod-1", "environment/shop-prod", "check/website", "heartbeat/nightly-backup"
    kind      the probe's kind; `config` is that probe's configuration, complete, secrets included
    every     seconds between two looks; `failures` observations in a row before its status counts
    parents   subjects whose open alert silences this one's triggers
    title     what an alert about it is called; empty: its alert type says
    labels    what its alerts carry besides their rule's labels
    began     since when its trouble lasts, as whoever reported it says; None: since it was first observed
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
    title: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    began: float | None = None

    @property
    def name(self) -> str:
        """The subject's name without its sort: "prod-1"."""
        return self.subject.partition("/")[2]

    @property
    def sort(self) -> str:
        """ "server", "environment", "check", "heartbeat" or "hook"."""
        return self.subject.partition("/")[0]

    @property
    def is_probed(self) -> bool:
        """Whether we go and look. Heartbeats and reports come to us: that nothing was seen of them says nothing."""
        return self.kind not in ("heartbeat", "hook")


@dataclass(frozen=True, slots=True)
class Rule:
    """A question put to every observation: metric, operator, threshold, held for `duration_seconds`.

    failures, of        so many observations in a row, or so many of the last `of` (0: in a row)
    clear_threshold     once it fires, what the value must get back to before it is over; None: the threshold
    keep_firing_seconds how long it must have been over
    remind_seconds      how long until those who know are told again; None: the policy of its severity; 0: never
    flap_delay_seconds  how long a flapping alert must be steady, doubled by each change; 0: it never flaps
    escalate_*          whom to tell as well, where nobody has acknowledged it for so long
    subjects            patterns ("server/*"); empty: every subject its alert type is about
    managed_by          "default" | "config" | "api"; `id` is that of the API's own, else 0
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
    of: int = 0
    clear_threshold: float | None = None
    keep_firing_seconds: float = 0.0
    remind_seconds: float | None = None
    flap_delay_seconds: float = 60.0
    labels: Mapping[str, str] = field(default_factory=dict)
    escalate_after_seconds: float | None = None
    escalate_to: tuple[str, ...] = ()
    id: int = 0


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages go. `settings` is what `schemas/channels/<kind>.json` describes and may hold secrets.

    digest  what it is told gathers, and leaves hourly as one message
    """

    name: str
    kind: str
    organization: str
    settings: Mapping[str, Any] = field(repr=False)
    digest: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """Alerts that match go to `channels` (names or kinds) instead of the severity policy. First match wins.

    goes_on         `continue` in the file: later routes are asked as well
    digest          what it sends gathers, and leaves hourly as one message
    group_by        fields of an alert, or labels: those that agree in all of them leave together; None: its server or
                    environment
    group_wait      seconds others of the group may join the first
    escalate_*      whom to tell as well, where nobody has acknowledged it for so many seconds
    """

    match: Mapping[str, str]
    channels: tuple[str, ...]
    organization: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    goes_on: bool = False
    digest: bool = False
    group_by: tuple[str, ...] | None = None
    group_wait: float = 10.0
    escalate_after: float | None = None
    escalate_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hook:
    """A way in for another program's alerts: POST /hooks/<source>/<key>.

    source      what its payload is: a module of `alerting.sources`
    mapping     where a `json` payload has what: JSON pointers by what they lead to, and what means "over"
    severities  what the payload calls a severity (in small letters) → "info", "warning", "critical", "resolved"
    expire      seconds without a word after which an alert counts as over; None: never
    """

    name: str
    organization: str
    source: str
    mapping: Mapping[str, Any] = field(default_factory=dict)
    severities: Mapping[str, str] = field(default_factory=dict)
    default_severity: Severity = "warning"
    expire: float | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """No trigger of the alerts it matches is told between `starts_at` and `ends_at` (epoch seconds).

    match     alert field or label → pattern, as a route's; `fingerprint`, `subject` and `severity` too. All must hold.
    ended_by  who ended it before its time: then `ends_at` is when
    """

    id: int
    organization: str
    match: Mapping[str, str]
    starts_at: float
    ends_at: float
    reason: str
    created_by: str
    created_at: float = 0.0
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A planned silence: once (`starts_at` to `ends_at`), weekly (`days`, `at`) or by `cron`, `lasts` seconds.

    days      "mon" … "sun"; `at` "HH:MM" in `timezone`, an IANA name
    until     epoch seconds after which a recurring one does not begin again; None: never ends by itself
    """

    name: str
    organization: str
    match: Mapping[str, str]
    reason: str
    timezone: str = "UTC"
    starts_at: float | None = None
    ends_at: float | None = None
    days: tuple[str, ...] = ()
    at: str | None = None
    cron: str | None = None
    lasts: float = 0.0
    until: float | None = None
    id: int = 0
    managed_by: Literal["config", "api"] = "config"
    created_by: str | None = None
    created_at: float = 0.0

    @property
    def line(self) -> str:
        """The cron line of a recurring one: its own, or that of its days and time."""
        if self.cron is not None:
            return self.cron
        hour, _, minute = str(self.at).partition(":")
        return f"{int(minute)} {int(hour)} * * {','.join(self.days)}"


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
    maintenance: tuple[Maintenance, ...] = ()
    denied_networks: tuple[str, ...] = ()
    heartbeat_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """SHA-256 of a heartbeat's key, in hexadecimal → its subject."""
    hooks: tuple[Hook, ...] = ()
    hook_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """SHA-256 of a hook's key, in hexadecimal → its name."""
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
    def hook_of(self) -> Mapping[str, Hook]:
        """name → hook."""
        return {hook.name: hook for hook in self.hooks}

    @cached_property
    def channel_of(self) -> Mapping[str, Channel]:
        """name → channel."""
        return {channel.name: channel for channel in self.channels}
