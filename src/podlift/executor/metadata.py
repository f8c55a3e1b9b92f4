"""Airflow's metadata database: the little that the executor has to ask of it and to write to it.

The functions block, so nothing here is called on the scheduler's thread or on the engine's loop:
``Metadata`` runs them in threads. Each is one transaction that can be repeated, because after a
lost connection nobody knows whether it was carried out.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from airflow.configuration import conf
from airflow.jobs.job import Job
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.sqlalchemy import with_row_locks
from airflow.utils.state import TaskInstanceState
from sqlalchemy import or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import joinedload

from podlift.compat import EVERY_TRY, id_of_try, tables_of_tries
from podlift.executor import other_rows

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecuteCallback, ExecuteTask

logger = logging.getLogger(__name__)

T = TypeVar("T")

_LONGEST_WAIT = 30.0
_AT_A_TIME = 500
"""Ids in one statement: databases limit the number of parameters."""


@dataclass(frozen=True, slots=True)
class TaskState:
    """What Airflow says of a task instance."""

    state: str | None
    try_number: int
    job_id: int | None
    """The scheduler's job that queued it last."""


class Answer(Enum):
    """What came of ``requeue``."""

    DONE = "done"
    OVER = "over"
    """It is no longer this try that runs: it ended, was deferred, cleared or set by a person."""
    TAKEN = "taken"
    """Another scheduler, which is alive, has the task instance now."""
    RUNS = "runs"
    """It has begun in some pod."""


def requeue(
    ti_id: str,
    try_number: int,
    pod_name: str,
    job_id: int | None = None,
    *,
    unless_running: bool = False,
) -> Answer:
    """Set a task instance back to queued, so that the pod ``pod_name`` may begin it anew.

    ``job_id`` is that of this scheduler: what a scheduler has that is gone becomes this one's, as
    when Airflow lets it take over. Repeating it gives the same answer. The task's retries are not
    touched. With ``unless_running`` a task that runs is left alone.
    """
    owner = _owner_of(ti_id) if job_id is not None else None
    if owner not in (None, job_id) and live_jobs([owner]):
        return Answer.TAKEN
    # QUEUED too: the pod had started, but its worker had not said so to Airflow yet.
    running = () if unless_running else (TaskInstanceState.RUNNING,)
    statement = (
        update(TaskInstance)
        .where(
            TaskInstance.id == UUID(ti_id),
            TaskInstance.try_number == try_number,
            TaskInstance.state.in_((*running, TaskInstanceState.QUEUED)),
        )
        .values(
            state=TaskInstanceState.QUEUED,
            queued_dttm=datetime.now(UTC),
            external_executor_id=pod_name,
        )
        .execution_options(synchronize_session=False)
    )
    if job_id is not None:  # nobody else may have taken it since we looked
        theirs = TaskInstance.queued_by_job_id
        statement = statement.where(or_(theirs.is_(None), theirs.in_([job_id, owner or job_id])))
        statement = statement.values(queued_by_job_id=job_id)
    with create_session(scoped=False) as session:
        changed = session.execute(statement).rowcount  # type: ignore[attr-defined]
    if changed:
        return Answer.DONE
    return _why_not(ti_id, try_number, (None, job_id, owner) if job_id is not None else None)


def _why_not(ti_id: str, try_number: int, owners: Collection[int | None] | None) -> Answer:
    found = task_states([ti_id]).get(ti_id)
    if found is None:
        return Answer.OVER
    if owners is not None and found.job_id not in owners:
        return Answer.TAKEN
    runs = found.state == TaskInstanceState.RUNNING and found.try_number == try_number
    return Answer.RUNS if runs else Answer.OVER


def _owner_of(ti_id: str) -> int | None:
    found = task_states([ti_id]).get(ti_id)
    return found.job_id if found else None


def workload_of(ti_id: str) -> ExecuteTask | None:
    """What a worker needs to run the task instance, without a token.

    None if there is no such task instance, or its DAG is gone.
    """
    from airflow.executors.workloads import ExecuteTask
    from pydantic import ValidationError

    statement = (
        select(TaskInstance)
        .where(TaskInstance.id == UUID(ti_id))
        .options(joinedload(TaskInstance.dag_run), joinedload(TaskInstance.dag_model))
    )
    with create_session(scoped=False) as session:
        ti = session.scalar(statement)
        if ti is None or ti.dag_run is None or ti.dag_model is None:
            return None
        try:
            return ExecuteTask.make(ti)
        except ValidationError as error:  # a row from before an upgrade lacks what is needed now
            logger.warning("Task instance %s cannot be run again: %s", ti_id, error)
            return None


def keep_queued(ti_ids: Collection[str]) -> None:
    """Tell Airflow that these are waiting in earnest: its clock for stuck tasks starts again."""
    with create_session(scoped=False) as session:
        for some in _portions(ti_ids):
            session.execute(
                update(TaskInstance)
                .where(TaskInstance.id.in_([UUID(each) for each in some]))
                .where(TaskInstance.state == TaskInstanceState.QUEUED)
                .values(queued_dttm=datetime.now(UTC))
                .execution_options(synchronize_session=False)
            )


