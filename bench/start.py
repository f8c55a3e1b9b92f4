"""Measures how long a task waits in its pod: `python -m bench.start`.

From the start of the worker's process to the first line of the task's own code, in turns with
Airflow's own entry point: same interpreter, same DAG, same execution API.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import Unmeasured
from bench.execution_api import ExecutionApi, task_workload
from bench.local import Figure, show
from bench.machine import machine_facts
from bench.side_by_side.spread import Spread, ratios, shown, spread
from podlift.sealing import KEY_VARIABLE, new_key, seal, to_variables

DAG = '''
from airflow.sdk import dag, task

@dag(schedule=None)
def work():
    @task
    def first_line():
        import time
        now = time.clock_gettime(time.CLOCK_MONOTONIC)

        import json, os, sys
        from pathlib import Path

        def cpu(process):
            """Nanoseconds on a processor, all threads. https://docs.kernel.org/scheduler/sched-stats.html"""
            threads = Path("/proc", str(process), "task").iterdir()
            return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads)

        Path(os.environ["BENCH_OUTPUT"]).write_text(json.dumps({
            "now": now,
            "supervisor": cpu(os.getppid()) / 1e9,
            "task": cpu(os.getpid()) / 1e9,
            "modules": sorted(sys.modules),
        }))

    first_line()

work()
'''
SIDES = ("Podlift", "Airflow's own")
_PATIENCE = 180.0


@dataclass(frozen=True)
class Start:
    """One start of a task."""

    seconds: float
    """From the start of the process to the first line."""
    supervisor: float
    """Seconds of processor time by then."""
    task: float
    modules: int
    """What is imported in the task's process."""

    @property
    def cpu(self) -> float:
        return self.supervisor + self.task


class Bed:
    """An Airflow home with one DAG, and an execution API to answer it.

    ``sources`` are taken instead of the Podlift that is installed.
    """

    def __init__(self, folder: Path, api: ExecutionApi, sources: Path | None = None) -> None:
        self._output = folder / "first-line.json"
        (folder / "dags").mkdir(parents=True)
        (folder / "dags" / "work.py").write_text(DAG)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not _of_this_shell(name)},
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": api.url,
            "BENCH_OUTPUT": str(self._output),
            **({"PYTHONPATH": str(sources)} if sources else {}),
        }

    def start(self, side: str) -> Start:
        """Run the task on one side, to its end."""
        self._output.unlink(missing_ok=True)
        began = time.clock_gettime(time.CLOCK_MONOTONIC)
        done = self._run(side)
        if done.returncode or not self._output.exists():
            raise Unmeasured(f"{side}: the task did not run: {done.stderr[-2000:]}")
        told = json.loads(self._output.read_text())
        return Start(told["now"] - began, told["supervisor"], told["task"], len(told["modules"]))

    def imported_by_the_supervisor(self, side: str) -> int:
        """How many modules it imports itself. What the task's process writes goes to the log."""
        return self._run(side, "-X", "importtime").stderr.count("import time:") - 1

    def _run(self, side: str, *options: str) -> subprocess.CompletedProcess[str]:
        workload = task_workload("work", "first_line", "work.py")
        if side == SIDES[0]:
            key = new_key()
            module = ["podlift.worker"]
            sealed = to_variables(seal(workload.encode(), key)) | {KEY_VARIABLE: key}
        else:
            module = ["airflow.sdk.execution_time.execute_workload", "--json-string", workload]
            sealed = {}
        return subprocess.run(
            [sys.executable, *options, "-m", *module],
            env=self._environment | sealed,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )


def _of_this_shell(variable: str) -> bool:
    """Settings of another Airflow, and the wish that nothing is compiled for good."""
    return "AIRFLOW" in variable or variable == "PYTHONDONTWRITEBYTECODE"


def measure(pairs: int) -> tuple[dict[str, list[Start]], dict[str, int]]:
    """Starts of both sides in turns, after one of each that counts for nothing: it compiles what
    is not compiled yet."""
    with tempfile.TemporaryDirectory() as folder, ExecutionApi() as api:
        bed = Bed(Path(folder), api)
        imported = {side: bed.imported_by_the_supervisor(side) for side in SIDES}
        starts: dict[str, list[Start]] = {side: [] for side in SIDES}
        for number in range(pairs):
            for side in SIDES if number % 2 else reversed(SIDES):
                starts[side].append(bed.start(side))
    return starts, imported


def _show_starts(
    console: Console, starts: dict[str, list[Start]], imported: dict[str, int]
) -> Spread:
    table = Table(title="From the worker's start to the first line of the task, in seconds")
    for heading in ("", *SIDES, "ratio"):
        table.add_column(heading, justify="right" if heading else "left")
    for name in ("seconds", "cpu", "supervisor", "task"):
        ours, theirs = ([getattr(each, name) for each in starts[side]] for side in SIDES)
        row = (spread(ours), spread(theirs), spread(ratios(ours, theirs)))
        label = {"seconds": "on the clock", "cpu": "processor time"}.get(name, f"  of it {name}")
        table.add_row(label, *map(_with_ends, row))
    table.add_row("modules imported: supervisor", *(str(imported[side]) for side in SIDES), "")
    table.add_row("modules there: task", *(str(starts[side][0].modules) for side in SIDES), "")
    console.print(table)
    ours, theirs = ([each.seconds for each in starts[side]] for side in SIDES)
    return spread(ratios(ours, theirs))


def _with_ends(found: Spread) -> str:
    return f"{shown(found.middle)} ({shown(found.least)} to {shown(found.most)})"


def main() -> int:
    """Measures, shows, and says by the exit code whether the goal is met."""
    parser = argparse.ArgumentParser(prog="python -m bench.start", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    console, facts = Console(), machine_facts()
    try:
        starts, imported = measure(arguments.pairs)
    except (Unmeasured, subprocess.TimeoutExpired) as error:
        console.print(f"[red]Not measured:[/] {error}")
        return 1
    ratio = _show_starts(console, starts, imported)
    if ratio.too_wide:
        console.print("[yellow]The ratios lie far apart: something else ran on this machine.[/]")
    middle = spread([each.seconds for each in starts[SIDES[0]]]).middle
    figure = Figure("seconds from the start to the task's first line", middle, at_most=1)
    show(console, [figure], facts)
    return 0 if figure.met else 1


if __name__ == "__main__":
    raise SystemExit(main())
