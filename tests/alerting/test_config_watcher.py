"""Following a file as it changes: the last good configuration stays in force."""

import os
from pathlib import Path

import pytest

from alerting.configuration.reader import ConfigError, ConfigWatcher
from alerting.settings import load

GOOD = "[service]\nname = 'One'\n"
BETTER = "[service]\nname = 'Two'\n"
FAULTY = "[service]\nnaem = 'Three'\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "vedette.toml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def watcher(file: Path) -> ConfigWatcher:
    return ConfigWatcher(load({"VEDETTE_CONFIG": str(file)}))


def test_nothing_changed(watcher: ConfigWatcher, file: Path) -> None:
    before = watcher.config
    assert watcher.refresh() == "same"
    os.utime(file, ns=(1, 1))
    assert watcher.refresh() == "same"
    assert watcher.config is before


def test_a_changed_file_is_taken(watcher: ConfigWatcher, file: Path) -> None:
    file.write_text(BETTER)
    assert watcher.refresh() == "reloaded"
    assert watcher.config.service.name == "Two"
    assert watcher.refresh() == "same"


def test_a_file_replaced_by_another_is_taken(watcher: ConfigWatcher, file: Path) -> None:
    other = file.with_name("other.toml")
    other.write_text(BETTER)
    other.replace(file)
    assert watcher.refresh() == "reloaded"


def test_a_faulty_file_is_told_once_and_not_taken(watcher: ConfigWatcher, file: Path) -> None:
    file.write_text(FAULTY)
    assert watcher.refresh() == "rejected"
    assert watcher.config.service.name == "One"
    assert watcher.rejected is not None
    assert str(watcher.rejected).startswith(f"{file}:2: service.naem: unknown key")
    assert watcher.refresh() == "same"
    os.utime(file, ns=(1, 1))
    assert watcher.refresh() == "same"
    assert watcher.rejected is not None


@pytest.mark.parametrize("mended", [GOOD, BETTER])
def test_a_mended_file_ends_the_rejection(watcher: ConfigWatcher, file: Path, mended: str) -> None:
    file.write_text(FAULTY)
    watcher.refresh()
    file.write_text(mended)
    assert watcher.refresh() == "reloaded"
    assert watcher.rejected is None


def test_another_fault_is_told_anew(watcher: ConfigWatcher, file: Path) -> None:
    file.write_text(FAULTY)
    watcher.refresh()
    file.write_text("[")
    assert watcher.refresh() == "rejected"
    assert "not TOML" in str(watcher.rejected)


def test_a_file_that_is_gone_or_emptied_is_rejected(watcher: ConfigWatcher, file: Path) -> None:
    file.unlink()
    assert watcher.refresh() == "rejected"
    assert watcher.refresh() == "same"
    assert "cannot be read" in str(watcher.rejected)
    file.write_text(" \n")
    assert watcher.refresh() == "rejected"
    assert "the file is empty" in str(watcher.rejected)
    assert watcher.config.service.name == "One"
    file.write_text(GOOD)
    assert watcher.refresh() == "reloaded"


def test_a_faulty_file_stops_the_start(file: Path) -> None:
    file.write_text(FAULTY)
    with pytest.raises(ConfigError):
        ConfigWatcher(load({"VEDETTE_CONFIG": str(file)}))


def test_the_example_never_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    watcher = ConfigWatcher(load({}))
    assert watcher.config.watches
    assert watcher.refresh() == "same"


def test_a_file_that_is_written_after_the_start_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    watcher = ConfigWatcher(load({}))
    assert watcher.config.watch_of.keys() == {"check/vedette", "server/this"}
    assert watcher.refresh() == "same"
    (tmp_path / "vedette.toml").write_text("[servers.mine]\nlocal = true\n")
    assert watcher.refresh() == "reloaded"
    assert watcher.config.watch_of.keys() == {"server/mine"}
