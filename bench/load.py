"""The load of the executors' measurements: what runs, where, and for how long.

Pods name their node, so that neither a scheduler nor a real kubelet takes part: `bench.kubelet`
plays both, and all that is measured is the way through the API server. `node=None` leaves it to a
scheduler.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecuteTask

NODE = "podlift-bench"
RUN_SECONDS = "podlift.dev/bench-seconds"
"""Annotation: how long the simulated kubelet lets the pod run."""

# About as long as the token that Airflow makes.
_TOKEN = "t" * 420


def pod_template(seconds: float, node: str | None = NODE) -> dict[str, Any]:
    """What a task's pod is made from."""
    container = {
        "name": "base",
        "image": "busybox:1.36",
        "env": [{"name": f"AIRFLOW__BENCH__OPTION_{n}", "value": "value"} for n in range(8)],
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"annotations": {RUN_SECONDS: str(seconds)}},
        "spec": {
            **({"nodeName": node} if node else {}),
            "restartPolicy": "Never",
            "containers": [container],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        },
    }


def write_template(folder: Path, seconds: float, node: str | None = NODE) -> Path:
    """The template as a file."""
    file = folder / f"template-{seconds}.yaml"
    file.write_text(yaml.safe_dump(pod_template(seconds, node)))
    return file


def bare_pod(number: int, seconds: float, node: str | None = NODE) -> dict[str, Any]:
    """A pod like those of the executor, put together by nobody: the base of comparisons."""
    pod = pod_template(seconds, node)
    pod["metadata"] |= {
        "name": f"bare-{uuid.uuid4().hex[:8]}-{number}",
        "labels": {f"label-{n}": f"value-{number}" for n in range(8)} | {"bench": "bare"},
    }
    pod["metadata"]["annotations"] |= {f"annotation-{n}": f"value-{number}" for n in range(10)}
    base = pod["spec"]["containers"][0]
    base["command"] = ["python", "-m", "podlift.worker"]
    base["env"].append({"name": "WORKLOAD", "value": "w" * 1800})
    return pod


def task(number: int, priority: int = 1, config: dict[str, Any] | None = None) -> ExecuteTask:
    """A workload as the scheduler hands it over."""
    from airflow.executors.workloads import BundleInfo, ExecuteTask, TaskInstanceDTO

    name = f"task_{number}"
    ti = TaskInstanceDTO(
        id=uuid.uuid4(),
        dag_version_id=uuid.uuid4(),
        dag_id="bench",
        task_id=name,
        run_id="manual__2026-01-01T00:00:00+00:00",
        try_number=1,
        map_index=-1,
        pool_slots=1,
        queue="default",
        priority_weight=priority,
        executor_config=config or {},
    )
    return ExecuteTask(
        ti=ti,
        dag_rel_path=Path("bench.py"),
        token=_TOKEN,
        bundle_info=BundleInfo(name="dags"),
        log_path="dag_id=bench/attempt=1.log",
    )
