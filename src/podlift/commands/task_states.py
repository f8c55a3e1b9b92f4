"""States of many task instances at once, with the database's errors in one sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from airflow.models.taskinstance import TaskInstance
from sqlalchemy import select

from podlift.commands.explaining.records import database
from podlift.commands.leavings import TaskKey
from podlift.executor.metadata import TaskState, task_states


def states_of_ids(ids: Collection[str]) -> dict[str, TaskState]:
    """The state of each task instance that there still is, by its id."""
    with database():
        return task_states(ids) if ids else {}


def states_of_keys(keys: Collection[TaskKey]) -> dict[TaskKey, TaskState]:
    """The same by DAG, task, run and map index."""
    runs: defaultdict[tuple[str, str], set[TaskKey]] = defaultdict(set)
    for key in keys:
        runs[key[0], key[2]].add(key)
    found = {}
    columns = (
        TaskInstance.task_id,
        TaskInstance.map_index,
        TaskInstance.state,
        TaskInstance.try_number,
        TaskInstance.queued_by_job_id,
    )
    with database() as session:
        for dag_id, run_id in runs:
            statement = select(*columns).where(
                TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id
            )
            for task_id, map_index, state, number, job_id in session.execute(statement):
                found[dag_id, task_id, run_id, map_index] = TaskState(state, number, job_id)
    return {key: state for key, state in found.items() if key in keys}
