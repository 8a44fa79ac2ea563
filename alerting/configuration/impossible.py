"""What a rule or a route cannot be, though each of its keys can: limits that contradict one another, half an order."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

import probes
from alerting.configuration.faults import Findings
from alerting.configuration.lines import Where
from alerting.configuration.parts import Declared, texts_of
from alerting.configuration.values import seconds_of

ALERT_FIELDS = ("alert_type", "severity", "server", "environment", "project", "subject", "organization")
"""What alerts can be grouped by besides their labels; no label may have such a name."""

_YEAR = 366 * 86400.0
_LONGEST: Mapping[str, tuple[float, str]] = {
    "flap_delay_seconds": (1800.0, "30 minutes"),
    "group_wait": (3600.0, "an hour"),
}
_DURATIONS = (
    "duration_seconds",
    "cooldown_seconds",
    "keep_firing_seconds",
    "remind_seconds",
    "flap_delay_seconds",
    "escalate_after_seconds",
    "group_wait",
    "escalate_after",
)


def check_rule(where: Where, item: Mapping[str, Any], findings: Findings) -> None:
    """Find what contradicts itself in a rule at `where`, whose keys may each have faults already told."""
    _durations(where, item, findings)
    _counts(where, item, findings)
    _hysteresis(where, item, findings)
    _together(where, item, "escalate_after_seconds", "escalate_to", findings)
    _labels((*where, "labels"), item.get("labels"), findings)
    for index, kind in enumerate(texts_of(item, "kinds")):
        if kind not in probes.kinds():
            message = f"no probe of that kind; there are: {', '.join(probes.kinds())}"
            findings.add((*where, "kinds", index), message)


def check_route(parts: Declared, where: Where, item: Mapping[str, Any], findings: Findings) -> None:
    """The same for a route."""
    _durations(where, item, findings)
    _together(where, item, "escalate_after", "escalate_to", findings)
    known = {*ALERT_FIELDS, *_labels_given(parts)}
    # Alerts that other programs send bring labels of which this file says nothing.
    foreign = next(parts.items("hooks"), None) is not None
    for index, name in enumerate(texts_of(item, "group_by")):
        if name not in known and not foreign:
            findings.add((*where, "group_by", index), _unknown_field(name, known))


def _unknown_field(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, sorted(known), 1)
    if close:
        return f"neither a field of an alert nor a label that a rule gives; did you mean {close[0]}?"
    return f"neither a field of an alert nor a label that a rule gives; fields: {', '.join(ALERT_FIELDS)}"


def _labels_given(parts: Declared) -> set[str]:
    found = (item.get("labels") for _, item in parts.items("rules"))
    return {name for labels in found if isinstance(labels, dict) for name in labels}


def _durations(where: Where, item: Mapping[str, Any], findings: Findings) -> None:
    for key in _DURATIONS:
        longest, words = _LONGEST.get(key, (_YEAR, "a year"))
        given = seconds_of(item, key)
        if given is not None and given > longest:
            findings.add((*where, key), f"expected {words} at most")


def _counts(where: Where, item: Mapping[str, Any], findings: Findings) -> None:
    failures, of = item.get("failures", 1), item.get("of")
    if _is_number(of) and _is_number(failures) and of < failures:
        message = f"expected at least as many as failures, {failures}: of the last `of` so many must break it"
        findings.add((*where, "of"), message)


def _hysteresis(where: Where, item: Mapping[str, Any], findings: Findings) -> None:
    if "clear_threshold" not in item:
        return
    place, operator = (*where, "clear_threshold"), item.get("operator", ">")
    clear, threshold = item["clear_threshold"], item.get("threshold")
    if operator in ("==", "!="):
        findings.add(place, f"has no meaning with {operator}; it goes with >, >=, < and <=")
    elif not _is_number(clear) or not _is_number(threshold):
        return
    elif operator in (">", ">=") and clear > threshold:
        findings.add(place, f"expected the threshold, {threshold:g}, or less, for the rule asks {operator}")
    elif operator in ("<", "<=") and clear < threshold:
        findings.add(place, f"expected the threshold, {threshold:g}, or more, for the rule asks {operator}")


def _together(where: Where, item: Mapping[str, Any], after: str, to: str, findings: Findings) -> None:
    if after in item and to not in item:
        findings.add((*where, after), f"says when, but not whom to tell; {to} is missing")
    if to in item and after not in item:
        findings.add((*where, to), f"says whom to tell, but not when; {after} is missing")


def _labels(where: Where, labels: Any, findings: Findings) -> None:
    for name in labels if isinstance(labels, dict) else ():
        if name in ALERT_FIELDS:
            findings.add((*where, name), "every alert has a field of that name; choose another")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
