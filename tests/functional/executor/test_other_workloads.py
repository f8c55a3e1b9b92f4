"""Callbacks and connection tests, which are no tasks, in pods of their own; and teams."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from airflow.executors import workloads
from airflow.executors.workloads.callback import CallbackDTO
from airflow.utils.session import create_session
from tests.functional.executor.database import Database, use_database

from podlift.compat import workload_key

if TYPE_CHECKING:
    from tests.functional.executor.conftest import Driver, MakeDriver

pytestmark = pytest.mark.functional


def callback() -> workloads.ExecuteCallback:
    return workloads.ExecuteCallback(
        callback=CallbackDTO(
            id=str(uuid.uuid4()),
            fetch_method=workloads.CallbackFetchMethod.IMPORT_PATH,
            data={"path": "alerts.tell_oncall", "kwargs": {}},
        ),
        dag_rel_path=Path("late.py"),
        token="the-callbacks-token",
        bundle_info=workloads.BundleInfo(name="dags"),
        log_path="executor_callbacks/late/run 1/x",
    )


def connection_test() -> workloads.TestConnection:
    return workloads.TestConnection(
        connection_test_id=uuid.uuid4(), connection_id="store", timeout=30, token="the-tests-token"
    )


def running(make_driver: MakeDriver, tmp_path: Path, script: str, **options: Any) -> Driver:
    """A driver whose every pod runs the script."""
    base = {"name": "base", "image": "busybox:1.36", "command": ["sh", "-c", script]}
    template = tmp_path / f"{uuid.uuid4().hex}.yaml"
    template.write_text(
        yaml.safe_dump({"spec": {"terminationGracePeriodSeconds": 1, "containers": [base]}})
    )
    return make_driver(pod_template_file=template, **options)


def states(driver: Driver, workload: Any) -> list[str]:
    return [state for key, state, _ in driver.events if key == workload_key(workload)]


def test_a_callback_runs_in_a_pod_and_airflow_follows_it(
    make_driver: MakeDriver, tmp_path: Path
) -> None:
    driver = running(make_driver, tmp_path, "sleep 1")
    late = callback()
    driver.executor.queue_workload(late, session=None)  # type: ignore[arg-type]
    metadata = driver.pod("Running")["metadata"]
    assert metadata["name"].startswith("late-callback-tell-oncall-")
    assert metadata["labels"]["app.kubernetes.io/component"] == "callback"
    assert metadata["labels"]["dag_id"] == "late"
    assert metadata["annotations"]["run_id"] == "run 1"
    assert metadata["annotations"]["podlift.dev/ti-id"] == late.callback.id
    assert driver.executor.slots_occupied == 1
    driver.until(lambda: states(driver, late)[-1:] == ["success"])
    assert states(driver, late) == ["running", "success"]
    driver.no_pods()
    assert driver.executor.slots_occupied == 0


def test_a_callback_that_fails_says_why(make_driver: MakeDriver, tmp_path: Path) -> None:
    driver = running(make_driver, tmp_path, "exit 3")
    late = callback()
    driver.executor.queue_workload(late, session=None)  # type: ignore[arg-type]
    driver.until(lambda: states(driver, late)[-1:] == ["failed"])
    assert "exit code 3" in driver.events[-1][2]


@dataclass
class Left:
    """A callback whose scheduler is gone."""

    database: Database
    late: workloads.ExecuteCallback
    make: Callable[..., Driver]
    """Starts another scheduler."""


@pytest.fixture
def leave(
    make_driver: MakeDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Database
) -> Callable[..., Left]:
    """Starts a scheduler that runs a callback, and stops it when the callback's pod has a phase."""
    monkeypatch.setenv("AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD", "1")
    for job in (8, 9):
        database.add_job(job, seconds_ago=-600)  # they will not give signs of life

    def left(script: str, phase: str, state: str = "running") -> Left:
        late = callback()
        task_id = str(uuid.uuid4())
        database.add(task_id, "failed")  # its DAG run is what is late
        database.add_callback(late.callback.id, state, run_of=task_id)
        make = partial(running, make_driver, tmp_path, script, delete_worker_pods=True)
        first = make(job_id=7, delete_worker_pods=False)
        first.executor.queue_workload(late, session=None)  # type: ignore[arg-type]
        first.pod(phase)
        first.executor.end()
        return Left(database, late, make)

    return left


def test_a_callback_whose_scheduler_died_is_gone_on_with(leave: Callable[..., Left]) -> None:
    left = leave("sleep 3", "Running")
    driver = left.make(job_id=8)
    driver.until(lambda: driver.executor.slots_occupied == 1)
    driver.until(lambda: states(driver, left.late)[-1:] == ["success"])
    assert states(driver, left.late).count("success") == 1
    driver.no_pods()
    assert driver.executor.slots_occupied == 0


