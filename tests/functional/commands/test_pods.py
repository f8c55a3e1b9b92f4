"""``airflow podlift pods``."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.functional.commands.conftest import AirflowHome

pytestmark = pytest.mark.functional


def test_pods_are_listed_with_their_task_state_and_reason(airflow: AirflowHome) -> None:
    running = airflow.pod("runs", "sleep 600", phase="Running")
    airflow.pod("waits", "true", nodeSelector={"no": "such-node"})
    airflow.pod("fails", "exit 3", phase="Failed")

    rows = {row["task_id"]: row for row in airflow.run("pods", "-o", "json").data}
    assert {task: row["state"] for task, row in rows.items()} == {
        "runs": "running",
        "waits": "pending",
        "fails": "failed",
    }
    assert rows["runs"]["pod"] == running
    assert rows["runs"]["node"]
    assert rows["runs"]["since"].endswith("Z")
    assert rows["runs"]["run_id"] == "manual__one"
    assert rows["runs"]["try_number"] == 1
    assert rows["runs"]["scheduler"] == "7-deadbeef"
    assert "exit code 3" in rows["fails"]["reason"]

    [only] = airflow.run("pods", "-o", "json", "--state", "failed").data
    assert only["task_id"] == "fails"
    [only] = airflow.run("pods", "-o", "json", "--task-id", "waits", "--run-id", "manual__one").data
    assert "node" in only["reason"]
    table = airflow.run("pods", "--dag-id", airflow.dag_id).out
    assert f"{airflow.namespace}/{running}" in table
    assert airflow.run("pods", "--dag-id", "other").out == "There are no such pods.\n"


def test_every_change_is_told_until_ctrl_c(airflow: AirflowHome) -> None:
    name = airflow.pod("runs", "sleep 600", phase="Running")
    following = airflow.start("pods", "--watch", "-o", "json")
    assert following.stdout is not None
    first = json.loads(following.stdout.readline())
    assert (first["pod"], first["state"], first["gone"]) == (name, "running", False)
    airflow.delete(name)
    lines = (json.loads(line) for line in following.stdout)
    assert next(line for line in lines if line["gone"])["pod"] == name
    following.send_signal(signal.SIGINT)
    _, err = following.communicate(timeout=30)
    assert following.returncode == 130
    assert err == ""


def test_what_is_wrong_is_said_in_one_sentence(airflow: AirflowHome) -> None:
    nowhere = airflow.run("pods", config_file="/nowhere/kubeconfig")
    assert nowhere.code == 1
    assert nowhere.err.startswith("airflow podlift: ")
    assert "/nowhere/kubeconfig" in nowhere.err
    assert nowhere.err.count("\n") == 1
    wrong = airflow.run("pods", request_timeout="soon")
    assert wrong.code == 1
    assert "request_timeout is 'soon'" in wrong.err
