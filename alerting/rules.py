"""Rules: which apply to a subject, whether a value breaks one, since when, and whether that has held long enough."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import isfinite
from operator import eq, ge, gt, le, lt, ne

from alerting.config import SEVERITIES, Config, Rule, Watch
from probes import Observation

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {">": gt, "<": lt, ">=": ge, "<=": le, "==": eq, "!=": ne}

STATUS = "status"
"""The metric that stands for an observation's status, so that "is it down" is a rule like any other."""

REPORTED = "reported"
"""The metric that stands for what another program reports: 0 over, 1 info, 2 warning, 3 critical."""

_STATUS_VALUES: Mapping[str, float | None] = {"ok": 0.0, "warning": 1.0, "critical": 2.0, "unknown": None}

_SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "cpu_high": ("server/*",),
    "memory_high": ("server/*",),
    "disk_high": ("server/*",),
    "server_down": ("server/*",),
    "container_down": ("server/*",),
    "replica_lag": ("environment/*",),
    "http_down": ("check/*",),
    "check_failed": ("check/*",),
    "info_drift": ("check/*",),
    "info_contract": ("check/*",),
    "heartbeat_missed": ("heartbeat/*",),
    "deployment_failed": ("environment/*",),
    "backup_failed": ("environment/*",),
    "backup_missed": ("environment/*",),
    "quota_exceeded": ("organization/*",),
    "certificate_expiry": ("check/*",),
    "self": ("self/*",),
}
"""What each alert type is about, where its rule does not say. Any other type: everything."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule's condition holding on a subject, unbroken from `started_at` over `count` observations until `last_at`."""

    rule: str
    subject: str
    started_at: float
    last_at: float
    count: int
    value: float | None
    message: str


def key(rule: Rule) -> str:
    """What a rule's breaches are kept under."""
    return f"{rule.managed_by}:{rule.name}:{rule.severity}"


def rank(severity: str) -> int:
    """0 info, 1 warning, 2 critical."""
    return SEVERITIES.index(severity)


def fingerprint(rule: Rule, watch: Watch) -> str:
    """`{alert_type}:{subject id}:{metric_name}`: the same for every severity of one trouble.

    The subject id is its name where the alert type is about its sort, and else says the sort as well: a server and a
    check may share a name, and a rule about both must not take them for one.
    """
    home = _SUBJECTS.get(rule.alert_type, ("server/*",))[0].partition("/")[0]
    subject_id = watch.name if watch.sort == home else watch.subject
    return f"{rule.alert_type}:{subject_id}:{rule.metric_name}"


def applicable(config: Config, watch: Watch) -> tuple[Rule, ...]:
    """The rules put to this subject. A team's rule, even inactive, replaces the default of its type and severity."""
    chosen = [rule for rule in config.rules if _concerns(rule, watch)]
    own = {(rule.alert_type, rule.severity) for rule in chosen if rule.managed_by != "default"}
    return tuple(
        rule
        for rule in chosen
        if rule.is_active and (rule.managed_by != "default" or (rule.alert_type, rule.severity) not in own)
    )


def _concerns(rule: Rule, watch: Watch) -> bool:
    if watch.sort == "hook" and not rule.subjects and rule.metric_name != REPORTED:
        return False  # of type `custom` and about everything: it must not take the place of those about reports
    patterns = rule.subjects or _SUBJECTS.get(rule.alert_type, ("*",))
    return (
        rule.organization in (None, watch.organization)
        and (not rule.kinds or watch.kind in rule.kinds)
        and any(_names(pattern, watch.subject) for pattern in patterns)
    )


def _names(pattern: str, subject: str) -> bool:
    """Whether the pattern means the subject: "check/web*", or its name alone."""
    sort, slash, rest = pattern.partition("/")
    if slash and rest == "*" and sort.isalpha():  # most are so, and each is put to each subject
        return subject.startswith(pattern[:-1])
    return fnmatchcase(subject, pattern) or subject.partition("/")[2] == pattern


def value_of(observation: Observation, metric: str) -> float | None:
    """What the observation says of a metric; None where it says nothing, which breaks and proves nothing."""
    if metric in observation.values:
        value = observation.values[metric]
        return value if value is not None and isfinite(value) else None
    return _STATUS_VALUES[observation.status] if metric == STATUS else None


def advance(rule: Rule, breach: Breach | None, observation: Observation) -> Breach | None:
    """The breach after this observation: begun, continued, ended, or as it was where the value is missing."""
    value = value_of(observation, rule.metric_name)
    if value is None:
        return standing(rule, breach)
    if not OPERATORS[rule.operator](value, rule.threshold):
        return None
    if breach is None:
        at = observation.at
        return Breach(key(rule), observation.subject, at, at, 1, value, observation.message)
    return replace(
        breach,
        last_at=max(breach.last_at, observation.at),
        count=breach.count + 1,
        value=value,
        message=observation.message,
    )


def standing(rule: Rule, breach: Breach | None) -> Breach | None:
    """The breach, if its last value still breaks the rule as the rule is now: thresholds are edited meanwhile."""
    if breach is None or breach.value is None or OPERATORS[rule.operator](breach.value, rule.threshold):
        return breach
    return None


def confirmed(rule: Rule, watch: Watch, breach: Breach, now: float) -> bool:
    """Whether the condition has held for the rule's duration and as many observations as asked."""
    failures = max(rule.failures, watch.failures if rule.metric_name == STATUS else 1)
    return breach.count >= failures and now - breach.started_at >= rule.duration_seconds


def worst(breaches: Iterable[tuple[Rule, Breach]]) -> tuple[Rule, Breach] | None:
    """Of several confirmed breaches of one fingerprint, the one the alert is about: the most severe."""
    return max(breaches, key=lambda pair: (rank(pair[0].severity), pair[0].threshold), default=None)
