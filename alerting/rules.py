"""Rules: which apply to a subject, whether a value breaks one, since when, whether that has held long enough, and
when it is over.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import isfinite
from operator import eq, ge, gt, le, lt, ne

from alerting.config import SEVERITIES, Config, Rule, Watch
from alerting.phrasing import clock, duration
from probes import Observation

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {">": gt, "<": lt, ">=": ge, "<=": le, "==": eq, "!=": ne}

_BEYOND: Mapping[str, Callable[[float, float], bool]] = {">": gt, ">=": gt, "<": lt, "<=": lt}
"""Whether a value has not yet come back to a rule's `clear_threshold`, by operator."""

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


Look = tuple[float, float, bool]
"""One look of a window: when, the value, and whether the rule had fired before it."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule's condition on a subject, under way since `started_at` over `count` observations until `last_at`.

    value, message  of the latest observation that broke the rule
    fired           the condition was confirmed: from then on it holds until the value is back at `clear_threshold`
    cleared_at      since when it has been over, while `keep_firing_seconds` run; None: it is not over
    window          of a rule with `of`: its latest looks from the first that breaks it; `count` is how many do
    """

    rule: str
    subject: str
    started_at: float
    last_at: float
    count: int
    value: float | None
    message: str
    fired: bool = False
    cleared_at: float | None = None
    window: tuple[Look, ...] = ()


def identity(rule: Rule) -> int | str:
    """What a rule is known by outside: a number where the API made it, else "config:High CPU:warning"."""
    return rule.id if rule.managed_by == "api" else f"{rule.managed_by}:{rule.name}:{rule.severity}"


def key(rule: Rule) -> str:
    """What a rule's breaches are kept under: what is said of one metric must not be taken for another's."""
    return f"{_origin(rule)}{rule.severity}:{rule.metric_name}"


def _origin(rule: Rule) -> str:
    return f"{rule.managed_by}:{rule.id or rule.name}:"


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
    chosen = [rule for rule in config.rules if concerns(rule, watch)]
    own = {(rule.alert_type, rule.severity) for rule in chosen if rule.managed_by != "default"}
    return tuple(
        rule
        for rule in chosen
        if rule.is_active and (rule.managed_by != "default" or (rule.alert_type, rule.severity) not in own)
    )


def concerns(rule: Rule, watch: Watch) -> bool:
    """Whether the rule is about the subject, another in its place or not."""
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


def breaks(rule: Rule, value: float, fired: bool = False) -> bool:
    """Whether the value breaks the rule; once it has fired, whether the value has not come back far enough."""
    if OPERATORS[rule.operator](value, rule.threshold):
        return True
    beyond = _BEYOND.get(rule.operator)
    if not fired or beyond is None or rule.clear_threshold is None:
        return False
    return beyond(value, rule.clear_threshold)


def limit(rule: Rule, breach: Breach) -> float:
    """What the breach's value is beyond: the threshold, or what it must still get back to."""
    if rule.clear_threshold is None or breach.value is None or breaks(rule, breach.value):
        return rule.threshold
    return rule.clear_threshold


def judge(
    rule: Rule, watch: Watch, breach: Breach | None, observation: Observation, now: float, is_new: bool
) -> Breach | None:
    """The breach after this observation, or by `now` where it is the one already judged: begun, fired, ended."""
    after = advance(rule, breach, observation) if is_new else standing(rule, breach)
    if after is None:
        return None
    if value_of(observation, rule.metric_name) is None:
        return after  # what nobody could tell raises nothing and ends nothing
    if not after.fired and confirmed(rule, watch, after, now):
        after = replace(after, fired=True)
    return _ended(rule, after) if is_over(rule, after, now) else after


def advance(rule: Rule, breach: Breach | None, observation: Observation) -> Breach | None:
    """The breach after this observation: begun, continued, ended, or as it was where the value is missing."""
    value = value_of(observation, rule.metric_name)
    if value is None:
        return standing(rule, breach)
    breach = _counted_alike(rule, breach)
    fired = breach is not None and breach.fired
    if rule.of:
        return _slid(rule, breach, observation, value)
    if not breaks(rule, value, fired):
        return _cleared(breach, observation.at)
    if breach is None:
        return replace(_begun(rule, observation, value), count=1)
    return replace(_broken_again(breach, observation, value), count=breach.count + 1, cleared_at=None, window=())


def standing(rule: Rule, breach: Breach | None) -> Breach | None:
    """The breach, if what was seen still breaks the rule as the rule is now: thresholds are edited meanwhile."""
    breach = _counted_alike(rule, breach)
    if breach is None or breach.cleared_at is not None:
        return breach
    if rule.of:
        return _counted(rule, breach, breach.window)
    if breach.value is None or breaks(rule, breach.value, breach.fired):
        return breach
    return _cleared(breach, breach.last_at)


def _counted_alike(rule: Rule, breach: Breach | None) -> Breach | None:
    """A wait that was counted in a row is not continued in a window, nor the other way round: it begins anew."""
    if breach is None or breach.fired or bool(breach.window) == bool(rule.of):
        return breach
    return None


def _begun(rule: Rule, observation: Observation, value: float) -> Breach:
    at = observation.at
    return Breach(key(rule), observation.subject, at, at, 0, value, observation.message)


def _broken_again(breach: Breach, observation: Observation, value: float) -> Breach:
    return replace(breach, last_at=max(breach.last_at, observation.at), value=value, message=observation.message)


