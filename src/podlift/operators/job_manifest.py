"""The Job that an operator's parameters describe. Pure.

Sources, each laid over the one before: the Job's template (file or object), the single parameters.
Its pods are described as those of ``KubernetesPodOperator``, over the template's own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from podlift.operators.manifest import operator_manifest
from podlift.pods.errors import InvalidManifest
from podlift.pods.labels import COMPONENT, Identity, annotations_of, labels_of, selector_for
from podlift.pods.naming import pod_name
from podlift.pods.plain import Manifest, to_manifest

COMPONENT_JOB = "job"
NAME_PREFIX = "job-"

JOB_FIELDS: Mapping[str, str] = {
    "active_deadline_seconds": "activeDeadlineSeconds",
    "backoff_limit": "backoffLimit",
    "completion_mode": "completionMode",
    "completions": "completions",
    "manual_selector": "manualSelector",
    "parallelism": "parallelism",
    "pod_failure_policy": "podFailurePolicy",
    "selector": "selector",
    "suspend": "suspend",
    "ttl_seconds_after_finished": "ttlSecondsAfterFinished",
}
"""Parameters that are a field of the Job's ``spec``."""

JOB_NAME = "podlift.dev/job"
"""A label of a Job's pods: its name. Kubernetes' own are missing where the selector is manual."""

_OURS = f"{selector_for()},{COMPONENT}={COMPONENT_JOB}"
PODS_OF_JOB = f"{_OURS},batch.kubernetes.io/controller-uid={{uid}}"
PODS_OF_MANUAL_JOB = f"{_OURS},{JOB_NAME}={{name}}"
"""Selectors of a Job's pods: theirs alone, also among those of all operators."""

_LONGEST_PREFIX = 30  # a Job's pods and an Indexed Job's host names are longer than its own name


def job_manifest(
    parameters: Mapping[str, Any],
    *,
    identity: Identity,
    namespace: str,
    default_name: str,
    base: str = "base",
    template: Manifest | None = None,
    pod_templates: Sequence[Manifest] = (),
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    """Build the manifest. Raises ``InvalidManifest`` for parameters that make no Job.

    ``template`` is a whole Job, laid below the parameters. What is laid over its pod, and how, says
    ``operator_manifest``. ``labels`` are the Job's alone.
    """
    job = _template(template)
    metadata, spec = job.setdefault("metadata", {}), job.setdefault("spec", {})
    of_pods = spec.pop("template", {})
    pod = operator_manifest(
        {name: value for name, value in parameters.items() if name != "active_deadline_seconds"},
        identity=identity,
        namespace=metadata.get("namespace") or namespace,
        default_name=default_name,
        base=base,
        templates=[pod_of(of_pods), *pod_templates],
    )
    own = pod.pop("metadata")
    prefix = parameters.get("name") or metadata.get("name") or _name_of(pod_templates)
    name = object_name(
        prefix or default_name, identity, unique=parameters.get("random_name_suffix", True)
    )
    of_pod = own["labels"] | {COMPONENT: COMPONENT_JOB}
    spec |= _fields(parameters)
    if spec.get("manualSelector"):
        of_pod[JOB_NAME] = name
    spec["template"] = {
        "metadata": {"labels": of_pod, "annotations": own["annotations"]},
        "spec": pod["spec"],
    }
    given = {name: str(value) for name, value in (parameters.get("labels") or {}).items()}
    metadata |= {
        "name": name,
        "namespace": own["namespace"],
        "labels": metadata.get("labels", {})
        | given
        | dict(labels or {})
        | labels_of(identity, COMPONENT_JOB),
        "annotations": metadata.get("annotations", {})
        | dict(parameters.get("annotations") or {})
        | annotations_of(identity),
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def object_name(
    prefix: str, identity: Identity, *, unique: bool = True, kind_prefix: str = NAME_PREFIX
) -> str:
    """The same name whenever the same try of the task asks; with ``unique``, only then."""
    if not unique:
        return f"{kind_prefix}{prefix}"
    short = f"{kind_prefix}{prefix}"[:_LONGEST_PREFIX]
    return pod_name([short], f"operator:{identity.ti_id}", identity.launch)


def _template(template: Manifest | None) -> Manifest:
    job = copy.deepcopy(to_manifest(template)) if template else {}
    job.pop("status", None)
    for field, wanted in (("kind", "Job"), ("apiVersion", "batch/v1")):
        if job.get(field, wanted) != wanted:
            raise InvalidManifest(field, f"the Job's template must be a {wanted}, not {job[field]}")
    for field in ("metadata", "spec"):
        if not isinstance(job.get(field, {}), dict):
            raise InvalidManifest(field, "must be a mapping in the Job's template")
    return job


def _name_of(pod_templates: Sequence[Manifest]) -> str | None:
    names = [(each.get("metadata") or {}).get("name") for each in pod_templates]
    return next(filter(None, reversed(names)), None)


def with_pod(job: Manifest, pod: Manifest) -> Manifest:
    """The Job with this pod as its template."""
    template = {field: pod[field] for field in ("metadata", "spec")}
    return {**job, "spec": {**job["spec"], "template": template}}


def pod_of(template: Any) -> Manifest:
    """The pod that a Job's template stands for. Raises ``InvalidManifest``."""
    if not isinstance(template, dict):
        raise InvalidManifest("spec.template", "must be a mapping")
    pod = {field: template[field] for field in ("metadata", "spec") if field in template}
    return {"apiVersion": "v1", "kind": "Pod", **pod}


def _fields(parameters: Mapping[str, Any]) -> Manifest:
    given = {name: parameters.get(name) for name in JOB_FIELDS}
    return {
        JOB_FIELDS[name]: to_manifest({name: value})[name]
        for name, value in given.items()
        if value is not None
    }
