"""Addresses outside of checks that are none, though they look like one: of pools, of Netdata parents, of ourselves."""

from collections.abc import Iterator
from typing import Any

from alerting.configuration.faults import Findings
from alerting.configuration.lines import Where
from alerting.configuration.parts import Declared, text_of


def check_addresses(parts: Declared, findings: Findings) -> None:
    """Hold to be addresses what has the form of one, before anything leans on it; the text is never quoted."""
    from probes._machinery.checking import dsn_faults, url_faults

    for where, item in parts.items("pools"):
        if url := text_of(item, "url"):
            _add((*where, "url"), dsn_faults("", url), findings)
    for where, item in parts.items("netdata"):
        if url := text_of(item, "url"):
            _add((*where, "url"), url_faults("", url), findings)
    for where, url in _connectivity(parts):
        _add(where, url_faults("", url, ("http", "https", "tcp")), findings)


def _connectivity(parts: Declared) -> Iterator[tuple[Where, str]]:
    probes = parts.document.get("probes")
    urls = probes.get("connectivity") if isinstance(probes, dict) else None
    for number, url in enumerate(urls if isinstance(urls, list) else ()):
        if isinstance(url, str):
            yield ("probes", "connectivity", number), url


def _add(where: Where, faults: list[Any], findings: Findings) -> None:
    if not findings.spoiled(where):
        for fault in faults:
            findings.add_foreign(where, fault.message, "not an address that can be used")
