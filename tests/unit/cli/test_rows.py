"""The lines of the demo's table."""

from __future__ import annotations

from podlift.cli.airflow_api import TaskInstance
from podlift.cli.board import Board
from podlift.cli.rows import Row, rows
from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.reading import Pod, read_pod


def pod(task_id: str, uid: str, try_number: int = 1, component: str = "worker") -> Pod:
    who = Identity(
        dag_id="d", task_id=task_id, run_id="r", ti_id="i", try_number=try_number, map_index=-1
    )
    return read_pod(
        {
            "metadata": {
                "name": f"pod-{uid}",
                "uid": uid,
                "labels": labels_of(who, component),
                "annotations": annotations_of(who),
            },
            "status": {"phase": "Running"},
        }
    )


def instance(task_id: str, state: str | None, try_number: int = 1, index: int = -1) -> TaskInstance:
    return TaskInstance(task_id=task_id, map_index=index, state=state, try_number=try_number)


def test_a_task_without_a_pod_yet_has_a_line() -> None:
    board = Board("d", "r")
    board.see_tasks([instance("plan", None)])
    assert rows(board, ["plan"], 1.0) == [Row(task="plan", state="waits")]


def test_every_try_has_its_own_line() -> None:
    board = Board("d", "r")
    board.see_tasks([instance("again", "running", 2)])
    board.see_pod(pod("again", "b", 2), 3.0)
    board.see_pod(pod("again", "a", 1), 1.0)
    assert [(each.task, each.state, each.pod) for each in rows(board, [], 4.0)] == [
        ("again", "failed, retried", "pod-a"),
        ("again (try 2)", "running", "pod-b"),
    ]


def test_a_try_that_waits_for_its_pod_has_a_line_below_the_last_one() -> None:
    board = Board("d", "r")
    board.see_tasks([instance("again", "queued", 2)])
    board.see_pod(pod("again", "a", 1), 1.0)
    assert [each.pod for each in rows(board, [], 4.0)] == ["pod-a", ""]


def test_the_container_of_an_operator_is_below_its_task() -> None:
    board = Board("d", "r")
    board.see_tasks([instance("box", "running")])
    board.see_pod(pod("box", "c", component="container"), 2.0)
    board.see_pod(pod("box", "w"), 1.0)
    assert [each.task for each in rows(board, [], 4.0)] == ["box", "  └ its container"]


def test_tasks_come_in_the_given_order_and_others_after_them() -> None:
    board = Board("d", "r")
    mapped = [instance("m", None, index=1), instance("m", None, index=0)]
    board.see_tasks([instance("z", None), instance("a", None), *mapped])
    assert [each.task for each in rows(board, ["m", "z"], 1.0)] == ["m[0]", "m[1]", "z", "a"]