def _cleared(breach: Breach | None, at: float) -> Breach | None:
    if breach is None or not breach.fired:
        return None
    return breach if breach.cleared_at is not None else replace(breach, cleared_at=at)


def _slid(rule: Rule, breach: Breach | None, observation: Observation, value: float) -> Breach | None:
    """The breach after a look of a rule that counts within its last `of` looks."""
    fired = breach is not None and breach.fired
    seen = (*(breach.window if breach is not None else ()), (observation.at, value, fired))
    if breach is None:
        breach = _begun(rule, observation, value)
    elif breaks(rule, value, fired):
        breach = _broken_again(breach, observation, value)
    return _counted(rule, breach, seen[-rule.of :])


def _counted(rule: Rule, breach: Breach, window: tuple[Look, ...]) -> Breach | None:
    """The breach with as many breaking looks as the window has. It starts with the first of those that made it hold."""
    breaking = [
        number for number, (_, value, after) in enumerate(window) if breaks(rule, value, after and breach.fired)
    ]
    if not breaking and not breach.fired:
        return None
    held, holds_now = breach.count >= rule.failures, len(breaking) >= rule.failures
    goes_on = breach.fired or (held and holds_now)
    last = window[-1][0] if window else breach.last_at
    since = breach.cleared_at if breach.cleared_at is not None else last
    return replace(
        breach,
        started_at=breach.started_at if goes_on else window[breaking[0]][0],
        count=len(breaking),
        window=window[breaking[0] :] if breaking else (),
        cleared_at=since if breach.fired and not holds_now else None,
    )


def confirmed(rule: Rule, watch: Watch, breach: Breach, now: float) -> bool:
    """Whether the condition has held for the rule's duration and as many observations as asked."""
    if breach.fired:
        return True
    return breach.count >= asked(rule, watch) and now - breach.started_at >= rule.duration_seconds


def asked(rule: Rule, watch: Watch) -> int:
    """How many breaking observations are asked for: a check's own `failures` hold back what is asked in a row."""
    return max(rule.failures, watch.failures) if rule.metric_name == STATUS and not rule.of else rule.failures


def is_over(rule: Rule, breach: Breach, now: float) -> bool:
    """Whether a condition that fired has been over for as long as the rule keeps firing."""
    if breach.cleared_at is None:
        return False
    return not rule.keep_firing_seconds or now - breach.cleared_at >= rule.keep_firing_seconds


def _ended(rule: Rule, breach: Breach) -> Breach | None:
    """What is left of a breach that has ended: in a window the looks that break the rule go on counting."""
    if not rule.of:
        return None
    return _counted(rule, replace(breach, fired=False, cleared_at=None, count=0), breach.window)


def holds(rule: Rule, breach: Breach) -> bool:
    """Whether the condition holds, confirmed or not, or is kept up; not where too few looks of a window break it."""
    return breach.fired or not rule.of or breach.count >= rule.failures


def begun_anew(breach: Breach) -> Breach | None:
    """The breach as it is taken up after a time in which nobody looked: what waited waits from its beginning."""
    return replace(breach, cleared_at=None) if breach.fired else None


def handed_on(put: Sequence[Rule], breaches: Mapping[str, Breach]) -> Mapping[str, Breach]:
    """A subject's breaches by the keys of the rules put to it.

    What a rule had under way that is gone or edited goes on under the one that has its place: of the same name, or of
    the same severity and metric where it had fired. Otherwise every edit would end an alert whose trouble goes on.
    """
    if not breaches:
        return breaches
    keys = {key(rule) for rule in put}
    left = [name for name in breaches if name not in keys]
    if not left:
        return breaches
    handed = {name: breach for name, breach in breaches.items() if name in keys}
    for rule in put:
        heir = key(rule)
        place, metric = f":{rule.severity}:{rule.metric_name}", f":{rule.metric_name}"
        named = [name for name in left if name.startswith(_origin(rule)) and name.endswith(metric)]
        placed = [name for name in left if name.endswith(place) and breaches[name].fired]
        if heir not in handed and (found := [*named, *placed]):
            handed[heir] = replace(breaches[found[0]], rule=heir)
    return handed


def waits(rule: Rule, watch: Watch, before: Breach | None, breach: Breach | None) -> tuple[str, str] | None:
    """What is to be written down of a condition that holds and is not confirmed: a word for machines, and a sentence.

    Once when it begins, at each look while looks are counted, and when it ends without having been confirmed.
    """
    if breach is None:
        if before is None or before.fired:
            return None
        return "ended", f"{rule.name} ({rule.severity}): over after {duration(before.last_at - before.started_at)}"
    if breach.fired or (before is not None and before.count == breach.count):
        return None
    wanted = asked(rule, watch)
    waiting = [f"look {breach.count} of {wanted}"] if breach.count < wanted else []
    if before is None and rule.duration_seconds:
        until = clock(breach.started_at + rule.duration_seconds)
        waiting.append(f"must hold for {duration(rule.duration_seconds)}, until {until}")
    said = f"{rule.metric_name} {breach.value:g} {rule.operator} {rule.threshold:g}" if breach.value is not None else ""
    return ("waiting", f"{rule.name} ({rule.severity}): {said}: {'; '.join(waiting)}") if waiting else None


def worst(breaches: Iterable[tuple[Rule, Breach]]) -> tuple[Rule, Breach] | None:
    """Of several confirmed breaches of one fingerprint, the one the alert is about: the most severe."""
    return max(breaches, key=lambda pair: (rank(pair[0].severity), pair[0].threshold), default=None)
