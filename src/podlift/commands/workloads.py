"""A task as the executor would be handed it, without a token: to see what its pod would be."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.executors.workloads import ExecuteTask, TaskInstanceDTO
from airflow.executors.workloads.base import BundleInfo
from airflow.models.dag import DagModel
from airflow.models.serialized_dag import SerializedDagModel

from podlift.commands.errors import NotKnown
from podlift.commands.explaining.records import Key, database, read
from podlift.executor.metadata import workload_of

if TYPE_CHECKING:
    from podlift.executor.workloads import Workload

NEXT_RUN = "the-next-run"
"""In place of a run that there is not yet."""


def workload_for(key: Key) -> Workload:
    """The task instance's workload; without a run id, that of a run that is still to come.

    Raises ``NotKnown``.
    """
    if not key.run_id:
        return _of_next_run(key)
    present = read(key).tries[-1]
    workload = workload_of(present.ti_id)
    if workload is None:
        raise NotKnown(
            f"Task instance {present.ti_id} cannot be run again: its DAG is gone, or its row in "
            "the database is from before an upgrade. Leave out RUN_ID to see a next run's pod."
        )
    return workload


def _of_next_run(key: Key) -> Workload:
    with database() as session:
        row = SerializedDagModel.get(key.dag_id, session=session)
        model = session.get(DagModel, key.dag_id)
        if row is None or model is None:
            raise NotKnown(
                f"Airflow knows no DAG {key.dag_id}: `airflow dags list` tells those it knows, and "
                "`airflow dags list-import-errors` why one may be missing."
            )
        task = _task(row.dag, key)
        ti = TaskInstanceDTO(
            id=uuid.uuid4(),
            dag_version_id=row.dag_version_id,
            dag_id=key.dag_id,
            task_id=key.task_id,
            run_id=NEXT_RUN,
            try_number=1,
            map_index=-1 if key.map_index is None else key.map_index,
            pool_slots=task.pool_slots,
            queue=task.queue,
            priority_weight=task.priority_weight,
            executor_config=task.executor_config,
        )
        return ExecuteTask(
            ti=ti,
            dag_rel_path=Path(model.relative_fileloc or ""),
            token="",
            log_path=None,
            bundle_info=BundleInfo(name=model.bundle_name or "dags-folder"),
        )


def _task(dag: Any, key: Key) -> Any:
    if key.task_id not in dag.task_dict:
        known = ", ".join(sorted(dag.task_dict))
        raise NotKnown(f"DAG {key.dag_id} has no task {key.task_id}; it has {known}.")
    return dag.get_task(key.task_id)
