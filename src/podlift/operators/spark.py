"""``SparkKubernetesOperator``: run a SparkApplication as a task."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from podlift.operators.cluster_task import ClusterTask
from podlift.operators.custom_object import CustomObjectOperator
from podlift.operators.parameters import PodParameters

if TYPE_CHECKING:
    from podlift.pods.labels import Identity
    from podlift.pods.plain import Manifest

_SAY_IT = "Say it in the SparkApplication's driver and executor."
_NOT_HERE = {
    "success_run_history_limit": "Set it on the Spark operator.",
    "container_logs": "The driver's log is told.",
    "poll_interval": "Nothing is polled.",
    "logging_interval": "A deferred task's log flows all the time.",
    "startup_check_interval_seconds": "Nothing is polled.",
    "base_container_status_polling_interval": "Nothing is polled.",
    "is_delete_operator_pod": "Write delete_on_termination.",
    "on_finish_action": "Write delete_on_termination.",
}


class SparkKubernetesOperator(CustomObjectOperator):
    """Run a SparkApplication of the Kubeflow Spark operator; the driver's log becomes the task's.

    It is ``CustomObjectOperator`` with the names that Spark's users know; it takes its parameters
    too, apart from ``body``.

    :param application_file: YAML with the SparkApplication, or the name of a file beside the DAG
        that holds it. (templated)
    :param template_spec: the same as a dict; also below a key ``spark``. (templated)
    :param image: image of driver and executors, instead of the application's. (templated)
    :param code_path: instead of its ``mainApplicationFile``. (templated)
    :param startup_timeout_seconds: within this time the driver must have been given a node, and
        within it again have started; None for no limit.
    :param delete_on_termination: whether the application is deleted when its work has ended.
    :param reattach_on_restart: the older name of ``durable``.

    Driver and executors carry the labels ``dag_id``, ``task_id``, ``run_id``, ``map_index`` and
    ``try_number``. What ``KubernetesPodOperator`` says of its pod is refused: the SparkApplication
    says all of that.
    """

    template_fields: Sequence[str] = (
        *(each for each in CustomObjectOperator.template_fields if each != "body"),
        "application_file",
        "template_spec",
        "image",
        "code_path",
    )
    template_fields_renderers = {"template_spec": "py"}  # noqa: RUF012  as Airflow has it

    def __init__(
        self,
        *,
        application_file: str | None = None,
        template_spec: Mapping[str, Any] | None = None,
        image: str | None = None,
        code_path: str | None = None,
        startup_timeout_seconds: float | None = 600,
        delete_on_termination: bool = True,
        reattach_on_restart: bool | None = None,
        **kwargs: Any,
    ) -> None:
        for name in kwargs.keys() & (_NOT_HERE.keys() | _of_pods_alone()):
            raise ValueError(f"{name} is not taken. {_NOT_HERE.get(name, _SAY_IT)}")
        if reattach_on_restart is not None:
            kwargs.setdefault("durable", reattach_on_restart)
        if (application_file is None) == (template_spec is None):
            raise ValueError("Give application_file or template_spec: one of the two.")
        super().__init__(
            body={},
            startup_timeout_seconds=startup_timeout_seconds,
            delete_on_termination=delete_on_termination,
            **kwargs,
        )
        if isinstance(template_spec, Mapping) and "kubernetes" in template_spec:
            raise ValueError(
                "The section kubernetes of template_spec is not taken: say volumes, variables and "
                "nodes in the SparkApplication's driver and executor."
            )
        self.application_file = application_file
        self.template_spec = template_spec
        self.image = image
        self.code_path = code_path

    def _object(self) -> Manifest:
        from podlift.operators.object_manifest import read_object
        from podlift.pods.errors import InvalidManifest
        from podlift.pods.plain import to_manifest

        if self.application_file is not None:
            given = read_object(self.application_file)
        else:
            given = to_manifest(self.template_spec)
        found: Manifest = given.get("spark", given)
        if found.get("kind") != "SparkApplication":
            raise InvalidManifest("kind", f"must be SparkApplication, not {found.get('kind')!r}")
        spec = found.setdefault("spec", {})
        if self.image:
            spec["image"] = self.image
        if self.code_path:
            spec["mainApplicationFile"] = self.code_path
        return found

    def _mark_pods(self, manifest: Manifest, identity: Identity) -> None:
        from podlift.pods.labels import labels_of

        labels = {name: value for name, value in labels_of(identity).items() if "/" not in name}
        for role in ("driver", "executor"):
            pod = manifest["spec"].get(role) or {}
            manifest["spec"][role] = {**pod, "labels": (pod.get("labels") or {}) | labels}


@cache
def _of_pods_alone() -> frozenset[str]:
    """Parameters that ``KubernetesPodOperator`` takes for its pod, and this operator does not."""

    def taken(by: type) -> set[str]:
        return set(inspect.signature(by.__init__).parameters)  # type: ignore[misc]

    here = taken(CustomObjectOperator) | taken(ClusterTask) | {"image", "do_xcom_push"}
    return frozenset(taken(PodParameters) - here)
