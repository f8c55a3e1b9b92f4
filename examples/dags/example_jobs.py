"""Jobs: one with three indexes whose results come back, one that is resumed and deleted."""

from __future__ import annotations

from airflow.sdk import DAG, task

from podlift.operators.custom_object import CustomObjectOperator
from podlift.operators.job import (
    KubernetesDeleteJobOperator,
    KubernetesJobOperator,
    KubernetesPatchJobOperator,
)

SQUARE = "echo $((JOB_COMPLETION_INDEX * JOB_COMPLETION_INDEX)) > /airflow/xcom/return.json"
NAME = "{{ ti.xcom_pull(task_ids='suspended', key='job_name') }}"
NAMESPACE = "{{ ti.xcom_pull(task_ids='suspended', key='job_namespace') }}"
CONTAINER = {"name": "main", "image": "busybox:1.36", "command": ["echo", "from an object"]}

with DAG("example_jobs", schedule=None, catchup=False, tags=["podlift"]):
    squares = KubernetesJobOperator(
        task_id="squares",
        image="busybox:1.36",
        cmds=["sh", "-c", SQUARE],
        completion_mode="Indexed",
        completions=3,
        parallelism=3,
        wait_until_job_complete=True,
        do_xcom_push=True,
        deferrable=True,
    )

    @task
    def check(found: list[int]) -> None:
        assert found == [0, 1, 4], found

    suspended = KubernetesJobOperator(
        task_id="suspended", image="busybox:1.36", cmds=["true"], suspend=True
    )
    resume = KubernetesPatchJobOperator(
        task_id="resume", name=NAME, namespace=NAMESPACE, body={"spec": {"suspend": False}}
    )
    delete = KubernetesDeleteJobOperator(
        task_id="delete",
        name=NAME,
        namespace=NAMESPACE,
        wait_for_completion=True,
        delete_on_status="Complete",
    )

    # Any kind whose status says how its work went; where that is known of a kind, nothing is said.
    CustomObjectOperator(
        task_id="an_object",
        body={
            "apiVersion": "batch/v1",
            "kind": "Job",
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}},
        },
        base_container_name="main",
        delete_on_termination=True,
    )

    check(squares.output)  # type: ignore[arg-type]
    suspended >> resume >> delete
