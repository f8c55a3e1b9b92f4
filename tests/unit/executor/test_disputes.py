"""Whose a task is, by its row in Airflow's database, and which pod does what ours was to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from airflow.models.taskinstancekey import TaskInstanceKey

from podlift.executor.disputes import Whose, has_its_place, whose
from podlift.executor.execution import Execution
from podlift.executor.metadata import TaskState
from podlift.pods.labels import Identity
from podlift.pods.reading import Pod, read_pod

OURS = TaskState("queued", 1, 7)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (OURS, Whose.OURS),
        (replace(OURS, state="running"), Whose.OURS),
        (replace(OURS, job_id=None), Whose.OURS),
        (replace(OURS, job_id=8), Whose.TAKEN),
        (replace(OURS, state="running", job_id=8), Whose.TAKEN),
        (replace(OURS, try_number=2), Whose.OVER),
        (replace(OURS, state="success", job_id=8), Whose.OVER),
        (replace(OURS, state="scheduled"), Whose.OVER),
        (replace(OURS, state=None), Whose.OVER),
        (None, Whose.OVER),
    ],
)
def test_airflows_row_says_whose_a_try_is(row: TaskState | None, found: Whose) -> None:
    assert whose(row, 1, 7) is found


OWN = Execution(
    id="own",
    number=1,
    key=TaskInstanceKey("d", "t", "r", 1, -1),
    whose=Identity(dag_id="d", task_id="t", run_id="r", ti_id="x"),
    parts=("d", "t"),
    namespace="n",
    log_path=None,
)
RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def pod(
    phase: str = "Running", state: Any = None, ti: str = "x", execution: str = "other", **more: Any
) -> Pod:
    notes = {"podlift.dev/ti-id": ti, "podlift.dev/execution": execution}
    statuses = [] if state is None else [{"name": "base", "state": state}]
    return read_pod(
        {
            "metadata": {"uid": "u", "annotations": notes, **more},
            "spec": {"containers": [{"name": "base"}]},
            "status": {"phase": phase, "containerStatuses": statuses},
        }
    )


@pytest.mark.parametrize(
    ("other", "state", "takes"),
    [
        (pod(state=RUNNING), "running", True),
        (pod("Pending"), "running", True),
        # It may be of a former execution, which was deferred.
        (pod("Pending"), "queued", False),
        (pod(state=RUNNING), "queued", False),
        (pod("Failed"), "running", False),
        (pod(state=RUNNING, deletionTimestamp="2026-01-01T00:00:00Z"), "running", False),
        (pod(state=RUNNING, ti="y"), "running", False),
        (pod(state=RUNNING, execution="own"), "running", False),
    ],
)
def test_a_living_pod_of_another_execution_may_have_the_place_of_ours(
    other: Pod, state: str, takes: bool
) -> None:
    assert has_its_place(other, OWN, state) is takes
