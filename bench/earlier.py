"""Podlift beside an earlier commit of itself, in turns: what became of making something faster.

    python -m bench.earlier start 57c0a92       # the worker, until a task's first line
    python -m bench.earlier executor d8e8e32    # the executor, on a server of its own
    python -m bench.earlier profile d8e8e32     # where the CPU time of its threads goes
    python -m bench.earlier executor d8e8e32 --cluster real    # needs Go

Both run the packages that are installed now, and the commit's ``src`` in the place of Podlift.
Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import Unmeasured
from bench.execution_api import ExecutionApi
from bench.side_by_side.contenders import PODLIFT_FLAT_OUT, ROOT, Contender
from bench.side_by_side.playing import make_database, player
from bench.side_by_side.results import Turn, cpu, memory
from bench.side_by_side.sites import site
from bench.side_by_side.spread import cell, ratios, spread
from bench.side_by_side.tables import table
from bench.side_by_side.throughput import LIFETIME, turn
from bench.start import SIDES, Bed, Start

_PACKAGES = 14
_WARMING = 20
_PATIENCE = 300.0
Rows = dict[str, tuple[Sequence[float], Sequence[float]]]
"""Figures before and now, pair by pair."""


@contextmanager
def sources_of(commit: str) -> Iterator[Path]:
    """The ``src`` of a commit, compiled as the present one is. Raises ``Unmeasured``."""
    with tempfile.TemporaryDirectory(prefix="podlift-earlier-") as folder:
        tree = Path(folder, "tree")
        try:
            _git("worktree", "add", "--detach", str(tree), commit)
            compileall.compile_dir(tree / "src", quiet=1)
            yield tree / "src"
        finally:
            _git("worktree", "remove", "--force", str(tree), check=False)


def start(before: Path, pairs: int) -> Rows:
    """From the start of the worker's process to the first line of the task."""
    with tempfile.TemporaryDirectory() as folder, ExecutionApi() as api:
        sides: dict[Path, list[Start]] = {before: [], ROOT / "src": []}
        beds = {
            sources: Bed(Path(folder, str(number)), api, sources)
            for number, sources in enumerate(sides)
        }
        for number in range(-1, pairs):  # the first ones read what is not in the page cache
            for sources in sides if number % 2 else reversed(sides):
                found = beds[sources].start(SIDES[0])
                if number >= 0:
                    sides[sources].append(found)
    figures: dict[str, Callable[[Start], float]] = {
        "seconds on the clock": lambda one: one.seconds,
        "CPU seconds": lambda one: one.cpu,
        "of it the supervisor's": lambda one: one.supervisor,
        "of it the task's process": lambda one: one.task,
        "modules imported at the first line": lambda one: float(one.modules),
    }
    return _rows(figures, *sides.values())


async def executor(before: Path, pairs: int, tasks: int, cluster: str) -> Rows:
    """Tasks by the executor, its loop flat out."""
    sides: dict[Path, list[Turn]] = {before: [], ROOT / "src": []}
    async with site(cluster) as there:
        database = await make_database(PODLIFT_FLAT_OUT.python, there.folder)
        for number in range(pairs):
            for sources in sides if number % 2 else reversed(sides):
                sides[sources].append(await turn(there, _contender(sources), tasks, database))
    figures: dict[str, Callable[[Turn], float]] = {
        "CPU ms a task": cpu,
        "heartbeat p99, ms": lambda one: float(one["beats"]["p99"]),
        "longest heartbeat, ms": lambda one: float(one["beats"]["max"]),
        "MB": lambda one: memory(one) or 0.0,
    }
    return _rows(figures, *sides.values())


def _contender(sources: Path) -> Contender:
    # Without a job nobody else can have its tasks. Else Airflow's database would be asked whose
    # they are when a busy machine lets pods be created late, and loading that takes a second.
    return replace(PODLIFT_FLAT_OUT, sources=sources, jobs=(None, None))


async def profiles(before: Path, tasks: int, cluster: str) -> Rows:
    """CPU milliseconds a task of each package in the executor's threads, profiled."""
    sides: dict[Path, dict[str, float]] = {}
    async with site(cluster) as there:
        database = await make_database(PODLIFT_FLAT_OUT.python, there.folder)
        for sources in (before, ROOT / "src"):
            contender = replace(_contender(sources), profiled=True)
            async with (
                there.namespace() as namespace,
                player(there, contender, namespace, database, lifetime=LIFETIME) as scheduler,
            ):
                await scheduler.ask("finish", count=_WARMING, first=tasks, seconds=_PATIENCE)
                await scheduler.ask("profile")
                await scheduler.ask("finish", count=tasks, first=0, seconds=_PATIENCE)
                await there.emptied(namespace)
                found = (await scheduler.ask("profile"))["packages"]
                sides[sources] = {name: used / tasks * 1e3 for name, used in found.items()}
    return _largest(*sides.values())


def _largest(before: dict[str, float], now: dict[str, float]) -> Rows:
    """The packages that used most on either side, and the rest."""
    names = sorted(before | now, key=lambda name: -max(before.get(name, 0), now.get(name, 0)))
    rows: Rows = {
        name: ([before.get(name, 0.0)], [now.get(name, 0.0)]) for name in names[:_PACKAGES]
    }
    rest = names[_PACKAGES:]
    left = [[sum(side.get(name, 0.0) for name in rest)] for side in (before, now)]
    rows["everything else"] = (left[0], left[1])
    rows["all"] = ([sum(before.values())], [sum(now.values())])
    return rows


def _rows(
    figures: dict[str, Callable[[Any], float]], before: Sequence[Any], now: Sequence[Any]
) -> Rows:
    return {name: ([*map(of, before)], [*map(of, now)]) for name, of in figures.items()}


def in_a_table(rows: Rows, commit: str) -> str:
    """Middles with their ends, and how much is left, pair by pair."""
    shown = [
        [name, *(cell(spread(each)) for each in (before, now)), _left(before, now)]
        for name, (before, now) in rows.items()
    ]
    return table(
        ["", f"before ({commit})", f"now ({_git('rev-parse', '--short', 'HEAD')})", "now / before"],
        shown,
    )


def _left(before: Sequence[float], now: Sequence[float]) -> str:
    return cell(spread(ratios(now, before))) if all(before) else ""


def _git(*words: str, check: bool = True) -> str:
    command = ["git", "-C", str(ROOT), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise Unmeasured(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.earlier", description=__doc__)
    parser.add_argument("what", choices=("start", "executor", "profile"))
    parser.add_argument("commit")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=300, help="of each turn of the executor")
    parser.add_argument("--cluster", choices=("real", "local"), default="local")
    given = parser.parse_args()
    try:
        with sources_of(given.commit) as before:
            if given.what == "start":
                rows = start(before, given.pairs)
            elif given.what == "profile":
                rows = asyncio.run(profiles(before, given.tasks, given.cluster))
            else:
                rows = asyncio.run(executor(before, given.pairs, given.tasks, given.cluster))
    except (Unmeasured, subprocess.TimeoutExpired) as error:
        print(f"Not measured: {error}", file=sys.stderr)
        return 1
    print(in_a_table(rows, given.commit))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
