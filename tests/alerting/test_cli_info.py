"""`vedette info`: exit codes and words for whoever deploys, against a real server; and accepting, all the way."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from alerting.cli import vedette
from tests.probes.test_probe_info_contract import LIBERTY, altered
from tests.servers.http_target import HttpTarget
from tests.servers.process import Start
from tests.waiting import free_port, wait_until

Check = Callable[..., Result]


@pytest.fixture
def check(http_target: HttpTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Type `vedette info check URL …` in an empty folder; the service answers as Liberty does, or with `document`."""
    monkeypatch.chdir(tmp_path)

    def typed(*words: str, document: Any = LIBERTY) -> Result:
        http_target.documents["/info"] = document
        return CliRunner().invoke(vedette, ["info", "check", http_target.url("/info"), *words])

    return typed


def write(name: str, document: Any) -> str:
    Path(name).write_text(json.dumps(document))
    return name


def test_a_good_answer_is_0(check: Check) -> None:
    done = check()
    assert (done.exit_code, done.stdout) == (0, "OK - Liberty 2026.06.1: as expected\n")


def test_what_is_saved_is_a_baseline(check: Check) -> None:
    assert check("--save", "saved.json").exit_code == 0
    assert json.loads(Path("saved.json").read_text()) == LIBERTY
    assert check("--baseline", "saved.json").exit_code == 0
    assert [path.name for path in Path().iterdir()] == ["saved.json"]


def test_a_broken_answer_is_saved_too_for_it_is_what_was_asked_for(check: Check) -> None:
    assert check("--save", "saved.json", document={"name": "x"}).exit_code == 2
    assert json.loads(Path("saved.json").read_text()) == {"name": "x"}


@pytest.mark.parametrize(
    ("place", "value", "code", "line"),
    [
        ("screens.total", 48, 0, "  additive  ~ /screens/total: 47 → 48"),
        ("ai.provider", "local", 0, '  additive  + /ai/provider: "local"'),
        ("version", "2026.07.0", 0, '  additive  ~ /version: "2026.06.1" → "2026.07.0"'),
        ("auth.backend", "toml", 1, '  changed  ~ /auth/backend: "db" → "toml"'),
        ("license.mode", "restricted", 2, '  breaking  ~ /license/mode: "full" → "restricted"'),
        ("crypto.configured", False, 2, "  breaking  ~ /crypto/configured: true → false"),
        ("ai.available", False, 2, "  breaking  ~ /ai/available: true → false"),
        ("ai.model", None, 2, '  breaking  - /ai/model: "some-model"'),
        ("ai.model", 5, 2, '  breaking  ~ /ai/model: "some-model" → 5'),
    ],
)
def test_each_change_is_listed_and_counts_by_its_weight(
    check: Check, place: str, value: Any, code: int, line: str
) -> None:
    done = check("--baseline", write("b.json", LIBERTY), document=altered(place, value))
    assert done.exit_code == code, done.output
    assert line in done.stdout.splitlines()
    assert "changes since the baseline:" in done.stdout


def test_expectations_and_contract_faults_are_told_apart(check: Check) -> None:
    expected = write("e.json", {"version": "2026.07.0", "crypto": {"configured": True}})
    done = check("--expect", expected, document=altered("connectors_loaded", "4"))
    assert done.exit_code == 2
    assert done.stdout.splitlines() == [
        "CRITICAL - Liberty 2026.06.1: 1 contract fault, 1 unmet expectation",
        "contract faults:",
        "  /connectors_loaded: '4' is not of type 'integer'",
        "unmet expectations:",
        '  /version is "2026.06.1", expected "2026.07.0"',
    ]
    assert check("--expect", write("e.json", {"crypto": {"configured": True}, "connectors": ["crm"]})).exit_code == 0


def test_another_contract_or_none(check: Check) -> None:
    assert check(document={"build": 12}).exit_code == 2
    assert check("--no-contract", document={"build": 12}).exit_code == 0
    schema = write("s.json", {"properties": {"build": {"type": "string"}}})
    done = check("--schema", schema, document={"build": 12})
    assert (done.exit_code, "/build: 12 is not of type 'string'" in done.stdout) == (2, True)


def test_a_program_gets_json(check: Check) -> None:
    changed = altered("ai.model", None) | {"beta": None}
    done = check("--json", "--baseline", write("b.json", LIBERTY), document=changed)
    told = json.loads(done.stdout)
    assert (done.exit_code, told["status"], told["contract_faults"], told["unmet_expectations"]) == (
        2,
        "critical",
        [],
        [],
    )
    assert told["changes"] == [
        {"change": "removed", "weight": "breaking", "pointer": "/ai/model", "before": "some-model"},
        {"change": "added", "weight": "additive", "pointer": "/beta", "after": None},
    ]
    assert json.loads(check("--json").stdout)["changes"] is None


@pytest.mark.parametrize(
    ("path", "said"),
    [("/status/503", "HTTP 503, expected 200"), ("/latin", "the answer is not JSON: "), ("/gone", "CRITICAL - ")],
)
def test_no_good_answer_is_2(http_target: HttpTarget, path: str, said: str) -> None:
    done = CliRunner().invoke(vedette, ["info", "check", http_target.url(path)])
    assert done.exit_code == 2
    assert said in done.stdout


