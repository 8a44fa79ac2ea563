"""The [ssh] table: the key Vedette logs in with, the host keys it believes, and what they mean to a probe."""

from collections.abc import Mapping
from typing import Any

from alerting.config import Ssh
from alerting.configuration.faults import Findings
from alerting.configuration.parts import Declared, text_of


def read_ssh(parts: Declared) -> Ssh:
    """What the table says, as far as it has the right shape."""
    table = parts.document.get("ssh")
    if not isinstance(table, dict):
        return Ssh()
    hosts = table.get("host_keys")
    key = text_of(table, "private_key") or None
    return Ssh(
        # A variable of one line can hold a key only with its line ends written out.
        private_key=key.replace("\\n", "\n") if key else None,
        host_keys={host: text for host, text in hosts.items() if text} if isinstance(hosts, dict) else {},
    )


def check_ssh(parts: Declared, findings: Findings) -> None:
    """Whether keys are keys and hosts are hosts: found out now, not at three in the night."""
    ssh = read_ssh(parts)
    if findings.spoiled(("ssh",)) or ssh == Ssh():
        return
    from probes._machinery.ssh_keys import read_host_keys, read_private_key
    from probes._machinery.ssh_login import read_login

    try:
        if ssh.private_key is not None:
            read_private_key(ssh.private_key)
    except ValueError as trouble:
        findings.add(("ssh", "private_key"), str(trouble))
    for host, text in ssh.host_keys.items():
        try:
            read_login(host)
            read_host_keys(text)
        except ValueError as trouble:
            findings.add(("ssh", "host_keys", host), str(trouble))


def with_keys(ssh: Ssh, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """A probe's configuration with the keys that its `ssh` needs; what it names itself counts more."""
    host = str(given.get("ssh", "")).rpartition("@")[2]
    if not host:
        return given
    name = host.rpartition(":")[0].strip("[]") or host
    found = {"host_key": ssh.host_keys.get(host) or ssh.host_keys.get(name), "private_key": ssh.private_key}
    return {**{key: value for key, value in found.items() if value}, **given}
