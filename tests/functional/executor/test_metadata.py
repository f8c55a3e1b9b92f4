"""What the executor asks of Airflow's database, and writes to it."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from tests.functional.executor.database import Database, use_database

from podlift.executor import metadata
from podlift.executor.metadata import Answer

pytestmark = pytest.mark.functional


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    return use_database(tmp_path, monkeypatch)


@pytest.fixture
def ti(database: Database) -> str:
    """A running task instance."""
    ti_id = str(uuid.uuid4())
    database.add(ti_id, "running")
    return ti_id


def test_a_running_task_is_queued_again_for_its_next_pod(database: Database, ti: str) -> None:
    assert metadata.requeue(ti, 1, "task-2") is Answer.DONE
    row = database.row(ti)
    assert row.state == "queued"
    assert row.external_executor_id == "task-2"
    assert datetime.now(UTC) - row.queued_dttm < timedelta(seconds=10)
    assert (row.try_number, row.max_tries, row.queued_by_job_id) == (1, 3, 7)


def test_asking_again_gives_the_same_answer(database: Database, ti: str) -> None:
    assert metadata.requeue(ti, 1, "task-2") is Answer.DONE
    assert metadata.requeue(ti, 1, "task-2") is Answer.DONE


@pytest.mark.parametrize(
    "state", ["success", "failed", "up_for_retry", "deferred", "restarting", "scheduled", None]
)
def test_what_ended_or_changed_meanwhile_is_left_alone(
    database: Database, ti: str, state: str | None
) -> None:
    database.set(ti, state=state)
    assert metadata.requeue(ti, 1, "task-2") is Answer.OVER
    assert database.row(ti).state == state


def test_another_try_is_left_alone(database: Database, ti: str) -> None:
    database.set(ti, try_number=2)
    assert metadata.requeue(ti, 1, "task-2") is Answer.OVER
    assert metadata.requeue(str(uuid.uuid4()), 1, "gone-2") is Answer.OVER


def test_what_another_scheduler_has_taken_over_is_left_to_it(database: Database, ti: str) -> None:
    database.add_job(7)
    assert metadata.requeue(ti, 1, "task-2", job_id=8) is Answer.TAKEN
    assert database.row(ti).state == "running"
    database.end_job(7)  # it is dead, and this one is about to take over
    assert metadata.requeue(ti, 1, "task-2", job_id=8) is Answer.DONE


def test_what_was_left_by_a_dead_scheduler_becomes_this_ones(database: Database, ti: str) -> None:
    assert metadata.requeue(ti, 1, "task-2", job_id=8) is Answer.DONE
    assert database.row(ti).queued_by_job_id == 8


def test_a_task_that_runs_is_left_alone_if_that_is_asked_for(database: Database, ti: str) -> None:
    assert metadata.requeue(ti, 1, "task-2", job_id=7, unless_running=True) is Answer.RUNS
    assert database.row(ti).state == "running"
    database.set(ti, state="queued")
    assert metadata.requeue(ti, 1, "task-2", job_id=7, unless_running=True) is Answer.DONE


def test_a_task_that_waits_in_earnest_does_not_count_as_stuck(database: Database, ti: str) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    other = str(uuid.uuid4())
    database.add(other, "running")
    database.set(ti, state="queued", queued_dttm=long_ago)
    database.set(other, queued_dttm=long_ago)
    metadata.keep_queued([ti, other])
    assert database.row(ti).queued_dttm > long_ago
    assert database.row(other).queued_dttm == long_ago


def test_states_of_many(database: Database, ti: str) -> None:
    others = [str(uuid.uuid4()) for _ in range(1200)]
    assert metadata.task_states([ti, *others]) == {ti: metadata.TaskState("running", 1, 7)}
    assert metadata.task_states([]) == {}


def test_a_scheduler_lives_as_long_as_its_job_runs_and_beats(database: Database) -> None:
    database.add_job(1)
    database.add_job(2, seconds_ago=3600)
    database.add_job(3, state="failed")
    assert metadata.live_jobs([1, 2, 3, 4]) == {1}


async def test_a_database_that_is_away_is_waited_for(
    database: Database, ti: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow import settings

    working = settings.NonScopedSession
    from sqlalchemy import create_engine
    from sqlalchemy.orm import sessionmaker

    away = sessionmaker(create_engine("sqlite:////nowhere/at/all.db"))
    monkeypatch.setattr(settings, "NonScopedSession", away)
    with pytest.raises(OperationalError):
        metadata.requeue(ti, 1, "task-2")
    asking = asyncio.create_task(metadata.Metadata().requeue(ti, 1, "task-2", 7))
    await asyncio.sleep(0.2)
    assert not asking.done()
    monkeypatch.setattr(settings, "NonScopedSession", working)
    assert await asyncio.wait_for(asking, 5) is Answer.DONE


def test_what_a_worker_needs_is_rebuilt_from_the_database(database: Database) -> None:
    ti_id = str(uuid.uuid4())
    config = {"pod_override": {"spec": {"nodeName": "here"}}}
    database.add(ti_id, "queued", executor_config=config)
    workload = metadata.workload_of(ti_id)
    assert workload is not None
    assert str(workload.ti.id) == ti_id
    assert workload.ti.executor_config == config
    assert workload.bundle_info.name == "dags"
    assert str(workload.dag_rel_path) == "shells.py"
    assert workload.log_path is not None
    assert "task_id=task" in workload.log_path
    assert metadata.workload_of(str(uuid.uuid4())) is None


def test_a_row_that_lacks_what_a_worker_needs_makes_no_workload(database: Database) -> None:
    ti_id = str(uuid.uuid4())
    database.add(ti_id, "queued")
    database.set(ti_id, dag_version_id=None)
    assert metadata.workload_of(ti_id) is None
