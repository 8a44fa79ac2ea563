"""Holding parts of a configuration to their JSON Schemas, and saying what breaks them without quoting any value."""

import json
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from jsonschema.exceptions import ValidationError, best_match

import schemas
from alerting.configuration.faults import Findings
from alerting.configuration.lines import Where

_TYPES = {
    "object": "a table",
    "array": "a list",
    "string": "text in quotes",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "nothing",
}


def hold(name: str, value: Any, findings: Findings, below: Where = ()) -> bool:
    """Hold `value`, which stands at `below`, to the schema `name`; whether it holds. Faults go to `findings`."""
    errors = list(schemas.validator(name).iter_errors(value))
    for error in errors:
        for where, message in _tell(error):
            findings.add((*below, *where), message)
    return not errors


def _tell(error: ValidationError) -> Iterator[tuple[Where, str]]:
    where: Where = tuple(error.absolute_path)
    instance: Any = error.instance
    limit: Any = error.validator_value
    if "propertyNames" in error.absolute_schema_path:
        yield (*where, str(instance)), f"expected {_expected(error)}"
    elif error.validator == "additionalProperties":
        yield from _unknown_keys(where, error)
    elif error.validator == "required":
        missing = [key for key in limit if key not in instance]
        yield where, f"{_list(missing[:1])} is missing"
    elif error.context and "expected" not in _schema(error):
        yield from _tell(best_match(error.context) or error.context[0])
    else:
        yield where, f"expected {_expected(error)}"


def _unknown_keys(where: Where, error: ValidationError) -> Iterator[tuple[Where, str]]:
    known = sorted(_schema(error).get("properties", {}))
    instance: Any = error.instance
    for key in instance:
        if key not in known:
            close = get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known) or 'none'}"
            yield (*where, key), f"unknown key; {hint}"


def _expected(error: ValidationError) -> str:
    schema = _schema(error)
    limit: Any = error.validator_value
    if "expected" in schema:
        return str(schema["expected"])
    words = {
        "type": lambda: " or ".join(_TYPES.get(kind, kind) for kind in ([limit] if isinstance(limit, str) else limit)),
        "enum": lambda: f"one of {_list(limit)}",
        "const": lambda: json.dumps(limit),
        "minimum": lambda: f"{limit} or more",
        "exclusiveMinimum": lambda: f"more than {limit}",
        "maximum": lambda: f"{limit} or less",
        "exclusiveMaximum": lambda: f"less than {limit}",
        "minLength": lambda: "some text" if limit == 1 else f"at least {limit} characters",
        "maxLength": lambda: f"at most {limit} characters",
        "minItems": lambda: f"at least {limit} of them",
        "maxItems": lambda: f"at most {limit} of them",
        "format": lambda: f"a value of the form {limit}",
        "pattern": lambda: f"text of the form {limit}",
    }
    known = words.get(str(error.validator))
    return known() if known else f"a value that keeps to {error.validator} of its schema"


def _schema(error: ValidationError) -> Mapping[str, Any]:
    return error.schema if isinstance(error.schema, Mapping) else {}


def _list(values: Iterable[Any]) -> str:
    return ", ".join(value if isinstance(value, str) else json.dumps(value) for value in values)
