"""A tree of control groups as containers leave it, made of files: a real Netdata takes it for a machine's own."""

from hashlib import sha256
from pathlib import Path
from shutil import rmtree

_MIB = 2**20
_NAMES = """#!/bin/sh
cat "{home}/names/$(echo "$*" | grep -o '[0-9a-f]\\{{64\\}}' | head -n 1)"
"""
_SETTINGS = """[plugin:cgroups]
    use unified cgroups = yes
    path to unified cgroups = {home}/tree
    check for new cgroups every = 1
    script to get cgroup names = {home}/names.sh
"""
_FILES = {
    "cpu.stat": "usage_usec 4000\nuser_usec 3000\nsystem_usec 1000\nnr_periods 1\nnr_throttled 0\nthrottled_usec 0\n",
    "memory.stat": "anon 157286400\nfile 0\nkernel_stack 65536\nslab 524288\nsock 0\nanon_thp 0\nfile_writeback 0\n"
    "file_dirty 0\npgfault 0\npgmajfault 0\ninactive_file 0\n",
    "memory.current": str(160 * _MIB),
    "memory.max": str(256 * _MIB),
    "memory.swap.current": "0",
    "cpu.max": "50000 100000\n",
    "io.stat": "",
    "cgroup.procs": "",
}


class Cgroups:
    """The tree below `home`; `settings` are a Netdata's lines for it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.settings = _SETTINGS.format(home=home)
        (home / "names").mkdir(parents=True)
        (home / "names.sh").write_text(_NAMES.format(home=home))
        (home / "names.sh").chmod(0o755)
        _fill(home / "tree" / "docker")

    def run(self, name: str) -> None:
        """Start a container of 160 MiB, of 256 it may have."""
        (self._home / "names" / _id(name)).write_text(name)
        _fill(self._home / "tree" / "docker" / _id(name))

    def stop(self, name: str) -> None:
        """Stop it: the kernel takes its group away."""
        rmtree(self._home / "tree" / "docker" / _id(name))


def _id(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def _fill(folder: Path) -> None:
    folder.mkdir(parents=True)
    for place in (folder, folder.parent):
        for name, content in _FILES.items():
            (place / name).write_text(content)
