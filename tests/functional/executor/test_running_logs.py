"""The log page of a task that is running."""

from __future__ import annotations

import threading
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


def test_a_running_pods_log_is_shown_as_a_whole_by_a_process_that_runs_no_engine(
    driver: Driver,
) -> None:
    task = driver.task("echo one; echo two; echo three; sleep 30")
    driver.queue(task)
    name = driver.pod("Running")["metadata"]["name"]
    api_server = KubernetesExecutor(parallelism=1)

    def shown() -> Any:
        sources, pieces = api_server.get_task_log(row(task), 1)
        log = "".join(pieces)
        return (sources, log) if "three" in log else None

    sources, log = driver.until(shown)
    assert log == "one\ntwo\nthree\n"
    assert sources == [f"Pod {name} in namespace {driver.namespace}"]


def test_of_a_long_log_the_beginning_and_the_end_are_shown(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__PODLIFT__RUNNING_POD_LOG_BYTES", "2000")
    monkeypatch.setenv("AIRFLOW__PODLIFT__RUNNING_POD_LOG_LINES", "3")
    task = driver.task("seq 1000 1999; sleep 30")
    driver.queue(task)
    driver.pod("Running")

    def shown() -> Any:
        log = "".join(KubernetesExecutor(parallelism=1).get_task_log(row(task), 1)[1])
        lines = log.splitlines()
        return lines if lines and lines[-1] == "1999" else None

    lines = driver.until(shown)
    first = [line for line in lines if line.isdigit()]
    assert first[-3:] == ["1997", "1998", "1999"]
    assert first[:-3] == [str(1000 + n) for n in range(len(first) - 3)]
    assert 20 < len(first) < 100
    assert any("left out" in line for line in lines)


def test_the_end_of_a_log_is_not_shown_twice(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__PODLIFT__RUNNING_POD_LOG_BYTES", "400")
    task = driver.task("seq 1 30; sleep 30")
    driver.queue(task)
    driver.pod("Running")

    def shown() -> Any:
        log = "".join(KubernetesExecutor(parallelism=1).get_task_log(row(task), 1)[1])
        return log if log.rstrip().endswith("30") else None

    numbers = [line for line in driver.until(shown).splitlines() if line.isdigit()]
    assert numbers == [str(n) for n in range(1, 31)]


def test_a_reader_that_goes_away_leaves_no_thread_behind(driver: Driver) -> None:
    task = driver.task("seq 1 200000; sleep 30")
    driver.queue(task)
    driver.pod("Running")

    def begun() -> Any:
        _, pieces = KubernetesExecutor(parallelism=1).get_task_log(row(task), 1)
        first = next(pieces, "")
        pieces.close()
        return first

    driver.until(begun)
    driver.until(lambda: all(each.name != "podlift-log" for each in threading.enumerate()))


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
    assert list(logs) == []


def test_that_there_is_no_pod_is_said(driver: Driver) -> None:
    sources, logs = driver.executor.get_task_log(row(driver.task()), 1)
    assert sources == ["There is no pod of this try."]
    assert list(logs) == []


def test_that_the_cluster_cannot_be_reached_is_said(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__PODLIFT__CONFIG_FILE", "/nowhere/kubeconfig")
    sources, logs = KubernetesExecutor(parallelism=1).get_task_log(row(driver.task()), 1)
    assert "/nowhere/kubeconfig" in sources[0]
    assert list(logs) == []


def test_that_an_option_is_wrong_is_said(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__PODLIFT__RUNNING_POD_LOG_LINES", "many")
    sources, logs = KubernetesExecutor(parallelism=1).get_task_log(row(driver.task()), 1)
    assert "running_pod_log_lines is 'many'" in sources[0]
    assert logs == []
