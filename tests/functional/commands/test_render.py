"""``airflow podlift render``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from airflow.sdk import DAG, BaseOperator

if TYPE_CHECKING:
    from tests.functional.commands.conftest import AirflowHome

pytestmark = pytest.mark.functional

RUN = "manual__one"
OVERRIDE = {
    "pod_override": {
        "spec": {"containers": [{"name": "base", "resources": {"limits": {"memory": "64Mi"}}}]}
    }
}


def test_each_line_says_where_it_comes_from_and_the_secret_is_left_out(
    airflow: AirflowHome,
) -> None:
    ti_id = airflow.task("big", "success", executor_config=OVERRIDE)
    done = airflow.run("render", airflow.dag_id, "big", RUN, "--server-dry-run")
    assert done.code == 0, done.err
    assert done.err == "The API server would take this pod.\n"
    pod = yaml.safe_load(done.out)
    [base] = pod["spec"]["containers"]
    assert base["resources"] == {"limits": {"memory": "64Mi"}}
    assert pod["metadata"]["annotations"]["podlift.dev/ti-id"] == ti_id
    assert "PODLIFT_WORKLOAD" in str(base["env"])
    assert "gAAAA" not in done.out  # how everything sealed begins
    lines = [line.strip() for line in done.out.splitlines()]
    assert lines[0] == f"# From {airflow.home.pod_template}, unless a remark names another source."
    assert "memory: 64Mi  # pod_override" in lines
    assert f"namespace: {airflow.namespace}  # option namespace" in lines
    assert "- image: busybox:1.36" in lines
    assert "restartPolicy: Never  # Podlift" in lines


def test_what_the_server_says_of_the_pod_is_told(airflow: AirflowHome) -> None:
    override = {"pod_override": {"spec": {"priorityClassName": 7, "nodeSelektor": {}}}}
    airflow.task("wrong", "success", executor_config=override)
    done = airflow.run("render", airflow.dag_id, "wrong", RUN, "--server-dry-run")
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("airflow podlift: ")


def test_json_is_the_same_pod(airflow: AirflowHome) -> None:
    airflow.task("big", "success", executor_config=OVERRIDE)
    pod = airflow.run("render", airflow.dag_id, "big", RUN, "-o", "json").data
    assert pod["spec"]["containers"][0]["resources"] == {"limits": {"memory": "64Mi"}}


def test_a_dag_that_airflow_does_not_know_is_said(airflow: AirflowHome) -> None:
    done = airflow.run("render", "no-such-dag", "task")
    assert done.code == 1
    assert "Airflow knows no DAG no-such-dag" in done.err


def test_without_a_run_it_is_the_pod_of_the_next_one(airflow: AirflowHome) -> None:
    with DAG(airflow.dag_id, schedule=None) as dag:
        BaseOperator(task_id="big", executor_config=OVERRIDE)
    airflow.save(dag)
    pod = airflow.run("render", airflow.dag_id, "big", "-o", "json").data
    assert pod["spec"]["containers"][0]["resources"] == {"limits": {"memory": "64Mi"}}
    assert pod["metadata"]["annotations"]["run_id"] == "the-next-run"
    wrong = airflow.run("render", airflow.dag_id, "small")
    assert wrong.code == 1
    assert "has no task small; it has big" in wrong.err
