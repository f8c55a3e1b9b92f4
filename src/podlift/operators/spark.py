"""``SparkKubernetesOperator``: run a SparkApplication as a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from podlift.operators.custom_object import CustomObjectOperator

if TYPE_CHECKING:
    from podlift.pods.plain import Manifest

_NOT_HERE = {
    "success_run_history_limit": "Set it on the Spark operator.",
    "container_logs": "The driver's log is told.",
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
        delete_on_termination: bool = True,
        **kwargs: Any,
    ) -> None:
        for name, instead in _NOT_HERE.items():
            if name in kwargs:
                raise ValueError(f"{name} is not taken. {instead}")
        if (application_file is None) == (template_spec is None):
            raise ValueError("Give application_file or template_spec: one of the two.")
        super().__init__(body={}, delete_on_termination=delete_on_termination, **kwargs)
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
