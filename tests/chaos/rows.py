"""Airflow's own database, with the rows that a run needs, and what the desk writes into them."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.chaos.plans import Plan
from tests.chaos.pods import executor_config

if TYPE_CHECKING:
    from sqlalchemy import Engine

DAG, TASK, BUNDLE = "chaos", "work", "chaos"
FINAL = frozenset({"success", "failed"})


@dataclass(frozen=True)
class TaskEnd:
    """A task as the database has it."""

    index: int
    state: str | None
    try_number: int
    ti_id: str
    mismatches: tuple[str, ...] = ()
    """What Airflow wrote each time the executor's word and the database's did not agree."""
    ended: float | None = None
    """When, in seconds since the epoch."""


def migrate(environment: Mapping[str, str]) -> None:
    """Make Airflow's tables in an empty database."""
    code = "from airflow.utils.db import initdb; initdb()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"The database could not be made:\n{done.stderr[-2000:]}")


class Rows:
    """The rows of one run, in a DAG run of its own. Safe to use from several threads."""

    def __init__(self, address: str, run_id: str) -> None:
        import sqlalchemy

        self.run_id = run_id
        self._text = sqlalchemy.text
        self._engine: Engine = sqlalchemy.create_engine(address, pool_size=10)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def fill(self, plans: list[Plan], at_once: int) -> None:
        """Add a DAG run with one scheduled task instance for each plan.

        ``at_once`` of them may be queued or running at the same time.
        """
        # Airflow reads its configuration when it is imported.
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import insert

        version = self._dag_version()
        now = datetime.now(UTC)
        with self._engine.begin() as connection:
            slots = {"slots": at_once}
            connection.execute(self._text("UPDATE slot_pool SET slots = :slots"), slots)
            connection.execute(
                self._text(
                    "INSERT INTO dag_run (dag_id, run_id, state, run_type, run_after, queued_at, "
                    "start_date, logical_date, log_template_id, created_dag_version_id, "
                    "clear_number, span_status, conf) VALUES (:dag, :run, 'running', 'manual', "
                    ":now, :now, :now, :now, (SELECT max(id) FROM log_template), :version, 0, "
                    "'not_started', '{}')"
                ),
                {"dag": DAG, "run": self.run_id, "now": now, "version": version},
            )
            rows = [self._row(plan, version, now) for plan in plans]
            connection.execute(insert(TaskInstance.__table__), rows)

    def _row(self, plan: Plan, version: uuid.UUID, now: datetime) -> dict[str, Any]:
        return {
            "id": uuid.uuid4(),
            "dag_id": DAG,
            "task_id": TASK,
            "run_id": self.run_id,
            "map_index": plan.index,
            "state": "scheduled",
            "try_number": 1,
            "max_tries": 0,
            "pool": "default_pool",
            "pool_slots": 1,
            "queue": "default",
            "priority_weight": plan.priority,
            "operator": "PythonOperator",
            "scheduled_dttm": now,
            "executor_config": executor_config(plan),
            "dag_version_id": version,
            "span_status": "not_started",
            "context_carrier": {},
        }

    def _dag_version(self) -> uuid.UUID:
        """The id of the DAG's version; the DAG is added where there is none."""
        version = uuid.uuid4()
        with self._engine.begin() as connection:
            known = connection.execute(self._text("SELECT id FROM dag_version")).scalar()
            if known is not None:
                return uuid.UUID(str(known))
            for statement in (
                "INSERT INTO dag_bundle (name, active) VALUES (:bundle, true)",
                "INSERT INTO dag (dag_id, is_paused, is_stale, fileloc, relative_fileloc, "
                "bundle_name, timetable_type, partition_mapper_info, max_active_tasks, "
                "max_active_runs, max_consecutive_failed_dag_runs, has_task_concurrency_limits, "
                "timetable_periodic, timetable_partitioned, exceeds_max_non_backfill, fail_fast) "
                "VALUES (:dag, false, false, 'chaos.py', 'chaos.py', :bundle, '', '{}', 100000, "
                "16, 0, false, false, false, false, false)",
                "INSERT INTO dag_version (id, version_number, dag_id, bundle_name, created_at, "
                "last_updated) VALUES (:version, 1, :dag, :bundle, :now, :now)",
            ):
                values = {
                    "dag": DAG,
                    "bundle": BUNDLE,
                    "version": version,
                    "now": datetime.now(UTC),
                }
                used = {name: value for name, value in values.items() if f":{name}" in statement}
                connection.execute(self._text(statement), used)
        return version

    # What the desk writes: as Airflow's execution API does

    def begin(self, ti_id: str, pod_uid: str) -> bool:
        """A worker says that it begins; whether it may."""
        return self._change(
            "UPDATE task_instance SET state = 'running', start_date = now(), hostname = :pod, "
            "pid = 1, last_heartbeat_at = now(), next_method = NULL "
            "WHERE id = :ti AND state IN ('queued', 'restarting')",
            ti=uuid.UUID(ti_id),
            pod=pod_uid,
        )

    def end(self, ti_id: str, state: str) -> bool:
        """A worker says how its task ended; ``scheduled`` means that it was deferred and is due."""
        deferred = state == "scheduled"
        return self._change(
            "UPDATE task_instance SET state = :state, end_date = now(), next_method = :method "
            "WHERE id = :ti AND state = 'running'",
            ti=uuid.UUID(ti_id),
            state=state,
            method="execute_complete" if deferred else None,
        )

    def age_queued(self, index: int) -> bool:
        """Have the scheduler find a queued task to be stuck; whether there was one."""
        return self._change(
            "UPDATE task_instance SET queued_dttm = now() - interval '1 hour' "
            "WHERE run_id = :run AND map_index = :index AND state = 'queued'",
            run=self.run_id,
            index=index,
        )

    def _change(self, statement: str, **values: Any) -> bool:
        with self._engine.begin() as connection:
            return connection.execute(self._text(statement), values).rowcount == 1

    # What the judge reads

    def unfinished(self) -> int:
        """How many tasks have not ended."""
        statement = (
            "SELECT count(*) FROM task_instance WHERE run_id = :run "
            "AND (state IS NULL OR state NOT IN ('success', 'failed'))"
        )
        with self._engine.begin() as connection:
            value = connection.execute(self._text(statement), {"run": self.run_id}).scalar()
        return int(value or 0)

    def ends(self) -> list[TaskEnd]:
        """Every task of the run."""
        mismatches: dict[int, list[str]] = {}
        with self._engine.begin() as connection:
            for index, extra in connection.execute(
                self._text(
                    "SELECT map_index, extra FROM log WHERE run_id = :run "
                    "AND event = 'state mismatch' ORDER BY id"
                ),
                {"run": self.run_id},
            ):
                mismatches.setdefault(index, []).append(extra)
            rows = connection.execute(
                self._text(
                    "SELECT map_index, state, try_number, id, extract(epoch FROM end_date) "
                    "FROM task_instance "
                    "WHERE run_id = :run ORDER BY map_index"
                ),
                {"run": self.run_id},
            ).all()
        return [
            TaskEnd(
                index,
                state,
                tries,
                str(ti_id),
                tuple(mismatches.get(index, ())),
                None if ended is None else float(ended),
            )
            for index, state, tries, ti_id, ended in rows
        ]


def use_airflow(environment: Mapping[str, str]) -> None:
    """Give this process the run's Airflow configuration, before Airflow is imported."""
    os.environ.update(environment)
