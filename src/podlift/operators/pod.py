"""``KubernetesPodOperator``: run a container image as a task.

Nothing here may import what talks to a cluster before a task runs: every DAG that uses the operator
is parsed again and again, and would pay for it each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from podlift.operators.errors import (
    PodFailed,
    PodNotCreated,
    PodNotObserved,
    PodNotStarted,
    PodStopped,
    PodTaskError,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from podlift.kube import Connection
    from podlift.operators.manifest import EnvVars
    from podlift.pods.labels import Identity
    from podlift.pods.plain import Manifest
    from podlift.runs import Outcome
    from podlift.runs.background import Background

ON_FINISH_ACTIONS = ("keep_pod", "delete_pod", "delete_active_pod", "delete_succeeded_pod")


class KubernetesPodOperator(BaseOperator):
    """Run a container image as a task, in a pod of its own.

    The task succeeds when the container ends with exit code 0, and with nothing else. Its output
    becomes the task's log. When it fails, the error says why in words, and what to do about it.

    :param image: image of the container. (templated)
    :param name: what the pod's name begins with; default is the task's id. (templated)
    :param namespace: where the pod is created; default is the namespace of the cluster connection:
        the kubeconfig's context, or the pod that the worker runs in. (templated)
    :param cmds: the container's command, instead of the image's entrypoint. (templated)
    :param arguments: arguments of the command, instead of the image's. (templated)
    :param env_vars: ``{"NAME": "value"}``, or a list of entries as in a container's ``env``, dicts
        or ``V1EnvVar``. (templated)
    :param labels: labels for the pod, beside Podlift's own. (templated)
    :param startup_timeout_seconds: within this time the container must have started.
    :param get_logs: whether the container's output becomes the task's log.
    :param on_finish_action: ``delete_pod``, ``delete_succeeded_pod``, ``delete_active_pod`` (only
        one in which something still runs) or ``keep_pod``. A pod that has not ended when the task
        gives up on it is deleted in any case.
    """

    template_fields: Sequence[str] = (
        "image",
        "name",
        "namespace",
        "cmds",
        "arguments",
        "env_vars",
        "labels",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "cmds": "py",
        "arguments": "py",
        "env_vars": "py",
        "labels": "py",
    }
    ui_color = "#326ce5"
    ui_fgcolor = "#ffffff"

    def __init__(
        self,
        *,
        image: str,
        name: str | None = None,
        namespace: str | None = None,
        cmds: Sequence[str] | None = None,
        arguments: Sequence[str] | None = None,
        env_vars: EnvVars | None = None,
        labels: Mapping[str, str] | None = None,
        startup_timeout_seconds: float = 120,
        get_logs: bool = True,
        on_finish_action: str = "delete_pod",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_finish_action not in ON_FINISH_ACTIONS:
            raise ValueError(
                f"on_finish_action is {on_finish_action!r}, but must be one of "
                f"{', '.join(ON_FINISH_ACTIONS)}."
            )
        self.image = image
        self.name = name
        self.namespace = namespace
        self.cmds = cmds
        self.arguments = arguments
        self.env_vars = _templatable(env_vars)
        self.labels = labels
        self.startup_timeout_seconds = startup_timeout_seconds
        self.get_logs = get_logs
        self.on_finish_action = str(on_finish_action)

    def execute(self, context: Context) -> None:
        """Run the pod to its end. Raises a ``PodTaskError`` unless it succeeds."""
        from podlift.runs.background import Background

        identity = _identity(context)
        self._background: Background[Outcome] | None = Background(lambda: self._run(identity))
        try:
            _raise_unless_succeeded(self._background.result())
        except CancelledError:
            raise PodStopped("The task was told to stop, and its pod was deleted.") from None
        except PodTaskError as error:
            # The message says it all; where in Podlift it was raised is of no use in a task's log.
            raise error.with_traceback(None) from None
        finally:
            self._background = None

    def on_kill(self) -> None:
        """Stop waiting and delete the pod; ``execute`` then fails. Safe in a signal handler."""
        background = getattr(self, "_background", None)
        if background is not None:
            background.stop()

    async def _run(self, identity: Identity) -> Outcome:
        from podlift import runs
        from podlift.kube import Client, ConfigurationError, load_connection
        from podlift.operators.telling import TaskLogListener

        try:
            connection = await load_connection()
        except ConfigurationError as error:
            raise PodNotCreated(f"There is no cluster to run the pod in: {error}") from error
        manifest = self._manifest(identity, connection)
        options = runs.RunOptions(
            startup_timeout=self.startup_timeout_seconds,
            get_logs=self.get_logs,
            on_finish=runs.OnFinish(self.on_finish_action),
        )
        async with Client(connection) as client:
            run = runs.PodRun(client, options, TaskLogListener(self.log, options.base))
            try:
                return await run.run(manifest)
            except runs.PodNotCreated as error:
                raise PodNotCreated(str(error)) from error
            except runs.PodNotObserved as error:
                raise PodNotObserved(str(error)) from error

    def _manifest(self, identity: Identity, connection: Connection) -> Manifest:
        from podlift.operators.manifest import operator_manifest
        from podlift.pods.errors import InvalidManifest

        try:
            return operator_manifest(
                name=self.name or self.task_id,
                namespace=self.namespace or connection.namespace,
                identity=identity,
                image=self.image,
                cmds=self.cmds or (),
                arguments=self.arguments or (),
                env_vars=self.env_vars or (),
                labels=self.labels,
            )
        except InvalidManifest as error:
            raise PodNotCreated(f"The task's parameters make no valid pod: {error}") from error


def _raise_unless_succeeded(outcome: Outcome) -> None:
    if not outcome.succeeded:
        failure = PodFailed if outcome.started else PodNotStarted
        raise failure(outcome.name, outcome.sentence, outcome.diagnosis)


def _identity(context: Context) -> Identity:
    from podlift.pods.labels import Identity

    ti = context["ti"]
    return Identity(
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        ti_id=str(ti.id),
        try_number=ti.try_number,
        map_index=-1 if ti.map_index is None else ti.map_index,
    )


def _templatable(env_vars: EnvVars | None) -> EnvVars | None:
    """Model objects are made plain at once, because Airflow does not render what is inside them."""
    if not isinstance(env_vars, list):
        return env_vars
    from podlift.pods.plain import to_manifest

    return [entry if isinstance(entry, dict) else to_manifest(entry) for entry in env_vars]
