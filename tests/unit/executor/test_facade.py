"""What Airflow may rely on before the executor is started."""

from __future__ import annotations

import subprocess
import sys

import pytest
from airflow.exceptions import AirflowConfigException
from airflow.executors.executor_loader import ExecutorLoader

from podlift.compat import configured
from podlift.executor import KubernetesExecutor


def test_airflow_loads_it_by_the_path_that_goes_into_its_configuration() -> None:
    executor = ExecutorLoader.load_executor("podlift.executor.KubernetesExecutor")
    assert isinstance(executor, KubernetesExecutor)


def test_making_one_starts_no_thread_and_imports_nothing_that_talks_to_a_cluster() -> None:
    # The API server does this to read logs, and every `airflow` command to list its own.
    code = (
        "import sys, threading\n"
        "from podlift.executor import KubernetesExecutor\n"
        "before = threading.active_count()\n"
        "KubernetesExecutor(parallelism=1)\n"
        "assert threading.active_count() == before\n"
        "heavy = {'aiohttp', 'kubernetes_asyncio', 'kubernetes', 'podlift.kube.client'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"


def test_it_says_that_it_was_not_started() -> None:
    with pytest.raises(RuntimeError, match="not been started"):
        KubernetesExecutor(parallelism=1).sync()


def test_ending_it_before_it_was_started_is_no_error() -> None:
    KubernetesExecutor(parallelism=1).end()


def test_a_wrong_option_stops_the_scheduler_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__KUBERNETES_EXECUTOR__DELETE_WORKER_PODS", "perhaps")
    with pytest.raises(AirflowConfigException, match=r"\[kubernetes_executor\] delete_worker_pods"):
        KubernetesExecutor(parallelism=1).start()


def test_a_kubeconfig_that_is_not_there_stops_the_scheduler_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__PODLIFT__CONFIG_FILE", "/nowhere/kubeconfig")
    with pytest.raises(AirflowConfigException, match="/nowhere/kubeconfig"):
        KubernetesExecutor(parallelism=1).start()


def test_a_team_has_options_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__PODLIFT__NAMESPACE", "everybody")
    monkeypatch.setenv("AIRFLOW__BLUE___PODLIFT__NAMESPACE", "blue")
    assert KubernetesExecutor(parallelism=1).settings.namespace == "everybody"
    assert KubernetesExecutor(parallelism=1, team_name="blue").settings.namespace == "blue"


def test_defaults_of_an_installed_provider_are_not_taken_for_settings() -> None:
    assert configured("podlift", "namespace") is None
    assert configured("kubernetes_executor", "namespace") is None
