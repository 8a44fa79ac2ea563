"""Certificates and keys that a check names by file, read in with the configuration."""

from collections.abc import Mapping
from typing import Any

from alerting.configuration.faults import Findings
from alerting.configuration.lines import Where
from alerting.configuration.named_files import content

LARGEST = 200_000
"""Bytes such a file may have."""

_KEYS = ("ca", "client_certificate", "client_key")
_TOGETHER = (*_KEYS, "client_key_password")  # without one of them, of the others only what follows could be told


def with_pem(where: Where, config: Mapping[str, Any], findings: Findings) -> Mapping[str, Any]:
    """A check's configuration with the text of each file that it names where PEM is expected.

    `where`: the place of `config`. A name counts from the configuration file's own folder. What cannot be read goes to
    `findings`, and none of them is then there.
    """
    whole, lost = dict(config), False
    for key in _KEYS:
        value = config.get(key)
        if not isinstance(value, str) or "-----BEGIN" in value:
            continue
        try:
            whole[key] = _text(content(value, findings, LARGEST))
        except ValueError as trouble:
            findings.add_foreign((*where, key), f"{value}: {trouble}", "this file cannot be read")
            lost = True
    return {key: value for key, value in whole.items() if key not in _TOGETHER} if lost else whole


def _text(read: bytes) -> str:
    """The text of a file. Raises ValueError, its text what is wrong."""
    try:
        return read.decode("ascii")
    except UnicodeDecodeError:
        raise ValueError("expected PEM, a text in ASCII") from None
