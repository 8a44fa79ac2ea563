"""Contracts of info checks that a configuration names by file, read in with it."""

import json
from collections.abc import Mapping
from typing import Any

from alerting.configuration.faults import Findings
from alerting.configuration.lines import Where
from alerting.configuration.named_files import content
from alerting.configuration.values import DEEPEST, too_deep

LARGEST = 262_144
"""Bytes a contract may have."""


def with_contract(where: Where, config: Mapping[str, Any], findings: Findings) -> Mapping[str, Any]:
    """The configuration of an info check with the JSON Schema its `contract` names, from the file's own folder.

    `where`: the place of `config`. What cannot be read goes to `findings`.
    """
    name = config.get("contract")
    if not isinstance(name, str):
        return config
    try:
        return {**config, "contract": _document(content(name, findings, LARGEST))}
    except ValueError as trouble:
        findings.add_foreign((*where, "contract"), f"{name}: {trouble}", "this file cannot be taken as a contract")
        return {**config, "contract": True}  # so that the one fault is told once


def _document(read: bytes) -> dict[str, Any]:
    """The JSON object in a file. Raises ValueError, its text what is wrong."""
    try:
        document = json.loads(read)
    except (ValueError, RecursionError):
        raise ValueError("expected a JSON Schema, found no JSON") from None
    if not isinstance(document, dict):
        raise ValueError("expected a JSON Schema, an object")
    if too_deep(document):
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    return document
