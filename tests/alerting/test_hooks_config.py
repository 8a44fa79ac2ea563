"""The [hooks] tables of a configuration file: what they become, what is wrong with them, no key shown."""

import json
from pathlib import Path

import pytest

from alerting.config import Config
from alerting.configuration.faults import ConfigError
from alerting.configuration.heartbeats import digest
from alerting.configuration.reader import read
from alerting.settings import load

GOOD = """
[organizations.acme]
name = "Acme"
[organizations.globex]
name = "Globex"
[hooks.main]
source = "alertmanager"
organization = "acme"
key = "${HOOK_KEY}"
severities = { P1 = "critical", none = "resolved" }
default_severity = "info"
expire = "6h"
[hooks.kuma]
source = "json"
organization = "globex"
key = "kuma-key.0_~"
[hooks.kuma.mapping]
alerts = "/alerts"
id = ["/monitor/id", "/id"]
status = "/heartbeat/status"
resolved = [1, "up", true]
labels = { team = "/tags/0~1team" }
"""
JSON = "[hooks.a]\nsource = 'json'\nkey = '12345678'\n[hooks.a.mapping]\n"
MANAGER = "[hooks.a]\nsource = 'alertmanager'\nkey = '12345678'\n"


def config(text: str, tmp_path: Path) -> Config:
    path = tmp_path / "vedette.toml"
    path.write_text(text)
    return read(path, load({"HOOK_KEY": "the-hooks-key"}))


def test_a_hook_is_what_the_file_says(tmp_path: Path) -> None:
    main, kuma = config(GOOD, tmp_path).hooks
    assert (main.name, main.organization, main.source, main.expire) == ("main", "acme", "alertmanager", 21600.0)
    assert main.severities == {"p1": "critical", "none": "resolved"} and main.default_severity == "info"
    assert (kuma.source, kuma.organization, kuma.expire) == ("json", "globex", None)
    assert kuma.mapping["id"] == ["/monitor/id", "/id"] and kuma.default_severity == "warning"


def test_a_key_leads_to_its_hook_and_is_shown_nowhere(tmp_path: Path) -> None:
    found = config(GOOD, tmp_path)
    assert found.hook_keys == {digest("the-hooks-key"): "main", digest("kuma-key.0_~"): "kuma"}
    for shown in (repr(found), json.dumps(found.document)):
        assert "the-hooks-key" not in shown and "kuma-key" not in shown and digest("kuma-key.0_~") not in shown


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("[hooks.a]\nkey = '12345678'", "hooks.a", "source is missing"),
        ("[hooks.a]\nsource = 'netdata'", "hooks.a", "key is missing"),
        ("[hooks.a]\nsource = 'nagios'\nkey = '12345678'", "hooks.a.source", "there are: alertmanager, json, netdata"),
        ("[hooks.a]\nsource = 'netdata'\nkey = '1234567'", "hooks.a.key", "8 to 200"),
        ("[hooks.a]\nsource = 'netdata'\nkey = 'a/b/c/d/e'", "hooks.a.key", "8 to 200"),
        (
            MANAGER + "[hooks.b]\nsource = 'json'\nkey = '12345678'\nmapping.id = '/i'",
            "hooks.b.key",
            "hooks.a has the same",
        ),
        (MANAGER + "organization = 'gone'", "hooks.a.organization", "no such organization"),
        (MANAGER + "sorce = 'x'", "hooks.a.sorce", "did you mean source?"),
        (MANAGER + "mapping.id = '/id'", "hooks.a.mapping", "only a hook of the source json has one"),
        (MANAGER + "expire = '-1h'", "hooks.a.expire", "expected a duration"),
        (MANAGER + "default_severity = 'bad'", "hooks.a.default_severity", "info"),
        (MANAGER + "severities = { a = 'bad' }", "hooks.a.severities.a", "one of info, warning, critical, resolved"),
        (MANAGER + "severities = { a = 'info', A = 'info' }", "hooks.a.severities.A", "case is of no account"),
        ("[hooks.a]\nsource = 'json'\nkey = '12345678'", "hooks.a", "mapping is missing"),
        (JSON + "title = '/t'", "hooks.a.mapping", "id is missing"),
        (JSON + "id = 'id'", "hooks.a.mapping.id", "a JSON pointer such as"),
        (JSON + "id = '/a~2b'", "hooks.a.mapping.id", "a JSON pointer such as"),
        (JSON + "id = []", "hooks.a.mapping.id", "a JSON pointer such as"),
        (JSON + "id = ['/a', 'b']", "hooks.a.mapping.id", "a JSON pointer such as"),
        (JSON + "id = '/a'\nalerts = 'x'", "hooks.a.mapping.alerts", "a JSON pointer such as"),
        (JSON + "id = '/a'\nlabels = 'x'", "hooks.a.mapping.labels", "a JSON pointer to a table"),
        (JSON + "id = '/a'\nresolved = []", "hooks.a.mapping.resolved", "at least 1"),
        (JSON + "id = '/a'\nurgency = '/b'", "hooks.a.mapping.urgency", "unknown key"),
    ],
)
def test_what_is_wrong_with_one_is_told_in_its_place(text: str, where: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        config(f"[organizations.acme]\nname = 'Acme'\n{text}", tmp_path)
    found = [(fault.where, fault.message, fault.line) for fault in error.value.faults]
    assert any(where == place and words in message and line for place, message, line in found), found


def test_where_several_are_declared_its_organization_must_be_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="organization is missing"):
        config(GOOD.replace('organization = "globex"\n', ""), tmp_path)
