"""``@task.kubernetes_cmd``: a function that says which command a pod runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.decorator import (
    DecoratedOperator,
    TaskDecorator,
    determine_kwargs,
    task_decorator_factory,
)

from podlift.decorators.kubernetes import refuse_commands
from podlift.operators.errors import PodNotCreated
from podlift.operators.pod import KubernetesPodOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


def kubernetes_cmd_task(
    python_callable: Callable[..., Any] | None = None, **kwargs: Any
) -> TaskDecorator:
    """Run the command that the decorated function returns: ``@task.kubernetes_cmd(image=…)``.

    The function runs on the worker, and may ask for anything of Airflow's by the names of its
    parameters. What it returns, a list of strings, is rendered as a template and then run in the
    image. Every parameter of ``KubernetesPodOperator`` works as well, except ``cmds`` and
    ``arguments``.

    :param args_only: whether the list are arguments for the image's own entrypoint.
    """
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=CommandInPod, **kwargs
    )


class CommandInPod(DecoratedOperator, KubernetesPodOperator):
    """The operator that ``@task.kubernetes_cmd`` makes of a function."""

    custom_operator_name = "@task.kubernetes_cmd"
    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *KubernetesPodOperator.template_fields,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = (
        DecoratedOperator.template_fields_renderers
        | KubernetesPodOperator.template_fields_renderers
    )
    shallow_copy_attrs: Sequence[str] = ("python_callable",)
    overwrite_rtif_after_execution = True
    """The command is known when the function has run, which is after templates are shown."""

    def __init__(self, *, args_only: bool = False, **kwargs: Any) -> None:
        refuse_commands(self.custom_operator_name, kwargs)
        super().__init__(**kwargs)
        self.args_only = args_only

    def execute(self, context: Context) -> Any:
        """Ask the function for the command, and run it. Raises ``PodNotCreated`` for another."""
        words = self.render_template(self._words(context), context)
        self.cmds, self.arguments = (None, words) if self.args_only else (words, None)
        self._show_manifest(context)
        return super().execute(context)

    def _words(self, context: Context) -> list[str]:
        function = self.python_callable
        given: Any = {**context, **self.op_kwargs}
        words = function(*self.op_args, **determine_kwargs(function, self.op_args, given))
        if inspect.iscoroutine(words):
            words.close()
            raise PodNotCreated(f"{function.__name__} must be a plain function, not async.")
        if not isinstance(words, list) or not all(isinstance(each, str) for each in words):
            raise PodNotCreated(
                f"{function.__name__} must return a list of strings, for example ['ls', '/tmp'], "
                f"but it returned {words!r}."
            )
        if not words:
            raise PodNotCreated(f"{function.__name__} returned an empty list: nothing to run.")
        return words
