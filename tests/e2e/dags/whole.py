"""A bit of everything: what the end-to-end tests run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import dag, get_current_context, task

from podlift.operators import KubernetesPodOperator


@dag(schedule=None, catchup=False, is_paused_upon_creation=False)
def whole() -> None:
    @task
    def numbers() -> list[int]:
        return [1, 2, 3]

    @task
    def double(number: int) -> int:
        print(f"doubling {number}")
        return 2 * number

    @task
    def total(doubled: Iterable[int]) -> int:
        return sum(doubled)

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def second_try() -> str:
        if get_current_context()["ti"].try_number == 1:
            raise RuntimeError("the first try fails")
        return "the second worked"

    @task
    def bad() -> None:
        raise ValueError("this task always fails")

    soon = "{{ (macros.datetime.utcnow() + macros.timedelta(seconds=2)).isoformat() }}+00:00"
    DateTimeSensorAsync(task_id="wait", target_time=soon)
    container = KubernetesPodOperator(
        task_id="container",
        image="busybox:1.36",
        cmds=["sh", "-c"],
        arguments=["echo hello from container of $RUN"],
        env_vars={"RUN": "{{ run_id }}"},
        on_finish_action="keep_pod",
    )
    exit_3 = KubernetesPodOperator(
        task_id="exit_3", image="busybox:1.36", cmds=["sh", "-c", "echo bye; exit 3"]
    )
    total(double.expand(number=numbers()))  # type: ignore[arg-type]
    second_try()
    bad()
    container >> exit_3


whole()