def test_nobody_there_and_nobody_answering_are_2(http_target: HttpTarget) -> None:
    done = CliRunner().invoke(vedette, ["info", "check", "http://127.0.0.1:1/info", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["message"]) == (2, "connection refused by 127.0.0.1:1")
    begun = time.monotonic()
    done = CliRunner().invoke(vedette, ["info", "check", http_target.url("/hang"), "--timeout", "0.3"])
    assert (done.exit_code, time.monotonic() - begun < 5) == (2, True)
    assert "0.3 s" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--baseline", "none.json"], "--baseline none.json: cannot be read: No such file or directory"),
        (["--expect", "."], "--expect .: cannot be read: Is a directory"),
        (["--expect", "text"], "--expect text: not a JSON document"),
        (["--baseline", "list"], "--baseline list: expected a JSON object"),
        (["--schema", "schema"], "--schema: /type: not a JSON Schema"),
        (["--schema", "schema", "--no-contract"], "exclude each other"),
        (["--save", "no/such/folder/x"], "--save no/such/folder/x: cannot be written: No such file or directory"),
        (["--header", "nonsense"], "--header: expected 'NAME: VALUE'"),
        (["--header", "a b: c"], "--header: "),
        (["--timeout", "0"], "--timeout: "),
        (["--timeout", "soon"], "'soon' is not a valid float"),
        (["--expct", "x"], "No such option"),
    ],
)
def test_bad_input_is_2_and_named(check: Check, words: list[str], said: str) -> None:
    Path("text").write_text("not JSON")
    write("list", [1])
    write("schema", {"type": "objct"})
    done = check(*words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_a_url_that_is_none_is_2_and_not_quoted() -> None:
    done = CliRunner().invoke(vedette, ["info", "check", "ftp://u:PLANTED@127.0.0.1/"])
    assert (done.exit_code, "URL: the scheme 'ftp' is not spoken here" in done.stderr) == (2, True)
    assert "PLANTED" not in done.output


def test_headers_are_sent(http_target: HttpTarget, tmp_path: Path) -> None:
    expected = tmp_path / "e.json"
    expected.write_text('{"headers": {"X-Key": "a: b"}}')
    words = ["--no-contract", "--header", "X-Key: a: b", "--expect", str(expected)]
    assert CliRunner().invoke(vedette, ["info", "check", http_target.url("/echo"), *words]).exit_code == 0


def test_what_the_service_says_cannot_move_the_cursor(check: Check) -> None:
    done = check(document=LIBERTY | {"name": "\x1b[2J\x07evil", "version": "\n"})
    assert (done.exit_code, done.stdout) == (0, "OK -  [2J evil  : as expected\n")


CONFIG = """
[checks.crm]
kind = "info"
every = "1s"
config = {{ url = "{url}" }}

[checks.site]
kind = "http"
every = "1h"
config = {{ url = "{url}" }}
"""


def test_vedettes_own_info_passes_the_smoke_test(start: Start, tmp_path: Path) -> None:
    port = free_port()
    start("web", env={"PORT": str(port)}).wait_ready(f"http://127.0.0.1:{port}/health")
    saved = str(tmp_path / "own.json")
    words = ["info", "check", f"http://127.0.0.1:{port}/info"]
    assert start(*words, "--save", saved).wait(20) == 0
    Path(tmp_path / "expect.json").write_text('{"name": "Vedette", "license": {"mode": "full"}}')
    again = start(*words, "--baseline", saved, "--expect", "expect.json")
    assert (again.wait(20), again.stdout.startswith("OK - Vedette ")) == (0, True)


def test_drift_is_told_until_it_is_accepted(start: Start, tmp_path: Path, http_target: HttpTarget) -> None:
    """The scheduler keeps the first good answer, tells what breaks, and hears elsewhere that it is wanted."""
    http_target.documents["/info"] = LIBERTY
    (tmp_path / "vedette.toml").write_text(CONFIG.format(url=http_target.url("/info")))
    assert start("migrate").wait(20) == 0

    def alerts() -> dict[str, str]:
        listed = start("alerts", "list", "--json")
        assert listed.wait(20) == 0, listed.stderr
        return {one["fingerprint"]: one["message"] for one in json.loads(listed.stdout)}

    def accept(name: str) -> tuple[int, str]:
        done = start("info", "accept", name)
        return done.wait(20), done.stdout + done.stderr

    assert accept("crm") == (1, "vedette: info accept: crm has not been looked at yet\n")
    start("scheduler").wait_said("this scheduler acts")
    wait_until(lambda: http_target.hits.count("/info") > 4, 30, "some looks")
    http_target.documents["/info"] = altered("license.mode", "restricted")
    wait_until(lambda: "info_drift:crm:drift_breaking" in alerts(), 30, "the drift to be told", every=1)
    told = alerts()
    assert set(told) == {"info_drift:crm:drift_breaking", "check_failed:crm:status"}
    assert all('~ /license/mode: "full" → "restricted"' in words for words in told.values())
    assert accept("no-such-check") == (2, "vedette: info accept: there is no check 'no-such-check'\n")
    assert accept("site")[0] == 1
    assert accept("check/crm")[0] == 0
    wait_until(lambda: alerts() == {}, 30, "the accepted baseline to be compared with", every=1)
