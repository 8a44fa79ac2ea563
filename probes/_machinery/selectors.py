"""Selectors of series, written as Prometheus has them: `http_requests_total{code=~"5..", method!="GET"}`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from probes._machinery.patterns import compiled

_TEXT = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_WHOLE = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*(?:\{(.*)\})?\s*", re.DOTALL)
_CONDITION = rf"([a-zA-Z_][a-zA-Z0-9_]*|{_TEXT})\s*(=~|!~|!=|=)\s*({_TEXT})"
_MATCHER = re.compile(rf"\s*(?:{_CONDITION}|({_TEXT}))\s*(?:,|$)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Matcher:
    """What a label must be: operator =, !=, =~ or !~ (the whole value, by RE2). A label that is not there is ""."""

    label: str
    operator: str
    value: str

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels matches."""
        seen = labels.get(self.label, "")
        same = seen == self.value if "~" not in self.operator else bool(compiled(self.value).fullmatch(seen))
        return same != self.operator.startswith("!")


@dataclass(frozen=True, slots=True)
class Selector:
    """Series of one name whose labels match. `text` is how it was written."""

    name: str
    matchers: tuple[Matcher, ...]
    text: str

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a series of that name with these labels is meant."""
        return all(matcher.holds(labels) for matcher in self.matchers)


def selector(text: str) -> Selector:
    """Read a selector. Raises ValueError, its text what is wrong."""
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        raise ValueError('not a selector; expected e.g. http_requests_total{code="500"}')
    name, matchers, at = whole[1] or "", list[Matcher](), 0
    inside = whole[2] or ""
    while at < len(inside.rstrip()):
        found = _MATCHER.match(inside, at)
        if found is None:
            raise ValueError(f'not a selector: {inside[at:].strip()[:40]!r} is no label="value"')
        if found[4] is not None and not name:
            name = _unquoted(found[4])  # a name that is no identifier stands within the braces: {"my.metric"}
        elif found[4] is not None:
            raise ValueError("not a selector: it has two names")
        else:
            matchers.append(_matcher(found[1], found[2], _unquoted(found[3])))
        at = found.end()
    if not name:
        raise ValueError("not a selector: it names no metric")
    return Selector(name, tuple(matchers), text.strip())


def _matcher(label: str, operator: str, value: str) -> Matcher:
    if "~" in operator:
        try:
            compiled(value)
        except ValueError as trouble:
            raise ValueError(f"the pattern {value!r} cannot be used: {trouble}") from None
    return Matcher(_unquoted(label), operator, value)


def _unquoted(text: str) -> str:
    if text[:1] not in ("'", '"'):
        return text
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], text[1:-1])
