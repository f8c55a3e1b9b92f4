"""What the demo's DAG is meant to show, and whether it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from podlift.cli.board import Board

DAG_ID = "podlift_demo"
DAGS = Path(__file__).parent / "dags"
"""The folder of DAGs that come with podlift."""


@dataclass(frozen=True)
class Expectation:
    """How one task must end."""

    task_id: str
    shows: str
    state: str = "success"
    instances: int = 1
    tries: int = 1
    operator_pods: int = 0
    exit_code: int | None = None
    """Of the pod that its operator made."""

    @property
    def pods(self) -> int:
        """How many pods must have run the task: one for each try of each instance."""
        return self.instances * self.tries


STORY: Sequence[Expectation] = (
    Expectation("plan", "a plain @task, whose result goes to the next"),
    Expectation("square", "a mapped task: eight instances, eight pods", instances=8),
    Expectation("total", "an XCom from each of the eight"),
    Expectation("shell", "a BashOperator"),
    Expectation("override", "pod_override adds a label and a variable to one task's pod"),
    Expectation("second_try", "fails once on purpose; the retry gets a new pod", tries=2),
    Expectation("container", "a KubernetesPodOperator: a container of its own", operator_pods=1),
    Expectation(
        "exit_3",
        "a container that fails on purpose, with its cause",
        state="failed",
        operator_pods=1,
        exit_code=3,
    ),
    Expectation("report", "waits for all of them, however they ended"),
)


def task_instances(story: Sequence[Expectation] = STORY) -> int:
    """How many task instances the story has."""
    return sum(each.instances for each in story)


def problems(board: Board, story: Sequence[Expectation] = STORY) -> list[str]:
    """Return a sentence for everything that did not end as it should; empty when all did."""
    found = [line for each in story for line in _problems_of(board, each)]
    known = {each.task_id for each in story}
    strange = sorted({each.task_id for each in board.tasks.values()} - known)
    return [*found, *(f"{task_id} is not part of the demo." for task_id in strange)]


def _problems_of(board: Board, expected: Expectation) -> list[str]:
    instances = board.instances_of(expected.task_id)
    if len(instances) != expected.instances:
        return [f"{expected.task_id} has {len(instances)} instances, not {expected.instances}."]
    return [
        *_wrong_states(board, expected),
        *_wrong_count(board, expected, worker=True, right=expected.pods),
        *_wrong_count(board, expected, worker=False, right=expected.operator_pods),
        *_wrong_exit_code(board, expected),
    ]


def _wrong_states(board: Board, expected: Expectation) -> list[str]:
    found = []
    for instance in board.instances_of(expected.task_id):
        if instance.state != expected.state:
            cause = board.cause_of(expected.task_id) if instance.state == "failed" else None
            why = f": {cause.sentence}" if cause else "."
            found.append(
                f"{instance.label} ended as {instance.state or 'none'}"
                f" and should have ended as {expected.state}{why}"
            )
        elif instance.try_number != expected.tries:
            found.append(
                f"{instance.label} took {instance.try_number} tries, not {expected.tries}."
            )
    return found


def _wrong_count(board: Board, expected: Expectation, *, worker: bool, right: int) -> list[str]:
    count = len(board.pods_of(expected.task_id, worker=worker))
    if count == right:
        return []
    what = "pods of its own" if worker else "pods made by its operator"
    return [f"{expected.task_id} had {count} {what}, not {right}."]


def _wrong_exit_code(board: Board, expected: Expectation) -> list[str]:
    if expected.exit_code is None:
        return []
    codes = [each.exit_code for each in board.pods_of(expected.task_id, worker=False)]
    if codes == [expected.exit_code]:
        return []
    return [f"{expected.task_id} ended with exit codes {codes}, not {expected.exit_code}."]
