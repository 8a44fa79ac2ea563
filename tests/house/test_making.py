"""What a user runs and installs: every make target explained, every requirement pinned, explained and complete."""

import ast
import re
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement

from tests.house.tree import FLOORS, ROOT, committed, modules, name, parsed, setup

_COME_WITH = {"werkzeug": "flask", "jinja2": "flask", "markupsafe": "flask", "itsdangerous": "flask"} | {
    "referencing": "jsonschema",
    "urllib3": "requests",
}
"""Distributions we import which are part and parcel of one that setup.cfg names."""


def test_make_alone_explains_every_target() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {"run", "test", "lint", "bench", "lock"} <= set(targets)
    for target in targets:
        assert re.search(rf"^  make {target} +\w", shown, re.MULTILINE), f"`make` does not explain {target}"


def test_every_dependency_is_explained() -> None:
    told = (ROOT / "docs/dependencies.md").read_text("utf-8").lower()
    for requirement in _required() | _required("test"):
        assert f"| `{requirement}` |" in told, f"docs/dependencies.md does not say why {requirement} is there"


def test_every_import_is_declared() -> None:
    owners = packages_distributions()
    declared = _required() | set(_COME_WITH)
    for path in modules(*FLOORS, "deploy"):
        for package in _imported(parsed(path)) - sys.stdlib_module_names - set(FLOORS) - {"deploy"}:
            distributions = {_plain(one) for one in owners.get(package, [package])}
            assert distributions & declared, f"{name(path)} imports {package}, which setup.cfg does not declare"


def test_every_requirement_is_pinned_by_hash() -> None:
    runtime, tests = _pins("deploy/requirements.lock"), _pins("requirements-test.txt")
    assert _required() <= set(runtime)
    assert _required("test") <= set(tests)
    assert runtime.items() <= tests.items(), "run `make lock`: tests would run on other versions than users do"
    for file in ("deploy/requirements.lock", "requirements-test.txt", "tests/servers/wheels.txt"):
        assert _unhashed(file) == []


def test_what_platforms_install_has_the_same_pins_and_the_project() -> None:
    assert _pins("requirements.txt") == _pins("deploy/requirements.lock")
    assert "." in (ROOT / "requirements.txt").read_text("utf-8").splitlines()


def test_an_installed_vedette_has_all_its_files(tmp_path: Path) -> None:
    source = tmp_path / "source"
    _copy_what_is_committed(source)
    command = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation"]
    environ = {"PATH": sysconfig.get_path("scripts"), "HOME": str(tmp_path)}
    built = subprocess.run(
        [*command, "-w", str(tmp_path), str(source)], env=environ, capture_output=True, text=True, timeout=100
    )
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = set(wheel.namelist())
    ours = {name(path) for path in committed() if path.relative_to(ROOT).parts[0] in (*FLOORS, "deploy")}
    assert ours - packed == set()
    assert {Path(each).parts[0] for each in packed} - {*FLOORS, "deploy"} == {"vedette-0.1.0.dist-info"}


def _copy_what_is_committed(target: Path) -> None:
    for path in committed():
        copy = target / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())


def _required(extra: str = "") -> set[str]:
    """The distributions setup.cfg asks for, by their plain names."""
    lines = setup("options.extras_require", extra) if extra else setup("options", "install_requires")
    return {_plain(Requirement(line).name) for line in lines}


def _plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _imported(module: ast.Module) -> set[str]:
    names = [one.name for node in ast.walk(module) if isinstance(node, ast.Import) for one in node.names]
    names += [node.module for node in ast.walk(module) if isinstance(node, ast.ImportFrom) and node.module]
    return {each.partition(".")[0] for each in names} - {"_typeshed"}


def _pins(file: str) -> dict[str, str]:
    """Distribution → version, of a requirements file."""
    text = (ROOT / file).read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z]+\])?==([^\s;]+)", text, re.MULTILINE))


def _unhashed(file: str) -> list[str]:
    text = (ROOT / file).read_text("utf-8")
    return re.findall(r"^[a-z0-9-]+==[^\\\n]*$", text, re.MULTILINE)
