"""A bit of everything: what the end-to-end tests run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import BaseOperator, dag, get_current_context, task

from podlift.operators import KubernetesPodOperator


class TakenAway(BaseOperator):
    """Waits in its first pod until that is taken away, and ends well in the next."""

    stopped = False

    def execute(self, context: Any) -> None:
        begun = Path(os.environ["AIRFLOW_HOME"], "taken-away")
        if begun.exists():
            print("left alone in the second pod")
            return
        print("waiting in the first pod")
        begun.touch()
        while not self.stopped:
            time.sleep(0.1)
        raise RuntimeError("told to stop")

    def on_kill(self) -> None:
        self.stopped = True


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
    TakenAway(task_id="taken_away", retries=0)
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
