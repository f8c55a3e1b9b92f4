"""The pods that a job makes."""

from __future__ import annotations

import copy

from podlift.local.kinds import Obj

#: Keeps a pod until the job has counted it.
TRACKING = "batch.kubernetes.io/job-tracking"

#: The annotation (and label) with a pod's index in an Indexed job.
INDEX = "batch.kubernetes.io/job-completion-index"


def pod_for(job: Obj, index: int | None) -> Obj:
    """A pod of the job's template, for one index of an Indexed job."""
    meta, template = job["metadata"], copy.deepcopy(job["spec"]["template"])
    inner = template.get("metadata") or {}
    own: Obj = {
        "generateName": f"{meta['name']}-" if index is None else f"{meta['name']}-{index}-",
        "labels": dict(inner.get("labels") or {}),
        "annotations": dict(inner.get("annotations") or {}),
        "finalizers": [TRACKING],
        "ownerReferences": [
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "name": meta["name"],
                "uid": meta["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    spec = template["spec"]
    if index is not None:
        own["labels"][INDEX] = own["annotations"][INDEX] = str(index)
        for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
            variables = container.setdefault("env", [])
            variables.append({"name": "JOB_COMPLETION_INDEX", "value": str(index)})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": own, "spec": spec}


def index_of(pod: Obj) -> int | None:
    """The index of a pod of an Indexed job."""
    text = (pod["metadata"].get("annotations") or {}).get(INDEX)
    return int(text) if text is not None else None
