"""Lines of keys: every way TOML has to write one, and any document at all."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from alerting.configuration.lines import Where, line_of, lines_of, spell

TEXT = """\
top = 1
dotted.inside."quoted key" = 2

[table.'literal key'.below]    # with a remark
list = [
  1,  # a remark
  { deep = { deeper = 3 } },

  [4],
]
text = '''
[not.a.table]
'''

[[many]]
name = "first"
[many.inner]
x = 1
[[many.more]]
[[many.more]]
y = 2

[[many]]
"\\u00e9t\\u00e9" = 1
inner = { x = 1, "y.z" = 2, w.v = 3 }
[table]
late = 1
"""


@pytest.mark.parametrize(
    ("where", "line"),
    [
        (("top",), 1),
        (("dotted", "inside", "quoted key"), 2),
        (("dotted",), 2),
        (("table", "literal key", "below"), 4),
        (("table", "literal key"), 4),
        (("table", "literal key", "below", "list"), 5),
        (("table", "literal key", "below", "list", 0), 6),
        (("table", "literal key", "below", "list", 1, "deep", "deeper"), 7),
        (("table", "literal key", "below", "list", 2, 0), 9),
        (("table", "literal key", "below", "text"), 11),
        (("many",), 15),
        (("many", 0), 15),
        (("many", 0, "name"), 16),
        (("many", 0, "inner", "x"), 18),
        (("many", 0, "more", 0), 19),
        (("many", 0, "more", 1, "y"), 21),
        (("many", 1), 23),
        (("many", 1, "été"), 24),
        (("many", 1, "inner", "y.z"), 25),
        (("many", 1, "inner", "w", "v"), 25),
        (("table", "late"), 27),
    ],
)
def test_every_way_to_write_a_key(where: Where, line: int) -> None:
    assert lines_of(TEXT)[where] == line


def test_what_has_no_line_is_where_the_thing_around_it_is() -> None:
    lines = lines_of(TEXT)
    assert line_of(lines, ("many", 1, "gone", "further")) == 23
    assert line_of(lines, ("nowhere",)) is None


def test_places_are_spelled_as_a_person_writes_them() -> None:
    assert spell(("checks", "web site", "config", "list", 0, "a-b_c")) == 'checks."web site".config.list[0].a-b_c'
    assert spell(()) == ""
    assert spell(("a\nb",)) == '"a?b"'


texts = st.text(st.characters(blacklist_categories=("Cs",)), max_size=5)
values = st.recursive(
    st.integers(0, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(texts, values))
def test_every_key_of_any_document_has_a_line_that_shows_it(document: dict[str, Any]) -> None:
    text = tomli_w.dumps(document)
    written = text.split("\n")
    lines = lines_of(text)
    for where, value in _places(tomllib.loads(text)):
        assert where in lines
        if isinstance(value, int):
            assert str(value) in written[lines[where] - 1]


def _places(value: Any, where: Where = ()) -> Iterator[tuple[Where, Any]]:
    if where:
        yield where, value
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(item, (*where, key))
