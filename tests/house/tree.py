"""The checkout as the house tests read it."""

import ast
import subprocess
from configparser import ConfigParser
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FLOORS = ("probes", "alerting", "schemas", "web")


@cache
def committed() -> tuple[Path, ...]:
    """Every file that is committed."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = (ROOT / name for name in listed.split("\0") if name)
    return tuple(path for path in found if path.is_file())


def modules(*folders: str) -> list[Path]:
    """The Python files below those folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def name(path: Path) -> str:
    """The path as it is written in the project."""
    return path.relative_to(ROOT).as_posix()


def setup(section: str, key: str) -> list[str]:
    """The lines of a list in setup.cfg."""
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", "utf-8")
    return [line for line in parser[section][key].splitlines() if line]


def procfile() -> dict[str, list[str]]:
    """Process → its command's words, as a platform reads the Procfile."""
    pairs = (line.partition(":") for line in (ROOT / "Procfile").read_text("utf-8").splitlines() if line.strip())
    return {process: command.split() for process, _, command in pairs}
