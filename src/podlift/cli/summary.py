"""What the demo prints at its end: every task with its outcome, the verdict, and where to go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from podlift.cli.board import Board
from podlift.cli.home import Home
from podlift.cli.invoking import command, short
from podlift.cli.story import STORY, Expectation
from podlift.cli.views import STYLES


def print_summary(
    console: Console, board: Board, wrong: Sequence[str], seconds: float, home: Home
) -> None:
    """Print what is to be said after the demo."""
    verdict = _verdict(board, wrong, seconds)
    console.print("", _table(board), "", _causes(board), verdict, "", sep="\n")
    console.print("Nothing is left running. To go on:", style="bold")
    for what, where in _next_steps(home).items():
        # Paths and commands are there to be copied: a long one is not cut or broken.
        console.print(f"{what:<33}{where}", soft_wrap=True, markup=False, highlight=False)


def _next_steps(home: Home) -> Mapping[str, str]:
    return {
        "Logs of the tasks": short(home.task_logs),
        "Logs of Airflow and the cluster": short(home.process_logs),
        "See this run in the browser": command("up", home),
        "Serve your own DAGs": command("up --dags FOLDER"),
        "The cluster alone, for kubectl": command("cluster up"),
    }


def _table(board: Board) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("Task", no_wrap=True)
    table.add_column("Shows")
    table.add_column("Tries", justify="right")
    table.add_column("Pods", justify="right")
    table.add_column("Outcome", no_wrap=True)
    for each in STORY:
        table.add_row(*_line(board, each))
    return table


def _line(board: Board, expected: Expectation) -> Sequence[RenderableType]:
    instances = board.instances_of(expected.task_id)
    states = sorted({each.state or "none" for each in instances})
    own = len(board.pods_of(expected.task_id, worker=True))
    made = len(board.pods_of(expected.task_id, worker=False))
    count = f" x{len(instances)}" if len(instances) > 1 else ""
    return (
        expected.task_id + count,
        expected.shows,
        str(max((each.try_number for each in instances), default=0)),
        f"{own} + {made}" if made else str(own),
        Text(", ".join(states) or "none", style=STYLES.get(states[0] if states else "", "dim")),
    )


def _causes(board: Board) -> RenderableType:
    """Say why tasks failed, also the one that was meant to."""
    found: list[RenderableType] = []
    for each in STORY:
        failed = [i for i in board.instances_of(each.task_id) if i.state == "failed"]
        cause = board.cause_of(each.task_id) if failed else None
        if cause is not None:
            found.append(Text(f"{each.task_id} failed: {cause.sentence}", style="red"))
            found.append(Padding(cause.remedy, (0, 0, 1, 2)))
    return Group(*found)


def _verdict(board: Board, wrong: Sequence[str], seconds: float) -> RenderableType:
    tasks, pods = len(board.tasks), len(board.pods)
    if not wrong:
        return Text(
            f"Everything ended as it should: {tasks} task instances in {pods} pods,"
            f" {seconds:.0f} seconds in all.",
            style="bold green",
        )
    return Group(Text("Not everything ended as it should:", style="bold red"), *wrong)