def task_states(ti_ids: Collection[str], *, settled: bool = False) -> dict[str, TaskState]:
    """The state of each of these task instances that there still is, by its id.

    With ``settled`` those are left out whose rows a transaction is changing at this moment, as far
    as the database has locks for rows.
    """
    columns = (
        TaskInstance.id,
        TaskInstance.state,
        TaskInstance.try_number,
        TaskInstance.queued_by_job_id,
    )
    found: dict[str, TaskState] = {}
    with create_session(scoped=False) as session:
        for some in _portions(ti_ids):
            wanted = [UUID(each) for each in some]
            statement = select(*columns).where(TaskInstance.id.in_(wanted))
            if settled:  # never waits for a lock; our own ends with this transaction
                statement = with_row_locks(statement, session, of=TaskInstance, skip_locked=True)
            for ti_id, state, try_number, job_id in session.execute(statement):
                found[str(ti_id)] = TaskState(state, try_number, job_id)
    return found


def live_jobs(job_ids: Collection[int]) -> frozenset[int]:
    """Those of these schedulers' jobs that run, and gave a sign of life not too long ago.

    The limit is Airflow's own, ``[scheduler] scheduler_health_check_threshold``, by which it takes
    over the task instances of a scheduler.
    """
    threshold = conf.getint("scheduler", "scheduler_health_check_threshold")
    oldest = datetime.now(UTC) - timedelta(seconds=threshold)
    with create_session(scoped=False) as session:
        alive: list[int] = []
        for some in _portions(job_ids):
            alive += session.scalars(
                select(Job.id).where(
                    Job.id.in_(some), Job.state == "running", Job.latest_heartbeat >= oldest
                )
            )
        return frozenset(alive)


def known(kind: str, ids: Collection[str]) -> frozenset[str]:
    """Those of these that this Airflow knows: tries of tasks (``task``), also former ones, and
    callbacks (``callback``) and connection tests (``connection-test``) that there still are.

    Several Airflows may share a namespace; each knows its own.
    """
    found: set[str] = set()
    with create_session(scoped=False) as session:
        for some in _portions(ids):
            wanted = [UUID(each) for each in some]
            for column in _columns(kind):
                statement = select(column).where(column.in_(wanted))
                found |= set(map(str, session.scalars(statement, execution_options=EVERY_TRY)))
    return frozenset(found)


def _columns(kind: str) -> list[Any]:
    if kind == "task":
        return [id_of_try(table) for table in tables_of_tries()]
    if kind == "callback":
        from airflow.models.callback import Callback

        return [Callback.id]
    from airflow.models.connection_test import ConnectionTestRequest

    return [ConnectionTestRequest.id]


class Metadata:
    """The same for the engine's loop: in threads, and patient while the database is away."""

    async def requeue(
        self,
        ti_id: str,
        try_number: int,
        pod_name: str,
        job_id: int | None,
        *,
        unless_running: bool = False,
    ) -> Answer:
        """As ``requeue``; ends with an answer only."""
        return await self._patiently(
            lambda: requeue(ti_id, try_number, pod_name, job_id, unless_running=unless_running)
        )

    async def workload_of(self, ti_id: str) -> ExecuteTask | None:
        """As ``workload_of``; ends with an answer only."""
        return await self._patiently(lambda: workload_of(ti_id))

    async def keep_queued(self, ti_ids: Collection[str]) -> None:
        """As ``keep_queued``; ends with an answer only."""
        await self._patiently(lambda: keep_queued(ti_ids))

    async def task_states(
        self, ti_ids: Collection[str], *, settled: bool = False
    ) -> dict[str, TaskState]:
        """As ``task_states``; ends with an answer only."""
        return await self._patiently(lambda: task_states(ti_ids, settled=settled))

    async def live_jobs(self, job_ids: Collection[int]) -> frozenset[int]:
        """As ``live_jobs``; ends with an answer only."""
        return await self._patiently(lambda: live_jobs(job_ids))

    async def known(self, kind: str, ids: Collection[str]) -> frozenset[str]:
        """As ``known``; ends with an answer only."""
        return await self._patiently(lambda: known(kind, ids))

    async def fail_connection_test(self, test_id: str, sentence: str) -> None:
        """As ``other_rows.fail_connection_test``; ends with an answer only."""
        await self._patiently(lambda: other_rows.fail_connection_test(test_id, sentence))

    async def awaited_callbacks(self, ids: Collection[str]) -> frozenset[str]:
        """As ``other_rows.awaited_callbacks``; ends with an answer only."""
        return await self._patiently(lambda: other_rows.awaited_callbacks(ids))

    async def callback_workload(self, callback_id: str) -> ExecuteCallback | None:
        """As ``other_rows.callback_workload``; ends with an answer only."""
        return await self._patiently(lambda: other_rows.callback_workload(callback_id))

    async def _patiently(self, ask: Callable[[], T]) -> T:
        wait = 0.5
        while True:
            try:
                return await asyncio.to_thread(ask)
            except SQLAlchemyError as error:
                # Airflow cannot do anything either without it; a task is not to blame for that.
                logger.warning("Airflow's metadata database does not answer: %s", error)
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))
            wait = min(wait * 2, _LONGEST_WAIT)


def _portions(ids: Iterable[T]) -> Iterable[list[T]]:
    every = list(ids)
    return [every[start : start + _AT_A_TIME] for start in range(0, len(every), _AT_A_TIME)]
