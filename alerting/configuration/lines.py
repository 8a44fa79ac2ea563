"""On which line of a TOML text each key stands, which `tomllib` does not tell."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

Where = tuple[str | int, ...]
"""The way to a value: ("rules", 0, "threshold")."""


def lines_of(text: str) -> Mapping[Where, int]:
    """The line, from 1, of every key, table and array element of a TOML text that `tomllib` takes."""
    import tree_sitter_toml
    from tree_sitter import Language, Parser

    tree = Parser(Language(tree_sitter_toml.language())).parse(text.encode("utf-8"))
    walk = _Walk()
    for node in tree.root_node.children:
        walk.statement(node)
    return walk.lines


def line_of(lines: Mapping[Where, int], where: Where) -> int | None:
    """The line of `where`, or of the nearest thing around it that has one."""
    return next((lines[where[:end]] for end in range(len(where), 0, -1) if where[:end] in lines), None)


def spell(where: Where) -> str:
    """`where` as a person writes it: `checks.website.config.url`, `rules[0].name`, `checks."two words".kind`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_spell_key(part)}" for part in where)
    return text.removeprefix(".")


def _spell_key(key: str) -> str:
    plain = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if plain else '"' + "".join(mark if mark.isprintable() else "?" for mark in key) + '"'


@dataclass(slots=True)
class _Walk:
    """One pass over the statements in order: arrays of tables count up as their headers come."""

    lines: dict[Where, int] = field(default_factory=dict)
    counts: dict[Where, int] = field(default_factory=dict)

    def statement(self, node: "Node") -> None:
        if node.type == "pair":
            self._pair((), node)
        elif node.type in ("table", "table_array_element"):
            base = self._header(node)
            for child in node.children:
                if child.type == "pair":
                    self._pair(base, child)

    def _header(self, node: "Node") -> Where:
        keys, line = _keys(node.children[1]), _line(node)
        base: Where = ()
        for key in keys[:-1]:
            base = self._last((*base, key), line)
        base = (*base, keys[-1])
        if node.type == "table_array_element":
            self.lines.setdefault(base, line)
            self.counts[base] = self.counts.get(base, -1) + 1
            base = (*base, self.counts[base])
        self.lines[base] = line
        return base

    def _last(self, where: Where, line: int) -> Where:
        # A header below an array of tables speaks of the array's latest element.
        self.lines.setdefault(where, line)
        return (*where, self.counts[where]) if where in self.counts else where

    def _pair(self, base: Where, node: "Node") -> None:
        for key in _keys(node.children[0]):
            base = (*base, key)
            self.lines.setdefault(base, _line(node))
        self._value(base, node.children[-1])

    def _value(self, base: Where, node: "Node") -> None:
        if node.type == "inline_table":
            for child in node.children:
                if child.type == "pair":
                    self._pair(base, child)
        elif node.type == "array":
            for index, child in enumerate(
                child for child in node.children if child.is_named and child.type != "comment"
            ):
                self.lines[(*base, index)] = _line(child)
                self._value((*base, index), child)


def _line(node: "Node") -> int:
    return int(node.start_point[0]) + 1


def _keys(node: "Node") -> list[str]:
    return [_key(leaf) for leaf in _leaves(node)]


def _leaves(node: "Node") -> Iterator["Node"]:
    # Dotted keys nest to the left, as deep as they are long: hence a list of what is left rather than recursion.
    left = [node]
    while left:
        node = left.pop()
        if node.type == "dotted_key":
            left.extend(reversed(node.children))
        elif node.type in ("bare_key", "quoted_key"):
            yield node


def _key(node: "Node") -> str:
    text = (node.text or b"").decode("utf-8")
    return text if node.type == "bare_key" else next(iter(tomllib.loads(f"{text} = 0")))
