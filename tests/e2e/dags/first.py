"""The task that the project began with, as it was written down; only the import is today's."""

from __future__ import annotations

from airflow.sdk import DAG

from podlift.operators import KubernetesPodOperator

with DAG("first", schedule=None, catchup=False):
    k = KubernetesPodOperator(
        namespace="default",
        image="ubuntu:16.04",
        cmds=["bash", "-cx"],
        arguments=["echo", "10"],
        labels={"foo": "bar"},
        name="test",
        task_id="task",
    )
