"""Objects of a cluster around a pod: made before it, used by it, looked into, deleted after it."""

from __future__ import annotations

from airflow.sdk import DAG

from podlift.operators import KubernetesPodOperator
from podlift.operators.exec import KubernetesPodExecOperator
from podlift.operators.resource import (
    KubernetesApplyResourceOperator,
    KubernetesDeleteResourceOperator,
)

NAME = "example-{{ run_id | lower | replace('_', '-') | replace(':', '-') | replace('+', '-') }}"
OBJECTS = f"""
apiVersion: v1
kind: ConfigMap
metadata:
  name: {NAME}
data:
  GREETING: hello from a ConfigMap
---
apiVersion: v1
kind: Pod
metadata:
  name: {NAME}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: waiting
      image: busybox:1.36
      command: [sh, -c, "trap 'exit 0' TERM; sleep 3600 & wait"]
"""

with DAG("example_objects", schedule=None, catchup=False, tags=["podlift"]):
    prepare = KubernetesApplyResourceOperator(task_id="prepare", yaml_conf=OBJECTS)

    use = KubernetesPodOperator(
        task_id="use",
        image="busybox:1.36",
        cmds=["sh", "-c", "echo $GREETING"],
        configmaps=[NAME],
    )

    look = KubernetesPodExecOperator(
        task_id="look",
        pod_name=NAME,
        command=["sh", "-c", "cat; echo; echo in $HOSTNAME"],
        stdin="words of {{ dag.dag_id }}",
        retries=5,  # the pod may take a moment to run
        retry_delay=1,
    )

    clean_up = KubernetesDeleteResourceOperator(
        task_id="clean_up", yaml_conf=OBJECTS, trigger_rule="all_done"
    )

    prepare >> use >> look >> clean_up
