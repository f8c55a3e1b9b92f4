"""The log page of a task that is running."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from podlift.executor import KubernetesExecutor

if TYPE_CHECKING:
    from tests.functional.executor.conftest import Driver

pytestmark = pytest.mark.functional


def row(task: Any) -> Any:
    """The task instance as the API server reads it from its database."""
    ti = task.ti
    return SimpleNamespace(
        id=ti.id, dag_id=ti.dag_id, task_id=ti.task_id, run_id=ti.run_id, map_index=ti.map_index
    )


def test_the_end_of_a_running_pods_log_is_shown_by_a_process_that_runs_no_engine(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__PODLIFT__RUNNING_POD_LOG_LINES", "2")
    task = driver.task("echo one; echo two; echo three; sleep 30")
    driver.queue(task)
    name = driver.pod("Running")["metadata"]["name"]
    api_server = KubernetesExecutor(parallelism=1)

    def shown() -> Any:
        sources, logs = api_server.get_task_log(row(task), 1)
        return (sources, logs) if "three" in "".join(logs) else None

    sources, logs = driver.until(shown)
    assert logs == ["two\nthree\n"]
    assert name in sources[0]


def test_what_airflow_reads_from_the_workers_own_file_is_not_shown_twice(driver: Driver) -> None:
    task = driver.task("echo one; sleep 30")
    driver.queue(task)
    driver.pod("Running")
    assert task.log_path
    file = driver.logs / task.log_path
    file.parent.mkdir(parents=True)
    file.write_text("one\n")
    sources, logs = KubernetesExecutor(parallelism=1).get_task_log(row(task), 1)
    assert len(sources) == 1
    assert logs == []


def test_that_there_is_no_pod_is_said(driver: Driver) -> None:
    sources, logs = driver.executor.get_task_log(row(driver.task()), 1)
    assert sources == ["There is no pod of this try."]
    assert logs == []


def test_that_the_cluster_cannot_be_reached_is_said(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__PODLIFT__CONFIG_FILE", "/nowhere/kubeconfig")
    sources, logs = KubernetesExecutor(parallelism=1).get_task_log(row(driver.task()), 1)
    assert "/nowhere/kubeconfig" in sources[0]
    assert logs == []


def test_that_an_option_is_wrong_is_said(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__PODLIFT__RUNNING_POD_LOG_LINES", "many")
    sources, logs = KubernetesExecutor(parallelism=1).get_task_log(row(driver.task()), 1)
    assert "running_pod_log_lines is 'many'" in sources[0]
    assert logs == []
