"""Where the file's probes may go, and the certificates that its checks name: read, or refused with the line."""

from pathlib import Path

import pytest

from alerting.config import Config
from alerting.configuration.reader import ConfigError, read
from alerting.settings import Settings
from tests.servers.tls import authority

HEAD = '[organizations.acme]\n\n[checks.web]\nkind = "http"\n'


def configured(folder: Path, text: str) -> Config:
    path = folder / "vedette.toml"
    path.write_text(HEAD + text)
    return read(path, Settings())


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        configured(folder, text)
    return [str(fault).removeprefix(str(folder / "vedette.toml")) for fault in caught.value.faults]


SOUND = 'config = { url = "https://acme.example/" }\n'


def test_networks_are_denied_and_excepted(tmp_path: Path) -> None:
    found = configured(tmp_path, SOUND + '[probes]\ndeny = ["10.0.0.0/8"]\nallow = ["10.1.2.3/16", "fd00::/8"]\n')
    assert found.denied_networks == ("10.0.0.0/8",)
    assert found.allowed_networks == ("10.1.0.0/16", "fd00::/8")


@pytest.mark.parametrize("key", ["deny", "allow"])
def test_what_is_no_network_is_refused(tmp_path: Path, key: str) -> None:
    (said,) = faults(tmp_path, SOUND + f'[probes]\n{key} = ["10.0.0.0/8", "inside"]\n')
    assert said == f":7: probes.{key}[1]: expected a network such as 10.0.0.0/8 or fd00::/8"


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/", "http://0.0.0.0/", "http://[fe80::1]/", "http://2852039166/", "http://0xa9.0xfea9fe/"],
)
def test_a_target_that_nothing_may_probe_is_refused_with_its_line(tmp_path: Path, url: str) -> None:
    (said,) = faults(tmp_path, f'config = {{ url = "{url}" }}\n')
    assert said.startswith(":5: checks.web.config.url: the target's address may not be probed")


def test_certificates_may_be_named_by_file(tmp_path: Path) -> None:
    ours = authority()
    (tmp_path / "ours.pem").write_text(ours.pem)
    client = ours.leaf(tmp_path / "client.pem")
    text = 'config = { url = "https://a.example/", ca = "ours.pem", client_certificate = "client.pem" }\n'
    (watch,) = configured(tmp_path, text).watches
    assert watch.config["ca"] == ours.pem
    assert watch.config["client_certificate"] == client.read_text()
    assert "PRIVATE KEY" not in repr(watch)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "ours.pem: cannot be read: No such file or directory"),
        (b"\xff\xfe", "ours.pem: expected PEM, a text in ASCII"),
        (b"x" * 200_001, "ours.pem: too large; expected at most 200000 bytes"),
        (b"x", "not a certificate in PEM; expected -----BEGIN CERTIFICATE----- and so on"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "ours.pem").write_bytes(content)
    text = 'config = { url = "https://a.example/", ca = "ours.pem", client_key_password = "opened-s3same" }\n'
    found = faults(tmp_path, text)
    assert found[0] == f":5: checks.web.config.ca: {said}"


@pytest.mark.parametrize(
    "kind, config, key",
    [
        ("http", 'url = "http://acme.example:0/"', "url"),
        ("http", 'url = "http://999.1.1.1/"', "url"),
        ("tcp", 'host = "10.1.1.256", port = 80', "host"),
        ("ping", 'host = "10.0.0.1.5"', "host"),
        ("redis", 'url = "redis://:hunter2@cache:0/"', "url"),
        ("postgres", 'dsn = "postgresql://u:hunter2@db:99999/x"', "dsn"),
        ("postgres", 'dsn = "host=db port=0"', "dsn"),
        ("replica", 'dsn = "postgresql://u:hunter2@db:0/x", application_name = "a"', "dsn"),
        ("http", 'url = "http://acme.example/", json = { queue = { "=>" = 3 } }', "json.queue"),
        ("http", 'url = "http://acme.example/", headers = { X-Key = "hunter2\\n" }', "headers.X-Key"),
    ],
)
def test_a_target_that_can_be_none_is_refused(tmp_path: Path, kind: str, config: str, key: str) -> None:
    text = f'[organizations.acme]\n[checks.x]\nkind = "{kind}"\nconfig = {{ {config} }}\n'
    path = tmp_path / "vedette.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(path, Settings())
    assert str(caught.value).startswith(f"{path}:4: checks.x.config.{key}: "), str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text, where",
    [
        ('[pools.shop]\nurl = "postgresql://u:hunter2@db:99999/x"\n', "7: pools.shop.url"),
        ('[netdata.main]\nurl = "http://netdata.example:70000"\n', "7: netdata.main.url"),
        ('[probes]\nconnectivity = ["tcp://10.0.0.1:70000"]\n', "7: probes.connectivity[0]"),
        ("[servers.this]\nlocal = true\nthresholds = { cpu = [95, 80] }\n", "8: servers.this.thresholds.cpu"),
    ],
)
def test_what_only_looks_like_an_address_or_a_pair_is_refused(tmp_path: Path, text: str, where: str) -> None:
    (said,) = faults(tmp_path, SOUND + text)
    assert said.startswith(f":{where}: ") and "hunter2" not in said


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "0x7f000001", "db-1", "db1.example", "[::1]", "xn--bcher-kva.example."]
)
def test_every_spelling_of_a_host_is_taken(tmp_path: Path, host: str) -> None:
    configured(tmp_path, f'config = {{ url = "http://{host}:65535/" }}\n')
