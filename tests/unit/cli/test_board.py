"""What the demo knows of its run, from Airflow's answers and the watch on pods."""

from __future__ import annotations

from typing import Any

from podlift.cli.airflow_api import TaskInstance
from podlift.cli.board import Board
from podlift.pods.labels import Identity, annotations_of, labels_of
from podlift.pods.reading import Pod, read_pod


def instance(task_id: str, state: str | None, try_number: int = 1, index: int = -1) -> TaskInstance:
    return TaskInstance(task_id=task_id, map_index=index, state=state, try_number=try_number)


def pod(
    task_id: str = "plan",
    phase: str = "Pending",
    *,
    exit_code: int | None = None,
    component: str = "worker",
    run_id: str = "demo",
    uid: str = "u1",
    try_number: int = 1,
    deleted: bool = False,
) -> Pod:
    who = Identity(
        dag_id="podlift_demo", task_id=task_id, run_id=run_id, ti_id=uid, try_number=try_number
    )
    statuses: list[dict[str, Any]] = []
    if exit_code is not None:
        reason = "Completed" if exit_code == 0 else "Error"
        ended = {"exitCode": exit_code, "reason": reason, "startedAt": "2026-01-01T00:00:00Z"}
        statuses = [{"name": "base", "state": {"terminated": ended}}]
    return read_pod(
        {
            "metadata": {
                "name": f"{task_id}-{uid}",
                "uid": uid,
                "labels": labels_of(who, component),
                "annotations": annotations_of(who),
                **({"deletionTimestamp": "2026-01-01T00:00:09Z"} if deleted else {}),
            },
            "status": {"phase": phase, "containerStatuses": statuses},
        }
    )


def board() -> Board:
    return Board("podlift_demo", "demo")


def test_seconds_in_each_phase_are_counted_from_when_it_was_seen() -> None:
    seen = board()
    seen.see_pod(pod(phase="Pending"), 10.0)
    seen.see_pod(pod(phase="Running"), 10.5)
    (record,) = seen.pods.values()
    assert (record.seconds_pending(12.0), record.seconds_running(12.0)) == (0.5, 1.5)
    seen.see_pod(pod(phase="Succeeded", exit_code=0), 13.0)
    (record,) = seen.pods.values()
    assert (record.seconds_pending(99.0), record.seconds_running(99.0)) == (0.5, 2.5)


def test_a_pod_that_never_ran_has_only_pended() -> None:
    seen = board()
    seen.see_pod(pod(phase="Pending"), 1.0)
    seen.see_pod(pod(phase="Failed"), 4.0)
    (record,) = seen.pods.values()
    assert record.seconds_pending(9.0) == 3.0
    assert record.seconds_running(9.0) is None


def test_a_pod_that_was_first_seen_at_its_end_has_run() -> None:
    seen = board()
    seen.see_pod(pod(phase="Succeeded", exit_code=0), 5.0)
    (record,) = seen.pods.values()
    assert record.seconds_running(9.0) == 0.0


def test_only_a_new_phase_is_news() -> None:
    seen = board()
    assert seen.see_pod(pod(phase="Pending"), 1.0) is not None
    assert seen.see_pod(pod(phase="Pending"), 2.0) is None
    assert seen.see_pod(pod(phase="Running"), 3.0) is not None
    assert seen.see_pod(pod(phase="Running", deleted=True), 4.0) is not None
    (record,) = seen.pods.values()
    assert record.phase == "Terminating"


def test_pods_of_other_runs_and_other_people_are_ignored() -> None:
    seen = board()
    assert seen.see_pod(pod(run_id="another"), 1.0) is None
    assert seen.see_pod(read_pod({"metadata": {"name": "mine", "uid": "x"}}), 1.0) is None
    assert not seen.pods


def test_a_pod_that_vanishes_while_it_runs_has_ended() -> None:
    seen = board()
    seen.see_pod(pod(phase="Running"), 1.0)
    lost = seen.lose_pod(pod(phase="Running", deleted=True), 3.0)
    assert lost is not None
    assert lost.ended_at == 3.0


def test_the_deletion_of_a_finished_pod_is_no_news() -> None:
    seen = board()
    seen.see_pod(pod(phase="Succeeded", exit_code=0), 1.0)
    assert seen.lose_pod(pod(phase="Succeeded", exit_code=0), 2.0) is None
    assert seen.lose_pod(pod(uid="never-seen"), 2.0) is None


def test_a_new_state_or_try_of_a_task_is_news() -> None:
    seen = board()
    assert seen.see_tasks([instance("plan", None)]) == [instance("plan", None)]
    assert seen.see_tasks([instance("plan", None)]) == []
    assert seen.see_tasks([instance("plan", "running")]) == [instance("plan", "running")]
    assert seen.see_tasks([instance("plan", "running", 2)]) == [instance("plan", "running", 2)]


def test_a_mapped_task_is_listed_by_index_once_it_is_expanded() -> None:
    seen = board()
    seen.see_tasks([instance("square", None)])
    seen.see_tasks([instance("square", "queued", index=0), instance("square", "queued", index=1)])
    assert list(seen.tasks) == ["square[0]", "square[1]"]


def test_the_cause_is_that_of_the_container_which_the_operator_ran() -> None:
    seen = board()
    seen.see_pod(pod("exit_3", "Failed", exit_code=1, uid="task"), 1.0)
    seen.see_pod(pod("exit_3", "Failed", exit_code=3, uid="own", component="container"), 1.0)
    cause = seen.cause_of("exit_3")
    assert cause is not None
    assert cause.exit_code == 3


def test_the_deletion_of_a_failed_pod_is_not_its_cause() -> None:
    seen = board()
    seen.see_pod(pod("exit_3", "Failed", exit_code=3), 1.0)
    assert seen.see_pod(pod("exit_3", "Failed", exit_code=3, deleted=True), 2.0) is None
    cause = seen.cause_of("exit_3")
    assert cause is not None
    assert cause.sentence == "Container 'base' ended with exit code 3."


def test_a_task_that_went_well_has_no_cause() -> None:
    seen = board()
    seen.see_pod(pod(phase="Succeeded", exit_code=0), 1.0)
    assert seen.cause_of("plan") is None
