"""Find DAG files that Airflow cannot import, and say so with file, line and error."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from podlift.cli.airflow_api import ImportProblem
from podlift.cli.errors import BrokenDags, NotReady
from podlift.cli.home import Home
from podlift.cli.processes import Child, Command


class _Listed(msgspec.Struct):
    filepath: str
    error: str


async def check_dags(home: Home, environment: Mapping[str, str]) -> None:
    """Import every DAG file in a process of its own. Raises BrokenDags if one cannot be."""
    log = home.process_logs / "dag-check.log"
    log.unlink(missing_ok=True)
    child = await Child.start(
        Command(
            name="airflow dags list-import-errors",
            arguments=[
                *(sys.executable, "-m", "airflow", "dags", "list-import-errors"),
                *("--local", "--output", "json"),
            ],
            environment=dict(environment) | {"COLUMNS": "1000"},
            log=log,
        )
    )
    try:
        await child.ended()
    finally:
        await child.stop(grace=2)
    refuse_broken([ImportProblem(each.filepath, each.error) for each in _listed(child)])


def refuse_broken(problems: Sequence[ImportProblem]) -> None:
    """Raise BrokenDags if there are problems."""
    if problems:
        count = f"{len(problems)} DAG files" if len(problems) > 1 else "A DAG file"
        raise BrokenDags(
            f"{count} cannot be imported: correct the error, or take the file out of the folder.",
            [describe(each) for each in problems],
        )


def describe(problem: ImportProblem) -> str:
    """Return `file, line N: error` from a traceback."""
    lines = [line.strip() for line in problem.stack_trace.splitlines() if line.strip()]
    error = lines[-1] if lines else "unknown error"
    file = Path(problem.filename).name
    numbers = [
        line.partition(", line ")[2].partition(",")[0] for line in lines if f'{file}"' in line
    ]
    where = f"{problem.filename}, line {numbers[-1]}" if numbers else problem.filename
    return f"{where}: {error}"


def _listed(child: Child) -> list[_Listed]:
    # Airflow may warn on the same stream before it prints its list, on a line of its own.
    for line in child.last_lines(2000):
        if line.startswith("["):
            try:
                return msgspec.json.decode(line, type=list[_Listed])
            except msgspec.DecodeError:
                continue
    raise NotReady(
        f"Airflow could not check the DAG folder: read {child.command.log}.", child.last_lines()
    )
