"""What changed from one JSON document to another, and how much each change matters to whoever reads the document."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from probes._machinery.documents import MISSING, canonical, shown

Weight = Literal["breaking", "changed", "additive"]

_WORSE: Mapping[str, tuple[Any, ...]] = {
    "/license/mode": ("restricted", "full"),
    "/crypto/configured": (False, True),
    "/ai/available": (False, True),
}
"""Where a value can turn worse: what counts for less comes first, anything unknown for least."""

_NEW_WITH_A_RELEASE = ("version", "digest", "revision", "commit", "build")
_IDENTITIES = ("name", "id", "key")  # what tells the items of a list apart
_SIGNS: Mapping[str, str] = {"added": "+", "removed": "-", "changed": "~"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One change at a place (a JSON pointer, of a list the list's). What is not there is MISSING.

    breaking: a field gone, another type, a switch turned worse; additive: what is new, counts, the release's name
    """

    path: str
    before: Any
    after: Any
    weight: Weight

    @property
    def change(self) -> str:
        """ "added", "removed" or "changed"."""
        return "added" if self.before is MISSING else "removed" if self.after is MISSING else "changed"

    def __str__(self) -> str:
        sign = _SIGNS[self.change]
        if self.change == "changed":
            return f"{sign} {self.path or '/'}: {shown(self.before)} → {shown(self.after)}"
        return f"{sign} {self.path or '/'}: {shown(self.before if self.after is MISSING else self.after)}"


def differences(before: Any, after: Any, ignored: Sequence[str] = ()) -> list[Difference]:
    """Every change, the breaking ones first. `ignored`: JSON pointers below which changes do not count."""
    found = [one for one in _compare(before, after, "") if not _is_below(one.path, ignored)]
    return sorted(found, key=lambda one: ("breaking", "changed", "additive").index(one.weight))


def _is_below(path: str, places: Sequence[str]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _compare(before: Any, after: Any, path: str) -> Iterator[Difference]:
    if _type(before) != _type(after):
        yield Difference(path, before, after, "changed" if before is None else "breaking")
    elif isinstance(before, dict):
        yield from _compare_fields(before, after, path)
    elif isinstance(before, list):
        yield from _compare_items(before, after, path)
    elif before != after:
        yield Difference(path, before, after, _weight(path, before, after))


def _compare_fields(before: Mapping[str, Any], after: Mapping[str, Any], path: str) -> Iterator[Difference]:
    for name in [*before, *(name for name in after if name not in before)]:
        place = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
        if name not in after:
            yield Difference(place, before[name], MISSING, "breaking")
        elif name not in before:
            yield Difference(place, MISSING, after[name], "additive")
        else:
            yield from _compare(before[name], after[name], place)


def _compare_items(before: list[Any], after: list[Any], path: str) -> Iterator[Difference]:
    """A list is compared as a bag: its order says nothing. Items with names of their own are compared by name."""
    named = next((key for key in _IDENTITIES if _tells_apart(key, before) and _tells_apart(key, after)), None)
    if named is not None and before and after:
        yield from _compare_named({one[named]: one for one in before}, {one[named]: one for one in after}, path)
    elif before and after and not {*map(_type, before)} >= {*map(_type, after)}:
        yield Difference(path, before, after, "breaking")
    else:
        yield from (Difference(path, one, MISSING, "changed") for one in _without(before, after))
        yield from (Difference(path, MISSING, one, "additive") for one in _without(after, before))


def _compare_named(before: Mapping[str, Any], after: Mapping[str, Any], path: str) -> Iterator[Difference]:
    for one in _compare_fields(before, after, path):
        whole = one.path.count("/") == path.count("/") + 1  # an item that is gone is no field that is gone
        yield Difference(one.path, one.before, one.after, "changed") if whole and one.after is MISSING else one


def _tells_apart(key: str, items: list[Any]) -> bool:
    names = [one.get(key) if isinstance(one, dict) else None for one in items]
    return all(isinstance(name, str) for name in names) and len({*names}) == len(names)


def _without(items: list[Any], others: list[Any]) -> Iterator[Any]:
    left = Counter(map(canonical, others))
    for one in items:
        text = canonical(one)
        if left[text]:
            left[text] -= 1
        else:
            yield one


def _weight(path: str, before: Any, after: Any) -> Weight:
    if path in _WORSE:
        return "breaking" if _rank(path, after) < _rank(path, before) else "additive"
    if _type(before) == "number" or path.rpartition("/")[2] in _NEW_WITH_A_RELEASE:
        return "additive"
    return "changed"


def _rank(path: str, value: Any) -> int:
    order = _WORSE[path]
    return order.index(value) if value in order else -1


def _type(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else type(value).__name__
