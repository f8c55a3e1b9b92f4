"""Pods that nobody holds: of failed tasks that are kept for a while, and of dead schedulers."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.functional.executor.conftest import Driver, MakeDriver
    from tests.functional.executor.database import Database

pytestmark = pytest.mark.functional

DEAD, NEXT = 7, 8


@pytest.fixture
def database(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    database.add_job(NEXT)
    monkeypatch.setenv("AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD", "1")
    return database


def left_by_a_dead_one(driver: Driver, *tasks: Any) -> None:
    """The tasks' pods ended, and their scheduler died before it could do anything about it."""
    for task in tasks:
        driver.end(task)
    driver.executor.end()


def beat(driver: Driver, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        driver.beat()
        time.sleep(0.05)


def names(driver: Driver) -> set[str]:
    return {pod["metadata"]["labels"]["task_id"] for pod in driver.pods()}


@pytest.fixture
def dead(make_driver: MakeDriver, database: Database) -> Driver:
    """A scheduler that will be dead; it leaves its pods."""
    return make_driver(job_id=DEAD, delete_worker_pods=False)


@pytest.fixture
def driver(make_driver: MakeDriver, database: Database, dead: Driver) -> Driver:
    """One that lives."""
    return make_driver(job_id=NEXT, delete_worker_pods=True)


def test_pods_of_failed_tasks_are_kept_for_the_time_that_was_set(
    make_driver: MakeDriver, database: Database
) -> None:
    driver = make_driver(job_id=NEXT, failed_pod_retention=6)
    bad, good = driver.task("exit 3"), driver.task("exit 0")
    driver.queue(bad, good)
    driver.end(good)
    driver.end(bad)
    [finished] = {
        each["state"]["terminated"]["finishedAt"]
        for pod in driver.pods()
        if pod["metadata"]["labels"]["task_id"] == bad.ti.task_id
        for each in pod["status"]["containerStatuses"]
    }
    driver.until(lambda: names(driver) == {bad.ti.task_id})
    driver.no_pods()
    kept = datetime.now(UTC) - datetime.fromisoformat(finished)  # of whole seconds
    assert kept > timedelta(seconds=5)


def test_the_time_counts_from_the_pods_end_whoever_made_it(
    make_driver: MakeDriver, database: Database
) -> None:
    first = make_driver(job_id=DEAD, failed_pod_retention=3)
    task = first.task("exit 3")
    first.queue(task)
    left_by_a_dead_one(first, task)
    database.put(str(task.ti.id), "failed")
    second = make_driver(job_id=NEXT, failed_pod_retention=3)
    second.no_pods()
    assert second.ends(task) == []


def test_pods_that_are_kept_for_ever_are_kept_by_the_next_scheduler_too(
    make_driver: MakeDriver, database: Database, dead: Driver
) -> None:
    task = dead.task("exit 3")
    dead.queue(task)
    left_by_a_dead_one(dead, task)
    database.put(str(task.ti.id), "failed")
    driver = make_driver(job_id=NEXT, delete_worker_pods_on_failure=False)
    beat(driver, 2.5)
    assert names(driver) == {task.ti.task_id}


def test_completed_pods_of_a_dead_scheduler_do_not_linger(
    dead: Driver, driver: Driver, database: Database
) -> None:
    tasks = [dead.task("echo kept; exit 0"), dead.task("echo kept; exit 3")]
    dead.queue(*tasks)
    left_by_a_dead_one(dead, *tasks)
    database.put(str(tasks[0].ti.id), "success")
    database.add_former_try(str(tasks[1].ti.id))  # it is up for its next try, with another id
    driver.no_pods()
    assert ["kept" in driver.kept_log(task) for task in tasks] == [True, True]
    assert all(driver.ends(task) == [] for task in tasks)


def test_a_live_schedulers_pods_and_those_of_tasks_that_wait_are_left(
    dead: Driver, driver: Driver, database: Database, make_driver: MakeDriver
) -> None:
    alive = make_driver(job_id=9, delete_worker_pods=False)
    database.add_job(9, seconds_ago=-600)  # its clock need not be ours
    over, waiting = alive.task("exit 0"), dead.task("exit 3")
    alive.queue(over)
    alive.end(over)
    dead.queue(waiting)
    left_by_a_dead_one(dead, waiting)
    database.put(str(over.ti.id), "success")
    database.put(str(waiting.ti.id), "running")
    beat(driver, 2.5)
    assert names(driver) == {over.ti.task_id, waiting.ti.task_id}
    database.set(str(waiting.ti.id), state="failed")
    driver.until(lambda: names(driver) == {over.ti.task_id})


def test_another_airflows_pods_are_left_and_said_once(
    dead: Driver, driver: Driver, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    task = dead.task("exit 0")
    dead.queue(task)
    left_by_a_dead_one(dead, task)
    database.remove(str(task.ti.id))
    beat(driver, 3.5)
    assert names(driver) == {task.ti.task_id}
    said = [text for text in caplog.messages if "does not know" in text]
    assert len(said) == 1


def test_a_pod_with_broken_annotations_is_left_and_said_once(
    make_driver: MakeDriver, caplog: pytest.LogCaptureFixture
) -> None:
    driver = make_driver()
    pod = {
        "metadata": {
            "name": "strange",
            "labels": {"app.kubernetes.io/managed-by": "podlift", "task_id": "strange"},
            "annotations": {"podlift.dev/ti-id": "what?"},
        },
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "base", "image": "busybox:1.36", "command": ["true"]}],
        },
    }
    path = f"/api/v1/namespaces/{driver.namespace}/pods"
    assert driver.cluster.request("POST", path, pod)[0] == 201
    driver.pod("Succeeded")
    beat(driver, 2.5)
    assert names(driver) == {"strange"}
    assert len([text for text in caplog.messages if "strange" in text]) == 1


def test_a_pod_that_pends_for_a_try_that_is_over_is_removed(
    dead: Driver, driver: Driver, database: Database
) -> None:
    # Its creation was carried out after its scheduler had died and the task was started anew.
    gates = [{"name": "podlift.dev/test"}]
    task = dead.task(override={"spec": {"schedulingGates": gates}}, ti_id=uuid.uuid4())
    dead.queue(task)
    dead.pod("Pending")
    dead.executor.end()
    database.add_former_try(str(task.ti.id))
    driver.no_pods()
    assert "its task is over" in driver.kept_log(task)
