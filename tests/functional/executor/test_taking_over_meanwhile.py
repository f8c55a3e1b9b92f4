"""A task that another scheduler is just taking over, by a transaction that goes on for a while."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.taskinstance import TaskInstance
from airflow.utils import sqlalchemy
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from tests.e2e.postgres import postgres
from tests.functional.executor.database import Database, use

from podlift.executor import disputes, metadata

if TYPE_CHECKING:
    from tests.functional.executor.conftest import MakeDriver

pytestmark = [pytest.mark.functional, pytest.mark.postgres]

_NO_FOREIGN_KEYS = "options=-c%20session_replication_role%3Dreplica"


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """One that has locks for rows, as every one that several schedulers share."""
    monkeypatch.setattr(sqlalchemy, "USE_ROW_LEVEL_LOCKING", True)
    with postgres() as url:
        engine = create_engine(f"{url}&{_NO_FOREIGN_KEYS}")
        import_all_models()  # type: ignore[no-untyped-call]
        Base.metadata.create_all(engine)
        yield use(Database(engine), monkeypatch)
        engine.dispose()


def take_over(connection: Connection, ti_id: Any, job_id: int) -> None:
    """What Airflow does when it gives a task instance to another scheduler, but for the commit."""
    table: Any = TaskInstance.__table__
    chosen = table.c.id == ti_id
    connection.execute(table.select().where(chosen).with_for_update(key_share=True))
    connection.execute(table.update().where(chosen).values(queued_by_job_id=job_id))


def test_a_row_that_is_being_changed_is_not_settled(database: Database) -> None:
    ti_id = uuid.uuid4()
    database.add(str(ti_id), "queued", job_id=7)
    before = metadata.TaskState("queued", 1, 7)
    assert metadata.task_states([str(ti_id)], settled=True) == {str(ti_id): before}
    with database.engine.begin() as another:
        take_over(another, ti_id, 8)
        assert metadata.task_states([str(ti_id)], settled=True) == {}
        assert metadata.task_states([str(ti_id)]) == {str(ti_id): before}
    after = metadata.TaskState("queued", 1, 8)
    assert metadata.task_states([str(ti_id)], settled=True) == {str(ti_id): after}


def test_no_pod_is_created_for_a_task_that_is_being_taken_over(
    make_driver: MakeDriver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disputes, "_CERTAIN", 0.0)  # as when this scheduler stood still
    driver = make_driver(job_id=7)
    taken, other = driver.task("exit 0"), driver.task("exit 0")
    driver.know(taken)
    with database.engine.begin() as another:
        take_over(another, taken.ti.id, 8)
        driver.queue(taken, other)
        driver.end(other)
        time.sleep(1.0)
        driver.beat()
        assert not [pod for pod in driver.pods() if _is_of(pod, taken)]
        assert taken.ti.key in driver.executor.running
    driver.until(lambda: driver.executor.slots_occupied == 0)
    driver.no_pods()
    assert driver.ends(taken) == []


def test_a_transaction_that_comes_to_nothing_only_delays_a_task(
    make_driver: MakeDriver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disputes, "_CERTAIN", 0.0)
    driver = make_driver(job_id=7)
    task = driver.task("exit 0")
    driver.know(task)
    with database.engine.connect() as another:
        take_over(another, task.ti.id, 8)
        driver.queue(task)
        driver.until(lambda: driver.executor.running)
        another.rollback()
    assert driver.end(task)[0] == "success"


def _is_of(pod: dict[str, Any], task: Any) -> bool:
    return bool(pod["metadata"]["annotations"]["task_id"] == task.ti.task_id)
