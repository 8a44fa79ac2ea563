"""A contract that a configuration names by file: read with it, and refused with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from alerting.config import Config
from alerting.configuration.reader import ConfigError, read
from alerting.settings import load

SCHEMA = {"type": "object", "required": ["build"]}


def configured(folder: Path, contract: str) -> Config:
    path = folder / "vedette.toml"
    path.write_text(
        f'[checks.crm]\nkind = "info"\nconfig = {{ url = "http://127.0.0.1/info", contract = {contract} }}\n'
    )
    return read(path, load({}))


def refusal(folder: Path, contract: str) -> str:
    with pytest.raises(ConfigError) as refused:
        configured(folder, contract)
    return str(refused.value)


def test_a_file_beside_the_configuration_is_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "crm.json").write_text(json.dumps(SCHEMA))
    monkeypatch.chdir("/")
    assert configured(tmp_path, '"contracts/crm.json"').watches[0].config["contract"] == SCHEMA
    assert configured(tmp_path, f'"{tmp_path}/contracts/crm.json"').watches[0].config["contract"] == SCHEMA


def test_a_schema_may_stand_in_the_configuration_itself(tmp_path: Path) -> None:
    assert configured(tmp_path, '{ type = "object", required = ["build"] }').watches[0].config["contract"] == SCHEMA
    assert configured(tmp_path, "false").watches[0].config["contract"] is False


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "c.json: cannot be read: No such file or directory"),
        ("not JSON", "c.json: expected a JSON Schema, found no JSON"),
        ("[1]", "c.json: expected a JSON Schema, an object"),
        ('{"type": "objct"}', "type: not a JSON Schema: "),
        ('{"$ref": "http://127.0.0.1:9/x"}', "others are never fetched"),
        ('{"a":' * 30 + "1" + "}" * 30, "c.json: nested deeper than 20 levels"),
        ("[" * 100_000, "found no JSON"),
        (" " * 300_000, "c.json: too large; expected at most 262144 bytes"),
    ],
)
def test_what_cannot_be_a_contract_is_told_once_with_its_place(tmp_path: Path, content: Any, said: str) -> None:
    if content is not None:
        (tmp_path / "c.json").write_text(content)
    told = refusal(tmp_path, '"c.json"')
    assert told.startswith(f"{tmp_path}/vedette.toml:3: checks.crm.config.contract")
    assert said in told
    assert "\n" not in told
