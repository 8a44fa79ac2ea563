"""Reading what a service exposes for Prometheus: text formats 0.0.4 and 1.0.0, and OpenMetrics."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

_NAME = rb"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABELS = rb'\{(?:[^"{}\n]|"(?:[^"\\\n]|\\.)*+")*+\}'
# Each line in one go and in C: a large exposition must not keep other checks waiting.
_STRANGE = re.compile(rb"^(?![ \t]*(?:#|$|\{|" + _NAME + rb"(?:[ \t]*\{|[ \t]+[-+.0-9IiNn])))[^\n]*", re.MULTILINE)
_SAMPLE = re.compile(
    rb"[ \t]*((?:" + _NAME + rb")?[ \t]*(?:" + _LABELS + rb")?)[ \t]*(?<=[ \t}])([^ \t]+)"  # name, labels, value
    rb"(?:[ \t]+[-+0-9.eE]+)?"  # when
    rb"(?:[ \t]+#[^\n]*)?[ \t]*"  # an exemplar
)
_MOST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Series:
    """A series and its value now, which may be NaN or infinite."""

    name: str
    labels: Mapping[str, str]
    value: float


def series(body: bytes, names: Collection[str], openmetrics: bool = False) -> list[Series]:
    """Every series of these names, in the body's order. Raises ValueError, its text why this is no exposition."""
    body = body.replace(b"\r\n", b"\n")
    if not body.strip():
        raise ValueError("it is empty")
    if openmetrics and not body.rstrip().endswith(b"# EOF"):
        raise ValueError("it ends before its # EOF")
    if strange := _STRANGE.search(body):
        raise _misread(body, strange.start(), strange[0])
    wanted = [_cleaned(body, found) for found in _lines_of(frozenset(names)).finditer(body)]
    return _parsed(b"\n".join(wanted))


def _cleaned(body: bytes, line: re.Match[bytes]) -> bytes:
    """A sample's line without its moment and exemplar."""
    sample = _SAMPLE.fullmatch(line[0])
    if sample is None:
        raise _misread(body, line.start(), line[0])
    return sample[1].strip() + b" " + sample[2]


def _parsed(lines: bytes) -> list[Series]:
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(lines.decode() + "\n"))
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except (ValueError, IndexError, KeyError) as trouble:
        raise ValueError(f"it cannot be read: {str(trouble)[:_MOST_SHOWN]}") from None
    return [Series(one.name, one.labels, one.value) for family in families for one in family.samples]


def _misread(body: bytes, at: int, line: bytes) -> ValueError:
    shown = line.decode("utf-8", "replace").strip()
    shown = shown if len(shown) <= _MOST_SHOWN else shown[:_MOST_SHOWN] + "…"
    number = body.count(b"\n", 0, at) + 1
    return ValueError(f"line {number} is {shown!r}")


@lru_cache(256)
def _lines_of(names: frozenset[str]) -> re.Pattern[bytes]:
    """Finds the lines of series of these names, and those that have their name within the braces."""
    known = b"|".join(re.escape(name.encode()) for name in sorted(names))
    return re.compile(rb"^[ \t]*(?:(?:" + known + rb")(?=[ \t{])|\{)[^\n]*", re.MULTILINE)
