"""A metadata database of Airflow's for one test: SQLite, with the tables that the executor asks."""

from __future__ import annotations

import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow import settings
from airflow.jobs.job import Job
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.callback import Callback
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from sqlalchemy import create_engine, insert, select
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import sessionmaker

_DAG = {
    "dag_id": "shells",
    "is_paused": False,
    "is_stale": False,
    "relative_fileloc": "shells.py",
    "fileloc": "shells.py",
    "bundle_name": "dags",
    "max_active_tasks": 16,
    "max_consecutive_failed_dag_runs": 0,
    "has_task_concurrency_limits": False,
    "timetable_type": "",
    "timetable_periodic": False,
    "timetable_partitioned": False,
}


class Database:
    """Rows of task instances and jobs, as a scheduler and workers write them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        import_all_models()  # type: ignore[no-untyped-call]
        kinds: list[Any] = [TaskInstance, TaskInstanceHistory, Job, DagModel, DagRun]
        tables = [kind.__table__ for kind in kinds]
        Base.metadata.create_all(self.engine, tables=tables)
        with suppress(IntegrityError):  # another test's fixture has it already
            columns = DagModel.__table__.columns.keys()  # Airflow 3.2 has fewer
            self._write(insert(DagModel).values({k: v for k, v in _DAG.items() if k in columns}))

    def add(
        self,
        ti_id: str,
        state: str,
        *,
        try_number: int = 1,
        task_id: str = "task",
        executor_config: dict[str, Any] | None = None,
        job_id: int = 7,
    ) -> None:
        """A task instance in this state, which the scheduler with this job queued."""
        row = {
            "id": uuid.UUID(ti_id),
            "dag_id": "shells",
            "task_id": task_id,
            "run_id": ti_id,
            "state": state,
            "try_number": try_number,
            "max_tries": 3,
            "pool": "default_pool",
            "pool_slots": 1,
            "queued_by_job_id": job_id,
            "queue": "default",
            "priority_weight": 1,
            "dag_version_id": uuid.uuid4(),
            "executor_config": executor_config or {},
        }
        self._write(insert(TaskInstance).values(**row))
        run = {
            "dag_id": "shells",
            "run_id": ti_id,
            "state": "running",
            "run_type": "manual",
            "run_after": datetime.now(UTC),
            "clear_number": 0,
            "log_template_id": None,
            "conf": {},
        }
        self._write(insert(DagRun).values(**run))

    def add_new(self, ti_id: str, state: str, **values: Any) -> None:
        """A task instance in this state, unless there is one already."""
        if not self._rows(ti_id):
            self.add(ti_id, state, **values)

    def put(self, ti_id: str, state: str, **values: Any) -> None:
        """A task instance in this state, whether there was one or not."""
        self.add_new(ti_id, state, task_id="task")
        self.set(ti_id, state=state, **values)

    def add_former_try(self, ti_id: str) -> None:
        """A try that is over; the task instance has another id for its next one."""
        self.remove(ti_id)
        row = {
            "task_instance_id": uuid.UUID(ti_id),
            "dag_id": "shells",
            "task_id": "task",
            "run_id": ti_id,
            "state": "failed",
            "try_number": 1,
            "pool": "default_pool",
            "pool_slots": 1,
        }
        self._write(insert(TaskInstanceHistory).values(**row))

    def remove(self, ti_id: str) -> None:
        """No such task instance is known any more."""
        table: Any = TaskInstance.__table__
        self._write(table.delete().where(table.c.id == uuid.UUID(ti_id)))

    def set(self, ti_id: str, **values: Any) -> None:
        """Change columns of a task instance."""
        table: Any = TaskInstance.__table__
        self._write(table.update().where(table.c.id == uuid.UUID(ti_id)).values(**values))

    def row(self, ti_id: str) -> Any:
        """The task instance as it is now."""
        return self._rows(ti_id)[0]

    def _rows(self, ti_id: str) -> list[Any]:
        table: Any = TaskInstance.__table__
        with self.engine.connect() as connection:
            return list(connection.execute(select(table).where(table.c.id == uuid.UUID(ti_id))))

    def add_callback(self, callback_id: str, state: str = "queued", run_of: str = "") -> None:
        """A callback for executors, of the DAG run that the task instance with this id has."""
        table: Any = Callback.__table__
        table.create(self.engine, checkfirst=True)
        with self.engine.connect() as connection:
            runs: Any = DagRun.__table__
            run = connection.scalar(select(runs.c.id).where(runs.c.run_id == run_of))
        row = {
            "id": uuid.UUID(callback_id),
            "type": "executor",
            "fetch_method": "import_path",
            "data": {"path": "alerts.tell_oncall", "kwargs": {}, "dag_run_id": run},
            "state": state,
            "priority_weight": 1,
        }
        self._write(insert(Callback).values(**row))

    def add_job(self, job_id: int, state: str = "running", seconds_ago: float = 0.0) -> None:
        """A scheduler that gave its last sign of life so long ago."""
        seen = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        self._write(
            insert(Job).values(
                id=job_id, state=state, job_type="SchedulerJob", latest_heartbeat=seen
            )
        )

    def end_job(self, job_id: int) -> None:
        """The scheduler is found to be dead."""
        table: Any = Job.__table__
        self._write(table.update().where(table.c.id == job_id).values(state="failed"))

    def _write(self, statement: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(statement)


def use_database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Make this process's Airflow use a fresh database."""
    file = folder / "airflow.db"
    return use(
        Database(create_engine(f"sqlite:///{file}", connect_args={"timeout": 20})), monkeypatch
    )


def use(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Make this process's Airflow use this one."""
    monkeypatch.setattr(settings, "NonScopedSession", sessionmaker(database.engine))
    return database
