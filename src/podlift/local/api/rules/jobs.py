"""A job's defaults and mistakes.

See https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/
"""

from __future__ import annotations

from podlift.local.api.rules.names import invalid_value, required, unsupported
from podlift.local.api.rules.pod_defaults import fill_template_spec
from podlift.local.api.rules.pods import check_template
from podlift.local.errors import Cause
from podlift.local.kinds import Obj

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
JOB_NAME = "batch.kubernetes.io/job-name"

_COUNTS = (
    "parallelism",
    "completions",
    "backoffLimit",
    "activeDeadlineSeconds",
    "ttlSecondsAfterFinished",
)


def fill_job(job: Obj) -> None:
    """Fill in a new job; its uid must be known, since pods are selected by it."""
    spec = job["spec"]
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    if spec.get("parallelism") is None:
        spec["parallelism"] = 1
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed")
    template = spec.setdefault("template", {})
    template.setdefault("spec", {})
    fill_template_spec(template["spec"])
    if not spec["manualSelector"]:
        _select_by_uid(job)
    job["status"] = {}


def _select_by_uid(job: Obj) -> None:
    meta, spec = job["metadata"], job["spec"]
    labels = {
        CONTROLLER_UID: meta["uid"],
        JOB_NAME: meta["name"],
        "controller-uid": meta["uid"],
        "job-name": meta["name"],
    }
    spec["selector"] = {"matchLabels": {CONTROLLER_UID: meta["uid"]}}
    template_meta = spec["template"].setdefault("metadata", {})
    template_meta["labels"] = {**(template_meta.get("labels") or {}), **labels}
    if not meta.get("labels"):
        meta["labels"] = dict(labels)


def check_job(job: Obj) -> list[Cause]:
    """Everything that is wrong with a job's spec."""
    spec = job["spec"]
    causes = [
        invalid_value(f"spec.{name}", spec[name], "must be greater than or equal to 0")
        for name in _COUNTS
        if spec.get(name) is not None and spec[name] < 0
    ]
    if spec["completionMode"] not in ("NonIndexed", "Indexed"):
        choices = ("NonIndexed", "Indexed")
        causes.append(unsupported("spec.completionMode", spec["completionMode"], choices))
    if spec["completionMode"] == "Indexed" and spec.get("completions") is None:
        causes.append(required("spec.completions", "when completion mode is Indexed"))
    template = spec["template"]
    causes += check_template(template, "spec.template")
    if template["spec"].get("restartPolicy") == "Always":
        causes.append(
            unsupported("spec.template.spec.restartPolicy", "Always", ("Never", "OnFailure"))
        )
    return causes


def check_job_update(new: Obj, old: Obj) -> list[Cause]:
    """The template, the selector and the completions of a job are fixed."""
    fixed = ("completions", "selector", "template", "completionMode")
    return [
        invalid_value(f"spec.{name}", "", "field is immutable")
        for name in fixed
        if new["spec"].get(name) != old["spec"].get(name)
    ]
