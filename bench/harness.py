"""What every measurement here shares: CPU time, sides run by turns in processes of their own, ratios, tables."""

import argparse
import gc
import multiprocessing
import platform
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
FORK = multiprocessing.get_context("fork")

Samples = dict[str, list[float]]


def arguments(about: str | None) -> argparse.Namespace:
    """The command line every script has."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: does it run, not what it costs")
    return parser.parse_args()


def own_cpu() -> float:
    """CPU seconds this process has used so far, the kernel's for it included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def tree_cpu(pid: int) -> float:
    """The same of another process and all below it, those that have ended included. In steps of 10 ms."""
    top = psutil.Process(pid)
    total = 0.0
    for process in [top, *top.children(recursive=True)]:
        used = process.cpu_times()
        total += used.user + used.system + used.children_user + used.children_system
    return total


def alternate(sides: Mapping[str, Callable[[], float]], rounds: int) -> Samples:
    """Every side once a round, in turns, so that whatever else the machine does meets all of them alike."""
    samples: Samples = {name: [] for name in sides}
    for number in range(1, rounds + 1):
        for name, measure in sides.items():
            say(f"  {number}/{rounds} {name}")
            samples[name].append(measure())
    return samples


def in_child(work: Callable[..., Any], *values: Any) -> Any:
    """What `work` returns in a new process, which starts with nothing to tidy up and ends with all it opened."""
    ours, theirs = FORK.Pipe()
    child = FORK.Process(target=_child, args=(theirs, work, values))
    child.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        raise SystemExit(f"{work.__name__} ended without an answer") from None
    finally:
        child.join()
        ours.close()
    return answer


@contextmanager
def beside(work: Callable[..., None], *values: Any) -> Iterator[Connection]:
    """`work` in a process of its own, given one end of a pipe first; the other end. It ends with the block."""
    ours, theirs = FORK.Pipe()
    child = FORK.Process(target=_helper, args=(work, theirs, values), daemon=True)
    child.start()
    theirs.close()
    try:
        yield ours
    finally:
        child.terminate()
        child.join()
        ours.close()


def figure(values: Sequence[float], form: str = ".3f") -> str:
    """The median and, where there are several, the least and the most."""
    return _spread(values, form)


def ratio(samples: Samples, name: str, to: str, form: str = ".2f") -> str:
    """The median of `name` by `to`, round by round, and the least and the most of it."""
    pairs = zip(samples[name], samples[to], strict=True)
    return _spread([over / under for over, under in pairs], form) + " ×"


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(f"\n### {title}\n")
    for row in (heads, ["---"] * len(heads), *rows):
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


def machine() -> str:
    """The machine in general words."""
    cores, gigabytes = psutil.cpu_count(), psutil.virtual_memory().total / 2**30
    load = psutil.getloadavg()[0]
    python = platform.python_version()
    return f"{cores} cores, {gigabytes:.0f} GB, {platform.system()}, Python {python}; load before the run {load:.1f}"


def say(text: str) -> None:
    """Progress, kept out of the tables."""
    print(text, file=sys.stderr, flush=True)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """The first true value of `condition`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)
    return value


def _spread(values: Sequence[float], form: str) -> str:
    if len(values) == 1:
        return format(values[0], form)
    return f"{median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def _child(answers: Connection, work: Callable[..., Any], values: tuple[Any, ...]) -> None:
    gc.freeze()
    answers.send(work(*values))


def _helper(work: Callable[..., None], connection: Connection, values: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work(connection, *values)
