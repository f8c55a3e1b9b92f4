"""Pods that Airflow's standard Kubernetes executor made, when Podlift comes to take its place.

They are left to finish. Taking one over writes Podlift's labels and annotations on it, so that from
then on it is watched, reported and deleted like any other. Pure.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from podlift.executor.execution import EXECUTION, LOG_PATH, REPLACED
from podlift.executor.messages import Orphan
from podlift.pods.labels import LAUNCH, TI_ID
from podlift.pods.plain import Manifest
from podlift.pods.reading import Pod, read_pod

_DONE = "airflow_executor_done"
"""Label by which the standard executor says that it is done with a pod, and looks at it no more."""
_REVOKED = "airflow_pod_revoked"

INHERITED_PODS = f"kubernetes_executor=True,{_DONE}!=True,!{_REVOKED}"
"""Label selector for the standard executor's pods that it still counts as its own."""

Marks = Mapping[str, Mapping[str, str]]


def inherited(pods: Iterable[Manifest], orphans: Iterable[Orphan]) -> dict[str, tuple[Pod, Marks]]:
    """The standard executor's pod of each task instance that has one, and what to write on it.

    A pod that succeeded is no task's any more: Airflow knew of the task's end before the pod ended,
    so a task instance that still waits has been queued again since.
    """
    wanted = {_key_of(orphan): orphan for orphan in orphans}
    found: dict[str, tuple[Pod, Marks]] = {}
    for manifest in sorted(pods, key=_created):
        annotations = manifest["metadata"].get("annotations") or {}
        orphan = wanted.get(_key_in(annotations))
        if orphan is None or manifest.get("status", {}).get("phase") == "Succeeded":
            continue
        workload = _workload_of(manifest)
        named = annotations.get("task_instance_id") or workload.get("ti", {}).get("id")
        if named in (None, orphan.ti_id):  # the youngest counts
            found[orphan.ti_id] = read_pod(manifest), _marks(orphan, workload)
    return found


def _created(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("creationTimestamp", ""))


def _key_of(orphan: Orphan) -> tuple[str, ...]:
    dag_id, task_id, run_id, try_number, map_index = orphan.key
    return dag_id, task_id, run_id, str(try_number), str(map_index)


def _key_in(annotations: Mapping[str, str]) -> tuple[str, ...]:
    names = ("dag_id", "task_id", "run_id", "try_number")
    key = tuple(annotations.get(name, "") for name in names)
    return (*key, annotations.get("map_index", "-1"))


def _workload_of(manifest: Manifest) -> dict[str, Any]:
    """What the pod was told to run; the standard executor passes it as an argument."""
    for container in manifest.get("spec", {}).get("containers") or ():
        words = [*(container.get("command") or ()), *(container.get("args") or ())]
        if "--json-string" in words[:-1]:
            text = words[words.index("--json-string") + 1]
            try:
                workload = json.loads(text)
            except ValueError:
                return {}
            return workload if isinstance(workload, dict) else {}
    return {}


def _marks(orphan: Orphan, workload: Mapping[str, Any]) -> Marks:
    annotations = {
        TI_ID: orphan.ti_id,
        LAUNCH: "1",
        EXECUTION: uuid.uuid4().hex,
        REPLACED: "0",
        LOG_PATH: str(workload.get("log_path") or ""),
    }
    return {"labels": {_DONE: "True"}, "annotations": annotations}
