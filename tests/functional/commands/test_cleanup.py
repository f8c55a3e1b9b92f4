"""``airflow podlift cleanup``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.functional.commands.conftest import AirflowHome

pytestmark = pytest.mark.functional


def left(airflow: AirflowHome) -> set[str]:
    _, body = airflow.cluster.request("GET", f"/api/v1/namespaces/{airflow.namespace}/pods")
    return {
        pod["metadata"]["name"]
        for pod in body["items"]
        if "deletionTimestamp" not in pod["metadata"]
    }


def test_only_ended_pods_go_that_nobody_needs(airflow: AirflowHome) -> None:
    airflow.task("over", "failed")
    airflow.task("waited_for", "running")
    airflow.task("busy", "failed")
    over = airflow.pod("over", "exit 3", phase="Failed")
    waited_for = airflow.pod("waited_for", "exit 3", phase="Failed")
    strange = airflow.pod("strange", "exit 3", phase="Failed")  # of another Airflow
    busy = airflow.pod("busy", "sleep 600", phase="Running")
    every = {over, waited_for, strange, busy}

    young = airflow.run("cleanup", "--yes")
    assert (young.code, young.out) == (0, "There are no pods to remove.\n")
    assert "1 left alone: ended too short a time ago" in young.err

    planned = airflow.run("cleanup", "--older-than", "0", "--dry-run")
    assert planned.code == 0
    assert over in planned.out
    assert "1 left alone: Airflow still waits" in planned.err
    assert "1 left alone: this Airflow does not know the task" in planned.err
    assert "1 left alone: not ended yet" in planned.err
    assert left(airflow) == every

    refused = airflow.run("cleanup", "--older-than", "0", answer="n\n")
    assert refused.code == 1
    assert "Remove these 1 pods?" in refused.err
    assert left(airflow) == every

    agreed = airflow.run("cleanup", "--older-than", "0", answer="y\n")
    assert agreed.code == 0
    assert "1 of 1 pods removed." in agreed.err
    assert left(airflow) == every - {over}


def test_the_pod_of_a_deferred_task_that_was_ended_goes_though_it_runs(
    airflow: AirflowHome,
) -> None:
    airflow.task("ended", "failed")
    airflow.task("waiting", "deferred")
    pods = {
        task: airflow.pod(task, "sleep 600", phase="Running", component="operator")
        for task in ("ended", "waiting")
    }
    done = airflow.run("cleanup", "--older-than", "0", "--yes")
    assert "1 of 1 pods removed." in done.err
    assert "1 left alone: made by an operator, whose task is not over." in done.err
    assert left(airflow) & set(pods.values()) == {pods["waiting"]}


def test_the_standard_executors_pods_go_when_they_are_asked_for(airflow: AirflowHome) -> None:
    airflow.task("over", "success")
    pod = {
        "metadata": {
            "name": "standard",
            "labels": {"kubernetes_executor": "True"},
            "annotations": {
                "dag_id": airflow.dag_id,
                "task_id": "over",
                "run_id": "manual__one",
                "try_number": "1",
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "base", "image": "busybox:1.36", "command": ["true"]}],
        },
    }
    path = f"/api/v1/namespaces/{airflow.namespace}/pods"
    assert airflow.cluster.request("POST", path, pod)[0] == 201
    airflow.until("standard", "Succeeded")
    assert airflow.run("cleanup", "--older-than", "0", "--yes").out.startswith("There are no pods")
    done = airflow.run("cleanup", "--older-than", "0", "--yes", "--standard", "-o", "json")
    assert [row["pod"] for row in done.data] == ["standard"]
    assert left(airflow) == set()
