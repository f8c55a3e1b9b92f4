"""Tasks as the scheduler hands them over."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from airflow.executors.workloads import BundleInfo, ExecuteTask, TaskInstanceDTO


def task(
    task_id: str = "t", *, token: str = "", version: str | None = None, **config: Any
) -> ExecuteTask:
    """A task with this ``executor_config``, of a DAG bundle at this version."""
    ti = TaskInstanceDTO(
        id=uuid.uuid4(),
        dag_version_id=uuid.uuid4(),
        dag_id="d",
        task_id=task_id,
        run_id="r",
        try_number=1,
        map_index=-1,
        pool_slots=1,
        queue="default",
        priority_weight=1,
        executor_config=config,
    )
    bundle = BundleInfo(name="dags", version=version)
    return ExecuteTask(
        ti=ti, dag_rel_path=Path("d.py"), token=token, bundle_info=bundle, log_path="l"
    )
