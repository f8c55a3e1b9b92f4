"""The kinds of object that people run most: how their end is recognised, and which pods to hear."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from podlift.runs.judging import Judgement, Sign

JOB = Judgement(
    success=(Sign("status.conditions[type=Complete].status", ("True",)),),
    failure=(Sign("status.conditions[type=Failed].status", ("True",)),),
    words=("status.conditions[type=Failed].reason", "status.conditions[type=Failed].message"),
    progress=("status.active", "status.succeeded", "status.failed"),
)
"""https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions"""

SPARK_APPLICATION = Judgement(
    success=(Sign("status.applicationState.state", ("COMPLETED",)),),
    # SUBMISSION_FAILED is none: the Spark operator tries again, or says FAILED.
    failure=(Sign("status.applicationState.state", ("FAILED",)),),
    words=("status.applicationState.errorMessage",),
    progress=("status.applicationState.state",),
)
"""https://github.com/kubeflow/spark-operator/blob/master/docs/api-docs.md"""

RAY_JOB = Judgement(
    success=(Sign("status.jobStatus", ("SUCCEEDED",)),),
    # Ray's own FAILED may be followed by another try; the deployment's is the last word.
    failure=(
        Sign("status.jobDeploymentStatus", ("Failed", "ValidationFailed")),
        Sign("status.jobStatus", ("STOPPED",)),
    ),
    words=("status.reason", "status.message"),
    progress=("status.jobDeploymentStatus", "status.jobStatus"),
)
"""https://docs.ray.io/en/latest/cluster/kubernetes/getting-started/rayjob-quick-start.html"""

KUBEFLOW_JOB = Judgement(
    success=(Sign("status.conditions[type=Succeeded].status", ("True",)),),
    failure=(Sign("status.conditions[type=Failed].status", ("True",)),),
    words=("status.conditions[type=Failed].reason", "status.conditions[type=Failed].message"),
)
"""PyTorchJob, TFJob, MPIJob and XGBoostJob."""


class Preset(msgspec.Struct, frozen=True):
    """What is known of a kind."""

    judgement: Judgement
    pods: str = ""
    """Label selector of the pods whose logs are worth telling."""
    container: str = ""
    """The container that counts in them."""


PRESETS: Mapping[str, Preset] = {
    "SparkApplication": Preset(
        SPARK_APPLICATION,
        "sparkoperator.k8s.io/app-name={name},spark-role=driver",
        "spark-kubernetes-driver",
    ),
    "RayJob": Preset(RAY_JOB, "batch.kubernetes.io/job-name={name}", "ray-job-submitter"),
    "PyTorchJob": Preset(
        KUBEFLOW_JOB,
        "training.kubeflow.org/job-name={name},training.kubeflow.org/replica-type=master",
        "pytorch",
    ),
    "Job": Preset(JOB, "batch.kubernetes.io/controller-uid={uid}"),
}
"""By kind."""
