"""What Airflow's database knows of a task instance: its tries, and its event log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import and_, select
from sqlalchemy.exc import SQLAlchemyError

from podlift.commands.errors import BadArgument, DatabaseFailed, NotKnown
from podlift.compat import EVERY_TRY, id_of_try, tables_of_tries
from podlift.executor.metadata import live_jobs


@dataclass(frozen=True, kw_only=True)
class Try:
    """One try of a task instance, as Airflow counts them."""

    ti_id: str
    number: int
    state: str | None
    scheduled: datetime | None = None
    queued: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    hostname: str = ""
    job_id: int | None = None
    """The scheduler's job that queued it."""
    pod_name: str = ""
    """Airflow's external executor id, which is the name of the pod that was created last."""


@dataclass(frozen=True)
class Entry:
    """One entry of the event log."""

    at: datetime
    event: str
    text: str
    try_number: int | None
    owner: str = ""


@dataclass(frozen=True, kw_only=True)
class Records:
    """Everything that the database has of one task instance."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    tries: tuple[Try, ...]
    """In order; the last one is the present."""
    entries: tuple[Entry, ...] = ()
    live_jobs: frozenset[int] = frozenset()
    """Of the schedulers that queued it, those that are alive."""

    @property
    def label(self) -> str:
        """The task instance as people call it."""
        index = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.dag_id}.{self.task_id}{index}, run {self.run_id}"


@dataclass(frozen=True)
class Key:
    """Which task instance. Without ``map_index`` the only one that there is."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int | None = None


@contextmanager
def database() -> Iterator[Any]:
    """A session. Raises ``DatabaseFailed`` in a sentence."""
    try:
        with create_session(scoped=False) as session:
            yield session
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise DatabaseFailed(
            f"Airflow's database cannot be used ({reason}): check [database] sql_alchemy_conn, "
            "or run `airflow db migrate`."
        ) from error


def key_of_id(ti_id: UUID) -> Key | None:
    """Whose id this is, or was in a former try."""
    return _key_where(lambda table: id_of_try(table) == ti_id)


def key_of_pod(name: str) -> Key | None:
    """Which task instance Airflow was told to have this pod."""
    return _key_where(lambda table: table.external_executor_id == name)


def _key_where(condition: Callable[[Any], Any]) -> Key | None:
    with database() as session:
        for row in _tries(session, condition):
            return Key(row.dag_id, row.task_id, row.run_id, row.map_index)
    return None


def _tries(session: Any, condition: Callable[[Any], Any]) -> Iterator[Any]:
    """Rows of tries, present and former."""
    for table in tables_of_tries():
        statement = select(table).where(condition(table)).order_by(table.try_number)
        yield from session.scalars(statement.execution_options(**EVERY_TRY))


def row_of_try(session: Any, records: Records, number: int) -> Any:
    """The row of the task instance's try with this number; None if there is none."""
    here = (records.dag_id, records.task_id, records.run_id, records.map_index)
    rows = _tries(session, lambda table: and_(_is_of(table, *here), table.try_number == number))
    return next(rows, None)


def read(key: Key) -> Records:
    """All that is known of the task instance. Raises ``NotKnown`` and ``BadArgument``."""
    with database() as session:
        row = _row(session, key)
        found = (row.dag_id, row.task_id, row.run_id, row.map_index)
        every = _tries(session, lambda table: _is_of(table, *found))
        tries = [_try(each) for each in every if each.try_number != row.try_number]
        tries.append(_try(row))
        entries = tuple(map(_entry, session.scalars(_entries_of(row))))
    jobs = {each.job_id for each in tries if each.job_id is not None}
    return Records(
        dag_id=found[0],
        task_id=found[1],
        run_id=found[2],
        map_index=found[3],
        tries=tuple(tries),
        entries=entries,
        live_jobs=live_jobs(jobs) if jobs else frozenset(),
    )


def _row(session: Any, key: Key) -> TaskInstance:
    statement = select(TaskInstance).where(
        TaskInstance.dag_id == key.dag_id,
        TaskInstance.task_id == key.task_id,
        TaskInstance.run_id == key.run_id,
    )
    rows: Sequence[TaskInstance] = session.scalars(statement.order_by(TaskInstance.map_index)).all()
    if not rows:
        raise NotKnown(
            f"Airflow knows no task instance {key.dag_id} {key.task_id} {key.run_id}: "
            f"`airflow tasks states-for-dag-run {key.dag_id} {key.run_id}` lists those of the run."
        )
    wanted = [row for row in rows if key.map_index in (None, row.map_index)]
    if len(wanted) == 1:
        return wanted[0]
    indexes = f"{rows[0].map_index} to {rows[-1].map_index}"
    raise BadArgument(
        f"Task {key.task_id} is mapped: say which one is meant with --map-index, {indexes}."
    )


def _is_of(table: Any, dag_id: str, task_id: str, run_id: str, map_index: int) -> Any:
    return and_(
        table.dag_id == dag_id,
        table.task_id == task_id,
        table.run_id == run_id,
        table.map_index == map_index,
    )


def _entries_of(row: TaskInstance) -> Any:
    # What somebody did by hand has no map index, and is about all of them.
    mapped = Log.map_index.is_(None) | (Log.map_index == row.map_index)
    return (
        select(Log)
        .where(Log.dag_id == row.dag_id, Log.task_id == row.task_id, Log.run_id == row.run_id)
        .where(mapped, Log.event.not_like("cli_%"))
        .order_by(Log.dttm, Log.id)
    )


def _try(row: Any) -> Try:
    return Try(
        ti_id=str(row.id),
        number=row.try_number,
        state=row.state and str(row.state),
        scheduled=row.scheduled_dttm,
        queued=row.queued_dttm,
        started=row.start_date,
        ended=row.end_date,
        hostname=row.hostname or "",
        job_id=row.queued_by_job_id,
        pod_name=row.external_executor_id or "",
    )


def _entry(row: Any) -> Entry:
    return Entry(row.dttm, row.event or "", row.extra or "", row.try_number, row.owner or "")
