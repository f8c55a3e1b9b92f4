"""Pods that the standard executor left when Podlift took its place: they finish, and count."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.functional.executor.schedulers import left_behind

if TYPE_CHECKING:
    from tests.functional.executor.conftest import Driver, MakeDriver

pytestmark = pytest.mark.functional


def standard_pod(task: Any, script: str, name: str = "shells-task-x1y2z3a4") -> dict[str, Any]:
    """A pod as cncf-kubernetes 10 makes it for Airflow 3.3."""
    ti = task.ti
    arguments = [
        "python",
        "-m",
        "airflow.sdk.execution_time.execute_workload",
        "--json-string",
        task.model_dump_json(),
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {
                "dag_id": ti.dag_id,
                "task_id": ti.task_id,
                "run_id": "run_1-0123456789",
                "try_number": str(ti.try_number),
                "airflow_version": "3.3.2",
                "airflow-worker": "7",
                "kubernetes_executor": "True",
            },
            "annotations": {
                "dag_id": ti.dag_id,
                "task_id": ti.task_id,
                "run_id": ti.run_id,
                "try_number": str(ti.try_number),
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": "base",
                    "image": "busybox:1.36",
                    # The worker is a shell here; the arguments are passed to it, and ignored.
                    "command": ["sh", "-c", script],
                    "args": arguments,
                    "env": [{"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"}],
                }
            ],
        },
    }


def create(driver: Driver, pod: dict[str, Any], phase: str = "Running") -> None:
    path = f"/api/v1/namespaces/{driver.namespace}/pods"
    status, body = driver.cluster.request("POST", path, pod)
    assert status == 201, body
    driver.pod(phase)


def test_a_pod_that_runs_is_left_to_finish_and_reported(make_driver: MakeDriver) -> None:
    driver = make_driver(job_id=8)
    task = driver.task()
    create(driver, standard_pod(task, "sleep 1; echo from before; exit 3"))
    assert driver.executor.try_adopt_task_instances([left_behind(task)]) == []
    driver.until(lambda: "podlift.dev/executor" in driver.pods()[0]["metadata"]["labels"])
    labels = driver.pods()[0]["metadata"]["labels"]
    # The former executor's own searches leave out what is done with.
    assert labels["airflow_executor_done"] == "True"
    assert labels["kubernetes_executor"] == "True"
    state, info = driver.end(task)
    assert (state, "exit code 3" in info) == ("failed", True)
    assert "from before" in driver.kept_log(task)
    driver.no_pods()
    assert driver.executor.running == set()


def test_a_pod_that_ended_badly_while_nobody_looked_is_reported(make_driver: MakeDriver) -> None:
    driver = make_driver(job_id=8)
    task = driver.task()
    create(driver, standard_pod(task, "exit 3"), "Failed")
    assert driver.executor.try_adopt_task_instances([left_behind(task, "queued")]) == []
    assert driver.end(task)[0] == "failed"
    driver.no_pods()


def test_it_is_taken_over_again_like_any_other_pod(make_driver: MakeDriver) -> None:
    first, second = make_driver(job_id=7), make_driver(job_id=8)
    task = first.task()
    create(first, standard_pod(task, "sleep 2; exit 3"))
    assert first.executor.try_adopt_task_instances([left_behind(task)]) == []
    first.until(lambda: "podlift.dev/executor" in first.pods()[0]["metadata"]["labels"])
    first.executor.end()
    assert second.executor.try_adopt_task_instances([left_behind(task)]) == []
    assert second.end(task)[0] == "failed"
    second.no_pods()


@pytest.mark.parametrize("change", ["another try", "another task instance", "revoked", "done"])
def test_what_is_not_this_trys_is_left_alone(make_driver: MakeDriver, change: str) -> None:
    driver = make_driver(job_id=8)
    task = driver.task()
    pod = standard_pod(task, "sleep 30")
    if change == "another try":
        pod["metadata"]["annotations"]["try_number"] = "2"
    elif change == "another task instance":
        arguments = pod["spec"]["containers"][0]["args"]
        workload = json.loads(arguments[-1])
        workload["ti"]["id"] = "01990000-0000-7000-8000-000000000000"
        arguments[-1] = json.dumps(workload)
    else:
        label = {"revoked": "airflow_pod_revoked", "done": "airflow_executor_done"}[change]
        pod["metadata"]["labels"][label] = "True"
    create(driver, pod)
    driver.know(task, "success")  # else it would be run anew
    assert driver.executor.try_adopt_task_instances([left_behind(task)]) == []
    driver.until(lambda: not driver.executor.running)
    assert "podlift.dev/executor" not in driver.pods()[0]["metadata"]["labels"]
