"""SIGKILL at any point of a task's life: the next scheduler goes on, or finishes what had finished.

The scheduler that is killed is a process of its own; the next one is the test's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.functional.executor.holding import Hold, HoldingServer
from tests.functional.executor.schedulers import left_behind, until

if TYPE_CHECKING:
    from tests.functional.conftest import Cluster
    from tests.functional.executor.conftest import Driver, MakeDriver, StartScheduler
    from tests.functional.executor.database import Database
    from tests.functional.executor.schedulers import Scheduler

pytestmark = pytest.mark.functional

DEAD, NEXT = 7, 8
POD = r"/pods/[^/]+"


@pytest.fixture
def database(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    database.add_job(DEAD)
    database.add_job(NEXT)
    monkeypatch.setenv("AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD", "1")
    return database


@pytest.fixture
def server(cluster: Cluster, tmp_path: Path) -> Iterator[HoldingServer]:
    """Stands between the scheduler that is killed and the cluster."""
    server = HoldingServer(cluster, tmp_path / "holding")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def doomed(server: HoldingServer, start_scheduler: StartScheduler, database: Database) -> Scheduler:
    """The scheduler that will be killed."""
    return start_scheduler(DEAD, database, config_file=server.kubeconfig)


@pytest.fixture
def successor(make_driver: MakeDriver, database: Database) -> Callable[..., Driver]:
    """The next scheduler, once the first one is dead for Airflow too."""

    def start(**options: Any) -> Driver:
        database.end_job(DEAD)
        return make_driver(job_id=NEXT, **options)

    return start


def in_state(database: Database, task: Any, state: str) -> None:
    """What Airflow knows of the task; whoever adopts it is named in the same transaction."""
    config = task.ti.executor_config
    database.put(str(task.ti.id), state, queued_by_job_id=NEXT, executor_config=config)


def adopt(driver: Driver, *tasks: Any, state: str = "running") -> None:
    orphans = [left_behind(task, state) for task in tasks]
    assert driver.executor.try_adopt_task_instances(orphans) == []


def phase(driver_pods: list[dict[str, Any]], wanted: str) -> bool:
    return any(pod["status"]["phase"] == wanted for pod in driver_pods)


def pods(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    _, body = cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods")
    found: list[dict[str, Any]] = body["items"]
    return found


def new_task(script: str | None = None, **more: Any) -> Any:
    from tests.functional.executor.conftest import Driver

    return Driver.task(script, **more)


def test_tasks_that_only_waited_in_memory_run_under_the_next_scheduler(
    doomed: Scheduler, server: HoldingServer, database: Database, successor: Any
) -> None:
    hold = Hold("POST", "/pods")
    server.holds = (hold,)
    tasks = [new_task("echo once") for _ in range(3)]
    doomed.queue(*tasks)
    assert hold.met.wait(20)
    doomed.kill()
    for task in tasks:
        in_state(database, task, "queued")
    driver = successor()
    adopt(driver, *tasks, state="queued")
    for task in tasks:
        assert driver.end(task) == ("success", None)
    assert driver.every_log().count("once") == 3
    driver.no_pods()


def test_a_pod_whose_creation_was_never_answered_is_found(
    doomed: Scheduler, server: HoldingServer, database: Database, successor: Any
) -> None:
    hold = Hold("POST", "/pods", carried_out=True)
    server.holds = (hold,)
    task = new_task("sleep 3; echo once")
    doomed.queue(task)
    assert hold.met.wait(20)
    doomed.kill()
    in_state(database, task, "queued")
    driver = successor()
    adopt(driver, task, state="queued")
    driver.until(lambda: driver.pods()[0]["metadata"]["labels"]["podlift.dev/executor"][0] == "8")
    in_state(database, task, "success")  # as its worker says when it is done
    assert driver.end(task) == ("success", None)
    assert driver.kept_log(task).count("once") == 1
    driver.no_pods()


def test_a_pod_that_pends_goes_on_pending_under_the_next_scheduler(
    doomed: Scheduler, cluster: Cluster, namespace: str, database: Database, successor: Any
) -> None:
    base = {"name": "base", "command": ["sh", "-c", "echo through"]}
    gates = [{"name": "podlift.dev/test"}]
    task = new_task(override={"spec": {"schedulingGates": gates, "containers": [base]}})
    doomed.queue(task)
    [pod] = until(lambda: pods(cluster, namespace))
    doomed.kill()
    in_state(database, task, "queued")
    driver = successor()
    adopt(driver, task, state="queued")
    driver.until(lambda: driver.pods()[0]["metadata"]["labels"]["podlift.dev/executor"][0] == "8")
    path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}"
    in_state(database, task, "success")  # as its worker says when it is done
    patch = {"spec": {"schedulingGates": None}}
    kind = "application/merge-patch+json"
    assert cluster.request("PATCH", path, patch, Content_Type=kind)[0] == 200
    assert driver.end(task) == ("success", None)
    driver.no_pods()


def test_a_pod_that_runs_goes_on_running_under_the_next_scheduler(
    doomed: Scheduler, cluster: Cluster, namespace: str, database: Database, successor: Any
) -> None:
    task = new_task("sleep 1; echo to the end; exit 3")
    doomed.queue(task)
    until(lambda: phase(pods(cluster, namespace), "Running"))
    doomed.kill()
    in_state(database, task, "running")
    driver = successor()
    adopt(driver, task)
    state, info = driver.end(task)
    assert (state, "exit code 3" in info) == ("failed", True)
    assert "to the end" in driver.kept_log(task)
    driver.no_pods()


def test_a_pod_that_ended_while_nobody_looked_is_judged(
    doomed: Scheduler, cluster: Cluster, namespace: str, database: Database, successor: Any
) -> None:
    task = new_task("sleep 2; echo unseen; exit 3")
    doomed.queue(task)
    until(lambda: phase(pods(cluster, namespace), "Running"))
    doomed.kill()
    until(lambda: phase(pods(cluster, namespace), "Failed"))
    in_state(database, task, "running")
    driver = successor()
    adopt(driver, task)
    assert driver.end(task)[0] == "failed"
    assert "unseen" in driver.kept_log(task)
    driver.no_pods()


def test_a_task_whose_log_was_being_kept_is_reported_with_its_log(
    doomed: Scheduler, server: HoldingServer, database: Database, successor: Any
) -> None:
    hold = Hold("GET", f"{POD}/log")
    server.holds = (hold,)
    task = new_task("echo precious; exit 3")
    doomed.queue(task)
    assert hold.met.wait(20)
    doomed.kill()
    assert doomed.ends(task) == []
    in_state(database, task, "running")
    driver = successor()
    adopt(driver, task)
    assert driver.end(task)[0] == "failed"
    assert driver.kept_log(task).count("precious") == 1
    driver.no_pods()


@pytest.mark.parametrize("path", [f"{POD}/log", POD], ids=["keeping its log", "deleting it"])
def test_a_pod_whose_task_airflow_knows_to_be_over_is_cleared_away_with_its_log_kept(
    doomed: Scheduler, server: HoldingServer, database: Database, successor: Any, path: str
) -> None:
    # Its worker told Airflow, so nobody adopts it.
    hold = Hold("GET" if path.endswith("log") else "DELETE", path)
    server.holds = (hold,)
    task = new_task("echo precious")
    doomed.queue(task)
    assert hold.met.wait(20)
    doomed.kill()
    in_state(database, task, "success")
    driver = successor()
    driver.no_pods()
    assert driver.kept_log(task).count("precious") == 1
    assert driver.ends(task) == []
    assert driver.executor.running == set()


def test_the_count_of_pods_that_the_infrastructure_took_is_read_from_the_pod(
    doomed: Scheduler, cluster: Cluster, namespace: str, database: Database, successor: Any
) -> None:
    task = new_task(override={"spec": {"schedulingGates": [{"name": "podlift.dev/test"}]}})
    in_state(database, task, "queued")
    database.set(str(task.ti.id), queued_by_job_id=DEAD)
    doomed.queue(task)
    for launch in ("1", "2"):
        pod = until(partial(_launched, cluster, namespace, launch))
        path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}"
        assert cluster.request("DELETE", path)[0] == 200
    third = until(partial(_launched, cluster, namespace, "3"))
    assert third["metadata"]["annotations"]["podlift.dev/replaced"] == "2"
    doomed.kill()
    database.set(str(task.ti.id), queued_by_job_id=NEXT)
    driver = successor(infrastructure_retries=2)
    adopt(driver, task, state="queued")
    path = f"/api/v1/namespaces/{namespace}/pods/{third['metadata']['name']}"
    driver.until(lambda: _annotations(cluster, namespace, "3").get("podlift.dev/adoptions") == "1")
    assert cluster.request("DELETE", path)[0] == 200
    assert driver.end(task)[0] == "failed"
    driver.no_pods()


def _launched(cluster: Cluster, namespace: str, launch: str) -> dict[str, Any]:
    for pod in pods(cluster, namespace):
        if pod["metadata"]["annotations"]["podlift.dev/launch"] == launch:
            return pod
    return {}


def _annotations(cluster: Cluster, namespace: str, launch: str) -> dict[str, str]:
    found: dict[str, str] = _launched(cluster, namespace, launch)["metadata"]["annotations"]
    return found
