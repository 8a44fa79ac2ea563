"""The contracts: every JSON shape that crosses a border, as JSON Schema 2020-12, and how to hold a value to one."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend
from referencing import Registry, Resource

_MOST_FAULTS = 1000  # a list of a million wrong items is told well enough by its first
_MESSAGE_LENGTH = 300  # a fault quotes the value it is about, and that value may be hostile


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a value: where (a JSON pointer, "" for the whole) and what, in words."""

    pointer: str
    message: str


@cache
def load(name: str) -> dict[str, Any]:
    """The schema `schemas/<name>.json`, e.g. "info" or "events/alert_triggered". Raises FileNotFoundError."""
    schema: dict[str, Any] = json.loads(files(__name__).joinpath(f"{name}.json").read_text("utf-8"))
    return schema


def names(folder: str) -> tuple[str, ...]:
    """The schemas of a folder, sorted, without their ending: names("probes") → ("http", "info", …)."""
    entries = files(__name__).joinpath(folder).iterdir()
    return tuple(sorted(entry.name.removesuffix(".json") for entry in entries if entry.name.endswith(".json")))


def faults(name: str, value: Any) -> list[Fault]:
    """Everything in `value` that breaks the schema `name`, in document order; empty when it holds, 1000 at most."""
    return faults_in(validator(name), value)


def faults_in(checker: Draft202012Validator, value: Any) -> list[Fault]:
    """The same for a validator of the caller's. A value nested too deep to check is itself a fault."""
    try:
        found = islice(checker.iter_errors(value), _MOST_FAULTS)
        errors = sorted(found, key=lambda error: [str(part) for part in error.absolute_path])
        return [_fault(error) for error in errors]
    except RecursionError:
        return [Fault("", "nested too deeply")]


@cache
def validator(name: str) -> Draft202012Validator:
    """A validator of the schema `name`, made once: validating with it again costs a thirtieth."""
    checker: Draft202012Validator = _VALIDATOR(
        load(name), registry=_REGISTRY, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    return checker


def _retrieve(uri: str) -> Resource[Any]:
    return Resource.from_contents(load(uri.removeprefix("../").removesuffix(".json")))


def _fault(error: ValidationError) -> Fault:
    deepest = best_match([error]) or error
    if isinstance(deepest.schema, dict) and "expected" in deepest.schema and deepest.validator not in _OF_A_KEY:
        name = f"/{_escape(str(deepest.instance))}" if "propertyNames" in deepest.absolute_schema_path else ""
        return Fault(_pointer(deepest) + name, f"expected {deepest.schema['expected']}")
    secret = isinstance(deepest.schema, dict) and deepest.schema.get("writeOnly", False)
    message = f"does not keep to `{deepest.validator}`" if secret else deepest.message
    return Fault(_pointer(deepest), message[:_MESSAGE_LENGTH])


def _pointer(error: ValidationError) -> str:
    return "".join(f"/{_escape(str(part))}" for part in error.absolute_path)


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    """As ECMA-262 reads it: a last `$` is the end of the text, where Python's also stands before a line end there."""
    exact = pattern[:-1] + r"\Z" if pattern.endswith("$") and not pattern.endswith(r"\$") else pattern
    if isinstance(instance, str) and not re.search(exact, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


_OF_A_KEY = ("additionalProperties", "required")  # what they say names the key, which `expected` does not
_VALIDATOR = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
_REGISTRY: Registry[Any] = Registry(retrieve=_retrieve)  # type: ignore[call-arg]  # attrs hides it from the checker