def test_the_end_of_a_callback_that_nobody_saw_is_reported(leave: Callable[..., Left]) -> None:
    left = leave("echo called; exit 3", "Failed")
    driver = left.make(job_id=8)
    driver.until(lambda: states(driver, left.late)[-1:] == ["failed"])
    assert "exit code 3" in driver.events[-1][2]
    driver.no_pods()
    assert "called" in driver.every_log()


def test_one_of_several_schedulers_goes_on_with_a_callback(leave: Callable[..., Left]) -> None:
    left = leave("sleep 3", "Running")
    one, other = left.make(job_id=8), left.make(job_id=9)

    def told() -> list[str]:
        other.beat()
        return states(one, left.late) + states(other, left.late)

    one.until(lambda: "success" in told())
    one.until(lambda: told() and not one.pods())
    assert told().count("success") == 1


def test_a_callback_that_was_taken_over_gets_another_pod_too(leave: Callable[..., Left]) -> None:
    left = leave("sleep 20", "Running")
    driver = left.make(job_id=8)
    driver.until(lambda: driver.executor.slots_occupied == 1)
    name = driver.pod("Running")["metadata"]["name"]
    driver.cluster.request("DELETE", f"/api/v1/namespaces/{driver.namespace}/pods/{name}")
    second = driver.until(
        lambda: [pod for pod in driver.pods() if pod["metadata"]["name"] != name]
    )[0]["metadata"]
    assert "callback-tell-oncall" in second["name"]
    assert second["name"].endswith(f"{name.split('-')[-2]}-2")
    assert second["annotations"]["podlift.dev/ti-id"] == left.late.callback.id
    assert "success" not in states(driver, left.late)


def test_a_callback_whose_end_airflow_knows_is_only_cleared_away(
    leave: Callable[..., Left],
) -> None:
    left = leave("exit 0", "Succeeded", state="success")
    driver = left.make(job_id=8)
    driver.no_pods()
    assert states(driver, left.late) == []


@pytest.mark.since_airflow("3.3", "which brought connection tests")
def test_a_connection_test_frees_its_slot(make_driver: MakeDriver, tmp_path: Path) -> None:
    driver = running(make_driver, tmp_path, "exit 0")
    test = connection_test()
    driver.executor.queue_workload(test, session=None)  # type: ignore[arg-type]
    assert driver.executor.slots_occupied == 1
    driver.until(lambda: states(driver, test)[-1:] == ["success"])
    driver.until(lambda: driver.executor.slots_occupied == 0)


@pytest.mark.since_airflow("3.3", "which brought connection tests")
def test_a_connection_test_that_airflow_gives_up_leaves_no_pod(
    make_driver: MakeDriver, tmp_path: Path
) -> None:
    driver = running(make_driver, tmp_path, "sleep 30")
    test = connection_test()
    driver.executor.queue_workload(test, session=None)  # type: ignore[arg-type]
    driver.pod("Running")
    driver.executor.fail_connection_test(test.key)
    driver.no_pods()
    assert states(driver, test) in ([], ["running"])
    assert driver.executor.slots_occupied == 0


def test_two_teams_in_one_scheduler_count_their_own(
    make_driver: MakeDriver, tmp_path: Path
) -> None:
    blue = running(make_driver, tmp_path, "sleep 30", team="blue")
    green = running(make_driver, tmp_path, "exit 0", team="green")
    task, other = blue.task(), green.task()
    blue.queue(task)
    labels = blue.pod("Running")["metadata"]["labels"]
    assert labels["podlift.dev/team"] == "blue"
    green.queue(other)
    green.end(other)
    assert (blue.executor.slots_occupied, green.executor.slots_occupied) == (1, 0)
    assert {key for key, _, _ in green.events} == {other.ti.key}
    blue.executor.revoke_task(ti=task.ti)  # type: ignore[arg-type]
    blue.no_pods()


@pytest.mark.since_airflow("3.3", "which brought connection tests")
def test_why_a_connection_test_came_to_nothing_is_told_to_who_waits_for_it(
    make_driver: MakeDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.connection_test import ConnectionTestRequest

    database = use_database(tmp_path, monkeypatch)
    table: Any = ConnectionTestRequest.__table__
    table.create(database.engine)
    test = connection_test()
    asked = ConnectionTestRequest(id=test.connection_test_id, connection_id="c", conn_type="fs")
    with create_session(scoped=False) as session:
        session.add(asked)
    driver = running(make_driver, tmp_path, "exit 3")
    driver.executor.queue_workload(test, session=None)  # type: ignore[arg-type]
    driver.until(lambda: states(driver, test)[-1:] == ["failed"])

    def told() -> str | None:
        with create_session(scoped=False) as session:
            row = session.get(ConnectionTestRequest, test.connection_test_id)
            assert row is not None
            return row.result_message if row.state == "failed" else None

    assert "exit code 3" in driver.until(told)
