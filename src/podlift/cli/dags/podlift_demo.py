"""The DAG that `podlift demo` runs: every task instance gets a pod of its own.

It is an ordinary Airflow DAG. Run it in your own Airflow, or change a copy of it and serve that
with `podlift up --dags FOLDER`.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from datetime import timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import dag, get_current_context, task

from podlift.operators import KubernetesPodOperator

POD_OVERRIDE = {
    "metadata": {"labels": {"team": "demo"}},
    "spec": {"containers": [{"name": "base", "env": [{"name": "GREETING", "value": "hello"}]}]},
}


@dag(schedule=None, catchup=False, is_paused_upon_creation=False, tags=["podlift"])
def podlift_demo() -> None:
    """Show what a pod for every task looks like, also when things go wrong."""

    @task
    def plan() -> list[int]:
        """Return a result, which Airflow calls an XCom: the next task gets one pod for each."""
        return list(range(1, 9))

    @task
    def square(number: int) -> int:
        """Run eight times, in eight pods at once."""
        print(f"{number} squared, in pod {platform.node()}")
        return number * number

    @task
    def total(squares: Iterable[int]) -> int:
        """Read the results of all eight."""
        result = sum(squares)
        print(f"the squares add up to {result}")
        return result

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def second_try() -> str:
        """Fail at first: the second try gets a new pod."""
        if get_current_context()["ti"].try_number == 1:
            raise RuntimeError("the first try fails on purpose")
        return "the second try worked"

    @task(executor_config={"pod_override": POD_OVERRIDE})
    def override() -> str:
        """See what `pod_override` added to this task's pod."""
        return os.environ["GREETING"]

    @task(trigger_rule="all_done")
    def report() -> None:
        """Run when everything else has ended, however it ended."""
        print("That was a pod for every task. Look at their logs, and at this file.")

    shell = BashOperator(task_id="shell", bash_command="echo this shell is process $$ of its pod")

    container = KubernetesPodOperator(
        task_id="container",
        name="test",
        namespace="default",
        image="ubuntu:16.04",
        cmds=["bash", "-cx"],
        arguments=["echo 10"],
        labels={"foo": "bar"},
    )

    exit_3 = KubernetesPodOperator(
        task_id="exit_3",
        name="fails",
        namespace="default",
        image="ubuntu:16.04",
        cmds=["bash", "-c"],
        arguments=["echo 'this container fails on purpose'; exit 3"],
    )

    # What expand() returns stands for the list that will be there when `total` runs.
    added = total(square.expand(number=plan()))  # type: ignore[arg-type]
    [added, second_try(), override(), shell, container, exit_3] >> report()


podlift_demo()
