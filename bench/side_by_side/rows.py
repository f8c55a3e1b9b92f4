"""The tasks' rows in Airflow's database, as the scheduler writes them before it queues a task.

Podlift asks for them when a pod is created long after its task was handed over.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecuteTask

_INSERT = """
insert into task_instance
    (id, dag_id, task_id, run_id, try_number, pool, pool_slots, state, queued_by_job_id)
values (?, ?, ?, ?, ?, 'default_pool', ?, 'queued', ?)
"""


def write_queued(database: Path, tasks: Sequence[ExecuteTask], job: int) -> None:
    """Write that this scheduler's job has queued them."""
    rows = [
        (ti.id.hex, ti.dag_id, ti.task_id, ti.run_id, ti.try_number, ti.pool_slots, job)
        for ti in (task.ti for task in tasks)
    ]
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(_INSERT, rows)
