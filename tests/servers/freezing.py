"""Stopping a process for certain: the signal is taken in thread by thread, and until then it may still answer."""

from pathlib import Path

from tests.waiting import wait_until


def wait_frozen(*pids: int) -> None:
    """Until every thread of these processes has stopped or ended."""
    wait_until(lambda: all(map(_is_frozen, pids)), 10, f"the processes {pids} to stop")


def _is_frozen(pid: int) -> bool:
    return all(_state(task) in "TtZX" for task in Path(f"/proc/{pid}/task").glob("*/stat"))


def _state(stat: Path) -> str:
    try:
        return stat.read_text().rpartition(") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return "X"
