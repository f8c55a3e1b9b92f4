"""Container images as tasks: results, several of them, a failure that skips, an own clean-up."""

from __future__ import annotations

from airflow.sdk import DAG, task

from podlift.operators import KubernetesPodOperator

with DAG("example_pods", schedule=None, catchup=False, tags=["podlift"]):
    roll = KubernetesPodOperator(
        task_id="roll",
        image="busybox:1.36",
        cmds=["sh", "-c"],
        arguments=["mkdir -p /airflow/xcom; echo '[1, 2, 3]' > /airflow/xcom/return.json"],
        do_xcom_push=True,
    )

    @task
    def words(numbers: list[int]) -> list[list[str]]:
        """The arguments of one pod for each number."""
        return [[f"echo number {number}"] for number in numbers]

    each = KubernetesPodOperator.partial(
        task_id="each",
        image="busybox:1.36",
        cmds=["sh", "-c"],
        container_resources={"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}},
    ).expand(arguments=words(roll.output))  # type: ignore[arg-type]

    nothing_to_do = KubernetesPodOperator(
        task_id="nothing_to_do",
        image="busybox:1.36",
        cmds=["sh", "-c", "echo nothing new; exit 99"],
        skip_on_exit_code=99,
    )

    deferred = KubernetesPodOperator(
        task_id="deferred",
        image="busybox:1.36",
        cmds=["sh", "-c", "for n in 1 2 3; do echo $n; sleep 1; done"],
        deferrable=True,
        on_finish_action="delete_succeeded_pod",
    )

    each >> [nothing_to_do, deferred]
