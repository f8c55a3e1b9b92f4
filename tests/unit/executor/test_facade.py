"""What Airflow may rely on before the executor is started."""

from __future__ import annotations

import subprocess
import sys

import pytest
from airflow.executors.executor_loader import ExecutorLoader

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
