"""`vedette probe` as a person or another monitor calls it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from alerting import settings
from alerting.cli.probe import probe
from tests.servers.http_target import HttpTarget
from tests.servers.postgres import PostgresPair
from tests.waiting import free_port

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.chdir(tmp_path)

    def run(*words: str, typed: str | None = None) -> Result:
        settings.current.cache_clear()
        try:
            return CliRunner().invoke(probe, words, input=typed, env={"VEDETTE_CONFIG": None})
        finally:
            settings.current.cache_clear()

    return run


def test_the_configuration_comes_as_text_from_a_file_or_on_stdin(call: Call) -> None:
    given = json.dumps({"host": "127.0.0.1", "port": free_port()})
    Path("tcp.json").write_text(given)
    ways = [call("tcp", "--config", given), call("tcp", "--config", "@tcp.json")]
    ways.append(call("tcp", "--config", "@-", typed=given))
    assert [way.exit_code for way in ways] == [2, 2, 2]
    assert all("refused" in way.stdout for way in ways)


@pytest.mark.parametrize("typed", ["", "{", "[1]"])
def test_what_is_no_configuration_is_unknown(call: Call, typed: str) -> None:
    result = call("tcp", "--config", "@-", typed=typed)
    assert result.exit_code == 3
    assert result.stderr.startswith("--config: ")


@pytest.mark.parametrize("words", [(), ("tcp", "--nonsense"), ("tcp", "more", "words")])
def test_called_wrongly_it_cannot_tell(call: Call, words: tuple[str, ...]) -> None:
    assert call(*words).exit_code == 3


def test_what_the_file_denies_is_denied(call: Call, http_target: HttpTarget) -> None:
    given = json.dumps({"url": http_target.url("/ok")})
    assert call("http", "--config", given).exit_code == 0
    Path("vedette.toml").write_text('[probes]\ndeny = ["127.0.0.0/8"]\n')
    result = call("http", "--config", given)
    assert result.exit_code in (2, 3)
    assert "may not be probed" in result.stdout


def test_a_pool_of_the_file_may_be_named(call: Call, postgres_pair: PostgresPair) -> None:
    Path("vedette.toml").write_text(f'[pools.shop]\nurl = "{postgres_pair.primary.url()}"\n')
    given = {"pool": "shop", "application_name": "replica"}
    result = call("replica", "--config", json.dumps(given), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["facts"]["status"] == "online"
    result = call("replica", "--config", json.dumps({**given, "pool": "other"}))
    assert result.exit_code == 3
    assert result.stderr.startswith("--config/pool: no such pool")


def test_a_faulty_file_is_told(call: Call) -> None:
    Path("vedette.toml").write_text("[nonsense]\n")
    result = call("tcp", "--config", json.dumps({"host": "127.0.0.1", "port": 1}))
    assert result.exit_code == 3
    assert "vedette.toml:1: nonsense" in result.stderr


def test_a_configuration_that_cannot_be_had_is_told_in_words(call: Call) -> None:
    Path("deep.json").write_text("[" * 100_000)
    said = {given: call("tcp", "--config", given) for given in ("@gone.json", "@deep.json", "{")}
    assert {result.exit_code for result in said.values()} == {3}
    assert said["@gone.json"].stderr == "--config: gone.json cannot be read: No such file or directory\n"
    assert said["@deep.json"].stderr == "--config: not a JSON document: nested too deeply\n"
    assert said["{"].stderr.startswith("--config: not a JSON document: ")


def test_what_a_schema_expects_is_told_in_its_words(call: Call) -> None:
    said = call("heartbeat", "--config", "{}")
    assert (said.exit_code, said.stderr) == (3, "--config: expected exactly one of period and cron\n")


def test_a_name_that_cannot_be_is_named(call: Call) -> None:
    said = call("metrics", "--config", '{"url": "http://127.0.0.1/", "values": {"status": "up"}}')
    assert said.exit_code == 3 and said.stderr.startswith("--config/values/status: expected a name of small letters")
