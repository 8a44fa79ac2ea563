"""What a silence or a window is about, as people write it: fields of an alert, its labels apart; or all there is."""

from collections.abc import Iterator, Mapping
from typing import Any

from alerting.silences import FIELDS
from schemas import Fault


def faults(item: Mapping[str, Any]) -> Iterator[Fault]:
    """What its schema cannot say of `match` and `all`: that everything is meant must be said in so many words."""
    match = item.get("match") or {}
    if item.get("all") and match:
        yield Fault("/all", "expected one of match and all = true, not both")
    elif not item.get("all") and not flat(match):
        yield Fault("/match", "names nothing; for every alert of the organization say all = true")
    for name in match.get("labels", {}):
        if name in FIELDS:
            yield Fault(f"/match/labels/{name}", "is no label but a field of every alert; write it beside labels")


def flat(match: Mapping[str, Any]) -> dict[str, str]:
    """Name → pattern, labels among them."""
    return {name: pattern for name, pattern in match.items() if name != "labels"} | dict(match.get("labels", {}))


def written(match: Mapping[str, str]) -> dict[str, Any]:
    """The same as it is written: labels apart."""
    labels = {name: pattern for name, pattern in match.items() if name not in FIELDS}
    fields = {name: pattern for name, pattern in match.items() if name in FIELDS}
    return {**fields, "labels": labels} if labels else fields
