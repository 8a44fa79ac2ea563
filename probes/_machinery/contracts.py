"""JSON Schemas of others: whether one can be used, and what in a document breaks it, in bounded time and offline."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend, validator_for
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

import schemas
from probes._machinery.documents import canonical, shown
from probes._machinery.patterns import compiled, matches
from schemas import Fault

LIBERTY = "liberty_info"
"""The contract of /info that holds where a check names none: a schema of ours."""

_REMEMBERED = 64
_MOST_FOLLOWED = 20_000
_NEWEST = "https://json-schema.org/draft/2020-12/schema"
_VALUES = ("const", "enum", "default", "examples")  # what lies below these is no schema
_NAMED = ("properties", "patternProperties", "$defs", "dependentSchemas", "definitions")


def broken(contract: bool | Mapping[str, Any], document: Any) -> list[Fault]:
    """What in `document` breaks the contract: True is Liberty's, False none, an object a JSON Schema."""
    if contract is False:
        return []
    if contract is True:
        return schemas.faults(LIBERTY, document)
    checker, followed = _validator(json.dumps(contract))
    followed.clear()
    try:
        return schemas.faults_in(checker, document)
    except _TooOften:
        return [Fault("", f"the contract itself cannot be followed: it refers more than {_MOST_FOLLOWED} times")]
    except Unresolvable as trouble:
        return [Fault("", f"the contract itself cannot be followed: {trouble}")]


def schema_faults(pointer: str, schema: Mapping[str, Any]) -> list[Fault]:
    """What keeps `schema`, which stands at `pointer`, from being used as a contract."""
    if schema.get("$schema", _NEWEST) != _NEWEST and _speaker(schema) is Draft202012Validator:
        return [Fault(f"{pointer}/$schema", "not a draft of JSON Schema that is known here; leave it out")]
    try:
        _speaker(schema).check_schema(schema)
    except SchemaError as error:
        way = "".join(f"/{part}" for part in error.absolute_path)
        return [Fault(pointer + way, f"not a JSON Schema: {error.message[:200]}")]
    except RecursionError:
        return [Fault(pointer, "not a JSON Schema: nested too deeply")]
    parts = list(_parts(schema, pointer))
    found = [fault for where, part in parts for fault in _part_faults(schema, where, part)]
    if any("patternProperties" in part for _, part in parts) and any("unevaluatedProperties" in p for _, p in parts):
        found.append(Fault(pointer, "unevaluatedProperties does not go with patternProperties here; take one out"))
    return found


def _part_faults(whole: Mapping[str, Any], where: str, part: Mapping[str, Any]) -> Iterator[Fault]:
    for key in ("$ref", "$dynamicRef"):
        if key in part and not _leads_somewhere(whole, part[key]):
            yield Fault(f"{where}/{key}", f"{part[key]!r} leads nowhere in this schema; others are never fetched")
    for pattern in (part.get("pattern"), *part.get("patternProperties", ())):
        if pattern is not None and (trouble := _pattern_trouble(pattern)):
            yield Fault(f"{where}/pattern", f"{pattern!r} cannot be used: {trouble}")


def _parts(schema: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every schema within `schema`, itself included, with its place."""
    if isinstance(schema, Mapping):
        yield where, schema
        for key, value in schema.items():
            inner = value.items() if key in _NAMED and isinstance(value, Mapping) else ()
            for name, one in inner:
                yield from _parts(one, f"{where}/{key}/{name}")
            if key not in _VALUES and not inner:
                yield from _parts(value, f"{where}/{key}")
    elif isinstance(schema, list):
        for index, one in enumerate(schema):
            yield from _parts(one, f"{where}/{index}")


def _leads_somewhere(whole: Mapping[str, Any], reference: str) -> bool:
    resource = Resource.from_contents(whole, default_specification=DRAFT202012)
    base = resource.id() or ""
    try:
        _NOTHING_ELSE.with_resource(base, resource).crawl().resolver(base).lookup(reference)
    except (Unresolvable, ValueError):
        return False
    return True


def _pattern_trouble(pattern: str) -> str:
    try:
        compiled(pattern)
    except ValueError as trouble:
        return str(trouble)
    return ""


@lru_cache(_REMEMBERED)
def _validator(schema: str) -> tuple[Draft202012Validator, list[str]]:
    """A validator, and the references it has followed: some that double never come to an end."""
    read, followed = json.loads(schema), list[str]()
    speaker = _speaker(read)

    def follow(checker: Any, reference: str, value: Any, part: Any) -> Iterator[ValidationError]:
        followed.append(reference)
        if len(followed) > _MOST_FOLLOWED:
            raise _TooOften
        yield from speaker.VALIDATORS["$ref"](checker, reference, value, part) or ()

    bounded: Any = extend(speaker, {**_BOUNDED, "$ref": follow})  # type: ignore[no-untyped-call]
    return bounded(read, registry=_NOTHING_ELSE), followed


class _TooOften(Exception):
    """A contract whose references lead on and on."""


def _speaker(schema: Mapping[str, Any]) -> Any:
    """The validator of the draft that the schema says it is written in; the newest where it says none we know."""
    return validator_for(schema, default=Draft202012Validator)


# Patterns by RE2 and uniqueness by sets: Python's own ways take exponential and quadratic time, on what a target says.


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not matches(pattern, value):
        yield ValidationError(f"{shown(value)} does not match {pattern!r}")


def _pattern_properties(checker: Any, patterns: Any, value: Any, _: Any) -> Iterator[ValidationError]:
    for pattern, inner in patterns.items() if isinstance(value, dict) else ():
        for name in (name for name in value if matches(pattern, name)):
            yield from checker.descend(value[name], inner, path=name, schema_path=pattern)


def _additional_properties(checker: Any, inner: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    names = value if isinstance(value, dict) else ()
    extra = [name for name in names if name not in known and not any(matches(one, name) for one in patterns)]
    if inner is False and extra:
        yield ValidationError(f"fields that should not be there: {', '.join(map(repr, extra))}")
    elif inner is not False:
        for name in extra:
            yield from checker.descend(value[name], inner, path=name)


def _unique_items(_: Any, unique: bool, value: Any, __: Any) -> Iterator[ValidationError]:
    if unique and isinstance(value, list) and len({canonical(one) for one in value}) < len(value):
        yield ValidationError("its items are not all different")


_NOTHING_ELSE: Registry[Any] = Registry()
_BOUNDED: Mapping[str, Any] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
}
