"""Whether a run of the demo's DAG told its story."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from podlift.cli.airflow_api import TaskInstance
from podlift.cli.board import Board
from podlift.cli.story import DAGS, STORY, Expectation, problems, task_instances
from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.reading import read_pod


def told(story: Sequence[Expectation] = STORY) -> Board:
    """A board on which everything ended as it should."""
    board = Board("d", "r")
    instances = []
    for each in story:
        indices = range(each.instances) if each.instances > 1 else [-1]
        for index in indices:
            instances.append(
                TaskInstance(
                    task_id=each.task_id, map_index=index, state=each.state, try_number=each.tries
                )
            )
            for number in range(1, each.tries + 1):
                add_pod(board, each.task_id, index, number)
        for _ in range(each.operator_pods):
            add_pod(board, each.task_id, -1, 1, "container", each.exit_code or 0)
    board.see_tasks(instances)
    return board


def add_pod(
    board: Board, task_id: str, index: int, number: int, component: str = "worker", code: int = 0
) -> None:
    who = Identity(
        dag_id="d", task_id=task_id, run_id="r", ti_id="i", map_index=index, try_number=number
    )
    uid = f"{task_id}-{index}-{number}-{component}-{len(board.pods)}"
    ended = {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed"}}
    board.see_pod(
        read_pod(
            {
                "metadata": {
                    "name": uid,
                    "uid": uid,
                    "labels": labels_of(who, component),
                    "annotations": annotations_of(who),
                },
                "status": {
                    "phase": "Failed" if code else "Succeeded",
                    "containerStatuses": [{"name": "base", "state": ended}],
                },
            }
        ),
        1.0,
    )


def change(board: Board, label: str, **fields: object) -> None:
    before = board.tasks[label]
    known = {"task_id": before.task_id, "map_index": before.map_index}
    state = {"state": before.state, "try_number": before.try_number}
    board.tasks[label] = TaskInstance(**{**known, **state, **fields})  # type: ignore[arg-type]


def test_a_run_that_ended_as_told_has_no_problems() -> None:
    assert problems(told()) == []


def test_the_story_has_at_least_fourteen_task_instances_of_the_dag() -> None:
    assert task_instances() >= 14
    source = ast.parse((DAGS / "podlift_demo.py").read_text())
    tasks = {node.name for node in ast.walk(source) if isinstance(node, ast.FunctionDef)} | {
        node.value
        for node in ast.walk(source)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert {each.task_id for each in STORY} <= tasks


def test_a_failed_task_is_a_problem() -> None:
    board = told()
    change(board, "plan", state="failed")
    assert problems(board) == ["plan ended as failed and should have ended as success."]


def test_success_of_the_task_that_must_fail_is_a_problem() -> None:
    board = told()
    change(board, "exit_3", state="success")
    assert problems(board) == ["exit_3 ended as success and should have ended as failed."]


def test_the_wrong_number_of_tries_is_a_problem() -> None:
    board = told()
    change(board, "second_try", try_number=1)
    assert problems(board) == ["second_try took 1 tries, not 2."]


def test_a_pod_too_many_is_a_problem() -> None:
    board = told()
    add_pod(board, "plan", -1, 1)
    assert problems(board) == ["plan had 2 pods of its own, not 1."]


def test_a_missing_instance_is_a_problem() -> None:
    board = told()
    del board.tasks["square[3]"]
    assert problems(board) == ["square has 7 instances, not 8."]


def test_another_exit_code_is_a_problem() -> None:
    board = told()
    wrong = board.pods_of("exit_3", worker=False)[0]
    del board.pods[wrong.pod.metadata.uid]
    add_pod(board, "exit_3", -1, 1, "container", 1)
    assert problems(board) == ["exit_3 ended with exit codes [1], not 3."]


def test_a_task_that_is_not_in_the_story_is_a_problem() -> None:
    board = told()
    board.see_tasks(
        [
            *board.tasks.values(),
            TaskInstance(task_id="new", map_index=-1, state="success", try_number=1),
        ]
    )
    assert problems(board) == ["new is not part of the demo."]
