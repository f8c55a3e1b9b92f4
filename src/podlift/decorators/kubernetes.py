"""``@task.kubernetes``: a Python function as a task, in a pod of its own."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory

from podlift.operators.errors import FunctionNotSent
from podlift.operators.pod import KubernetesPodOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from podlift.pods.labels import Identity
    from podlift.pods.plain import Manifest

SERIALIZERS = ("pickle", "dill", "cloudpickle")

_TEMPLATED = tuple(
    each for each in KubernetesPodOperator.template_fields if each not in ("cmds", "arguments")
)


def kubernetes_task(
    python_callable: Callable[..., Any] | None = None,
    multiple_outputs: bool | None = None,
    **kwargs: Any,
) -> TaskDecorator:
    """Run the decorated function in a pod of its own: ``@task.kubernetes(image=…)``.

    The function's source travels, and nothing of its module: imports belong inside of it. Its
    arguments are pickled; its result comes back as JSON. Every parameter of
    ``KubernetesPodOperator`` works as well, except ``cmds`` and ``arguments``.

    :param image: default is ``python`` in the version that the worker has, unless a template says
        something else.
    :param requirements: what the function needs and the image lacks, as ``pip install`` takes it: a
        list, or the text of a requirements file. It is installed when the pod starts. (templated)
    :param pip_options: options for that, for example ``["--index-url", "https://…"]``. (templated)
    :param python: the interpreter in the image.
    :param serializer: ``pickle``, or ``dill`` or ``cloudpickle``, which worker and image must have.
    :param use_dill: the same as ``serializer="dill"``.
    :param do_xcom_push: whether the result comes back; here it does unless this is False.
    :param multiple_outputs: whether a dict that is returned becomes one result for each key.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=FunctionInPod,
        **kwargs,
    )


class FunctionInPod(DecoratedOperator, KubernetesPodOperator):
    """The operator that ``@task.kubernetes`` makes of a function."""

    custom_operator_name = "@task.kubernetes"
    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        "requirements",
        "pip_options",
        *_TEMPLATED,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = (
        DecoratedOperator.template_fields_renderers
        | KubernetesPodOperator.template_fields_renderers
    )
    shallow_copy_attrs: Sequence[str] = ("python_callable",)

    def __init__(
        self,
        *,
        image: str | None = None,
        requirements: Sequence[str] | str = (),
        pip_options: Sequence[str] = (),
        python: str = "python3",
        serializer: str = "pickle",
        use_dill: bool = False,
        do_xcom_push: bool = True,
        **kwargs: Any,
    ) -> None:
        refuse_commands(self.custom_operator_name, kwargs)
        serializer = "dill" if use_dill else serializer
        if serializer not in SERIALIZERS:
            known = ", ".join(SERIALIZERS)
            raise ValueError(f"serializer is {serializer!r}, but must be one of {known}.")
        templates = ("pod_template_file", "pod_template_dict", "full_pod_spec")
        if not any(kwargs.get(each) for each in templates):
            image = image or "python:{}.{}".format(*sys.version_info[:2])
        super().__init__(image=image, do_xcom_push=do_xcom_push, **kwargs)
        self.requirements = requirements
        self.pip_options = pip_options
        self.python = python
        self.serializer = serializer

    def execute(self, context: Context) -> Any:
        """Run the pod to its end; returns what the function returned."""
        self._context = context
        return super().execute(context)

    def _show_manifest(self, context: Context) -> None:
        self._context = context
        super()._show_manifest(context)

    def build(
        self, identity: Identity, namespace: str, sidecar: Mapping[str, Any] | None = None
    ) -> Manifest:
        """The pod's manifest, with the function in it."""
        from podlift.decorators.packing import program

        manifest = super().build(identity, namespace, sidecar)
        environment = self._packed()
        for container in manifest["spec"]["containers"]:
            if container["name"] == self.base_container_name:
                container["command"] = [self.python, "-c", program()]
                container.pop("args", None)
                container["env"] = [*container.get("env", ()), *environment]
        return manifest

    def _packed(self) -> list[Manifest]:
        from podlift.decorators.packing import pack, pack_arguments
        from podlift.decorators.source import source_of
        from podlift.runs.sidecar import FILE

        function = self.python_callable
        wanted = self._from_context()
        return pack(
            source=source_of(function),
            function=getattr(function, "__name__", ""),
            serializer=self.serializer,
            arguments=pack_arguments(
                self.serializer, tuple(self.op_args), {**self.op_kwargs, **wanted}
            ),
            requirements=_lines(self.requirements),
            pip_options=self.pip_options,
            output=FILE if self.do_xcom_push else None,
        )

    def _from_context(self) -> dict[str, Any]:
        """Parameters that the DAG leaves to Airflow, by their names: ``ds``, ``run_id``, …"""
        parameters = inspect.signature(self.python_callable).parameters
        bound = inspect.signature(self.python_callable).bind_partial(
            *self.op_args, **self.op_kwargs
        )
        context: Mapping[str, Any] = getattr(self, "_context", {})
        left = [name for name in parameters if name in _PLAIN and name not in bound.arguments]
        foreign = [
            name
            for name, each in parameters.items()
            if name in _AIRFLOWS and name not in bound.arguments and each.default is each.empty
        ]
        if foreign:
            raise FunctionNotSent(
                f"Function {self.python_callable.__name__} asks for {', '.join(foreign)}, which is "
                f"Airflow's own and does not exist in the pod. It may ask for "
                f"{', '.join(sorted(_PLAIN))}."
            )
        return {name: context.get(name) for name in left}


_PLAIN = frozenset(
    {
        "data_interval_end",
        "data_interval_start",
        "ds",
        "ds_nodash",
        "logical_date",
        "params",
        "run_id",
        "task_instance_key_str",
        "ts",
        "ts_nodash",
        "ts_nodash_with_tz",
    }
)
"""What of a task's context is plain data."""

_AIRFLOWS = frozenset(
    {
        "conn",
        "dag",
        "dag_run",
        "inlet_events",
        "macros",
        "outlet_events",
        "task",
        "task_instance",
        "ti",
        "triggering_asset_events",
        "var",
    }
)


def refuse_commands(decorator: str, parameters: Mapping[str, Any]) -> None:
    """Raises ``ValueError`` for parameters that the function itself takes the place of."""
    for name in ("cmds", "arguments"):
        if parameters.get(name) is not None:
            raise ValueError(f"{decorator} takes no {name}: the function says what is run.")


def _lines(requirements: Sequence[str] | str) -> list[str]:
    if not isinstance(requirements, str):
        return list(requirements)
    lines = (line.partition(" #")[0].strip() for line in requirements.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
