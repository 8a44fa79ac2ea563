"""The [ssh] table: its keys reach the probes that log in somewhere, and faulty ones are found when it is read."""

import subprocess
from pathlib import Path

import pytest

from alerting.config import Config
from alerting.configuration.reader import ConfigError, read_bytes
from alerting.configuration.targets import complete
from alerting.settings import load
from tests.needing import need

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
ENVIRONMENT = """
[environments.{name}]
replica = {{ ssh = "{login}", container = "postgres", user = "odoo", application_name = "replica" }}
"""


def read(text: str, **environ: str) -> Config:
    return read_bytes(text.encode(), "vedette.toml", load(environ))


def key(folder: Path, passphrase: str = "") -> str:
    made = folder / "key"
    subprocess.run([need("openssh")["ssh-keygen"], "-q", "-t", "ed25519", "-N", passphrase, "-f", made], check=True)
    return made.read_text()


def test_the_keys_reach_the_probe_that_logs_in(tmp_path: Path) -> None:
    table = f'[ssh]\nprivate_key = "${{SSH_PRIVATE_KEY}}"\nhost_keys = {{ "db.example" = "{HOST_KEY}" }}\n'
    private = key(tmp_path)
    shop = ENVIRONMENT.format(name="shop", login="root@db.example:2222")
    other = ENVIRONMENT.format(name="other", login="root@other.example")
    config = read(table + shop + other, SSH_PRIVATE_KEY=private.replace("\n", "\\n"))
    one, two = (config.watch_of[f"environment/{name}"].config for name in ("shop", "other"))
    assert (one["host_key"], one["private_key"]) == (HOST_KEY, private)
    assert "host_key" not in two
    assert two["private_key"] == private
    assert private not in repr(config)


def test_a_host_with_its_port_counts_more_than_without_and_the_probes_own_most() -> None:
    other = HOST_KEY.replace("AAAAIG", "AAAAIH")
    hosts = f'{{ "db.example" = "{HOST_KEY}", "db.example:2222" = "{other}" }}'
    config = read(f"[ssh]\nhost_keys = {hosts}\n")
    asked = complete(config, "replica", {"ssh": "root@db.example:2222"}, None)
    assert asked["host_key"] == other
    assert complete(config, "replica", {"ssh": "root@db.example"}, None)["host_key"] == HOST_KEY
    assert complete(config, "replica", {"ssh": "db.example", "host_key": "its own"}, None)["host_key"] == "its own"
    assert complete(config, "replica", {"dsn": "x"}, None) == {"dsn": "x"}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('private_key = "hunter2hunter2"', "private_key: expected a private key"),
        ('host_keys = { "db.example" = "ssh-ed25519 nonsense" }', "expected a host's public key"),
        (f'host_keys = {{ "-oProxyCommand=x" = "{HOST_KEY}" }}', "expected user@host"),
        ('known_hosts = "/etc/ssh/known"', "known_hosts: unknown key; there are: host_keys, private_key"),
    ],
)
def test_what_is_no_key_is_told_with_its_line_and_not_quoted(table: str, expected: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        read(f"[ssh]\n{table}\n")
    assert expected in str(refusal.value)
    assert "vedette.toml:2: ssh" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_a_key_with_a_passphrase_is_refused_when_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="protected by a passphrase"):
        read('[ssh]\nprivate_key = "${SSH_PRIVATE_KEY}"\n', SSH_PRIVATE_KEY=key(tmp_path, "secret"))
