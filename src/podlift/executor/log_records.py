"""What Airflow's database knows that helps to show a log. Blocks: not for the engine's loop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from airflow.configuration import conf
from airflow.jobs.job import Job
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select

from podlift.executor.facade import EVENT


@dataclass(frozen=True, slots=True)
class Told:
    """Something that the executor wrote to a task's event log."""

    at: datetime
    sentence: str


def scheduler_hosts() -> list[str]:
    """Where schedulers run that are alive, the latest to give a sign of life first."""
    threshold = conf.getint("scheduler", "scheduler_health_check_threshold")
    oldest = datetime.now(UTC) - timedelta(seconds=threshold)
    with create_session(scoped=False) as session:
        hosts = session.scalars(
            select(Job.hostname)
            .where(Job.job_type == "SchedulerJob", Job.state == "running")
            .where(Job.latest_heartbeat >= oldest)
            .order_by(Job.latest_heartbeat.desc())
        )
        return list(dict.fromkeys(host for host in hosts if host))


def told(ti: Any, at_most: int = 200) -> list[Told]:
    """What the executor wrote to the event log of this try, in order."""
    with create_session(scoped=False) as session:
        rows = session.execute(
            select(Log.dttm, Log.extra)
            .where(Log.event == EVENT, Log.dag_id == ti.dag_id, Log.run_id == ti.run_id)
            .where(Log.task_id == ti.task_id, Log.try_number == ti.try_number)
            .where(Log.map_index == ti.map_index)
            .order_by(Log.dttm.desc())
            .limit(at_most)
        ).all()
    return [Told(at, extra or "") for at, extra in reversed(rows) if at is not None]


def task_instance(ti_id: str) -> TaskInstance | None:
    """The task instance with this id, apart from any session; None if there is none any more."""
    with create_session(scoped=False) as session:
        found = session.get(TaskInstance, UUID(ti_id))
        if found is not None:
            session.expunge(found)
        return found
