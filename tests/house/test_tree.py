"""The habits of the house, where a program can see whether they are kept."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import probes
import schemas
from alerting import channels, sources
from tests.house.tree import FLOORS, ROOT, committed, modules, name, parsed

_ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
# Spelled in halves, or this file would hold what it looks for.
_PRIVATE = ["/ro" + "ot/", "/ho" + "me/", "pypi.org/" + "simple", "files.python" + "hosted", "--index" + "-url"]


def test_imports_go_downwards_only() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", modules(*FLOORS, "deploy"), ids=name)
def test_a_module_opens_with_one_sentence_on_what_lives_there(path: Path) -> None:
    docstring = ast.get_docstring(parsed(path))
    assert docstring, f"{name(path)} does not say what lives there"
    assert docstring.split("\n\n")[0].rstrip().endswith((".", "?", "!")), f"{name(path)} opens with no sentence"


@pytest.mark.parametrize("path", modules(*FLOORS, "deploy"), ids=name)
def test_only_the_settings_read_the_environment(path: Path) -> None:
    if name(path) != "alerting/settings.py":
        assert list(_environment_reads(parsed(path))) == [], f"{name(path)}: take it from alerting.settings"


def test_the_settings_are_seen_to_read_the_environment() -> None:
    assert list(_environment_reads(parsed(ROOT / "alerting/settings.py")))


@pytest.mark.parametrize("kind", sorted({*probes.kinds(), *schemas.names("probes")}))
def test_a_probe_is_a_module_a_schema_and_a_test(kind: str) -> None:
    assert callable(probes.find(kind))
    assert schemas.load(f"probes/{kind}")["$schema"].endswith("2020-12/schema")
    assert list((ROOT / "tests/probes").glob(f"test_*{kind}*.py")), f"no tests/probes/test_probe_{kind}.py"


@pytest.mark.parametrize("kind", sorted({*channels.kinds(), *schemas.names("channels")}))
def test_a_channel_is_a_module_a_schema_and_a_test(kind: str) -> None:
    assert callable(channels.find(kind).deliver)
    assert schemas.load(f"channels/{kind}")["$schema"].endswith("2020-12/schema")
    assert list((ROOT / "tests").glob(f"**/test_*{kind}*.py")), f"no tests/alerting/test_{kind}.py"


@pytest.mark.parametrize("source", sorted({*sources.kinds(), *schemas.names("sources")}))
def test_a_source_is_a_module_a_schema_and_a_test(source: str) -> None:
    assert callable(sources.find(source).reports)
    assert schemas.load(f"sources/{source}")["$schema"].endswith("2020-12/schema")
    assert list((ROOT / "tests").glob(f"**/test_source_{source}.py")), f"no tests/alerting/test_source_{source}.py"


def test_migrations_are_numbered_without_a_gap() -> None:
    names = sorted(path.name for path in (ROOT / "alerting/store/migrations").glob("*.py") if path.name[0] != "_")
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+\.py", each) for each in names), names
    assert [int(each[:4]) for each in names] == list(range(1, len(names) + 1))


def test_nothing_committed_names_a_machine_or_a_registry() -> None:
    found = [f"{name(path)}:{line}: {word}" for path in committed() for line, word in _private_words(path)]
    assert found == []


def test_tests_have_names_of_their_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def _environment_reads(module: ast.Module) -> Iterator[int]:
    """The lines that reach for the environment: os.environ, or a name taken from os."""
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and node.attr in _ENVIRONMENT and isinstance(node.value, ast.Name):
            if node.value.id == "os":
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (node.lineno for taken in node.names if taken.name in _ENVIRONMENT)


def _private_words(path: Path) -> Iterator[tuple[int, str]]:
    content = path.read_bytes()
    if b"\0" in content:
        return
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        yield from ((number, word) for word in _PRIVATE if word in line)
