"""Objects of other kinds as tasks: what an operator in the cluster makes pods for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from podlift.operators.cluster_task import ClusterTask
from podlift.operators.errors import PodNotCreated
from podlift.operators.object_task import ObjectTask
from podlift.operators.parameters import ON_KILL_ACTIONS, default_deferrable, one_of, plain

if TYPE_CHECKING:
    from airflow.sdk import Context

    from podlift.hooks.kubernetes import KubernetesHook
    from podlift.kube import Client, Resource
    from podlift.pods.labels import Identity
    from podlift.pods.plain import Manifest
    from podlift.runs.kinds import Preset
    from podlift.runs.members import ListenerOf
    from podlift.runs.object_run import ObjectRun
    from podlift.runs.objects import ObjectOptions, ObjectOutcome
    from podlift.triggers.telling import Telling

_NO_LIMIT = 10 * 365 * 86_400.0

Table = Mapping[str, str | Sequence[str]]
"""Paths in the object, and the value or values there that mean something."""


class CustomObjectOperator(ObjectTask, ClusterTask):
    """Create an object of any kind, and wait until its status says how its work has ended.

    .. code-block:: python

        CustomObjectOperator(
            task_id="train",
            body="train.yaml",
            success_when={"status.phase": "Done"},
            failure_when={"status.conditions[type=Broken].status": "True"},
            messages_at=["status.message"],
        )

    What the table and the pods are for SparkApplication, RayJob, PyTorchJob and Job is known.

    :param body: the object: a dict, YAML, or the name of a YAML file beside the DAG. (templated)
    :param name: what its name begins with; default is the body's, or the task's id. (templated)
    :param random_name_suffix: whether the name ends with what makes it the only one of its kind.
    :param success_when: where the object shows that its work is done, and by which value or
        values; one place is enough. A path has dots, and picks from a list by ``[field=value]``.
    :param failure_when: likewise for a failure.
    :param messages_at: where it says why it failed.
    :param progress_at: what is told whenever it changes.
    :param pods: label selector of pods whose logs are told; ``{name}`` and ``{uid}`` are the
        object's. (templated)
    :param base_container_name: the container in them that counts.
    :param get_logs: whether the pods' logs are told.
    :param log_events_on_startup: whether is told what the object and its pods wait for.
    :param log_events_on_failure: whether the warning events of a pod that failed are told.
    :param startup_timeout_seconds: within this time a pod must have been given a node, and within
        it again have started; default is no limit.
    :param wait_for_completion: whether the task waits; else it ends when the object was created.
    :param delete_on_termination: whether the object is deleted when its work has ended.
    :param on_kill_action: ``delete_pod``, which deletes the object, or ``keep_pod``.
    :param on_kill_propagation_policy: ``Foreground``, ``Background`` or ``Orphan``.
    :param durable: whether a later try goes on with the object of one whose worker died.
    :param deferrable: whether the triggerer waits.

    Its result is the object's ``status``.
    """

    template_fields: Sequence[str] = (*ClusterTask.template_fields, "body", "name", "pods")
    template_ext: Sequence[str] = (".yaml", ".yml", ".json")
    template_fields_renderers = {"body": "yaml"}  # noqa: RUF012  as Airflow has it

    def __init__(
        self,
        *,
        body: Mapping[str, Any] | str,
        name: str | None = None,
        random_name_suffix: bool = True,
        success_when: Table | None = None,
        failure_when: Table | None = None,
        messages_at: Sequence[str] = (),
        progress_at: Sequence[str] = (),
        pods: str | None = None,
        base_container_name: str | None = None,
        get_logs: bool = True,
        log_events_on_startup: bool = True,
        log_events_on_failure: bool = True,
        startup_timeout_seconds: float | None = None,
        wait_for_completion: bool = True,
        delete_on_termination: bool = False,
        on_kill_action: str = "delete_pod",
        on_kill_propagation_policy: Literal["Foreground", "Background", "Orphan"] = "Foreground",
        durable: bool = True,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.body = plain(body)
        self.name = name
        self.random_name_suffix = random_name_suffix
        self.success_when = success_when
        self.failure_when = failure_when
        self.messages_at = messages_at
        self.progress_at = progress_at
        self.pods = pods
        self.base_container_name = base_container_name
        self.get_logs = get_logs
        self.log_events_on_startup = log_events_on_startup
        self.log_events_on_failure = log_events_on_failure
        self.startup_timeout_seconds = startup_timeout_seconds
        self.waits = self.wait_for_completion = wait_for_completion
        self.delete_on_termination = delete_on_termination
        self.on_kill_action = one_of(ON_KILL_ACTIONS, on_kill_action, "on_kill_action")
        self.on_kill_propagation_policy = on_kill_propagation_policy
        self.durable = durable
        self.deferrable = default_deferrable() if deferrable is None else deferrable

    def execute(self, context: Context) -> Any:
        """Create the object and wait; returns its status. Raises a ``PodTaskError``."""
        return self.execute_object(context)

    # What ObjectTask asks

    async def _described(
        self, context: Context, client: Client, namespace: str, hook: KubernetesHook
    ) -> tuple[Resource, Manifest]:
        from podlift.kube.discovery import Discovery
        from podlift.kube.pacing import repeated
        from podlift.operators.object_manifest import object_manifest
        from podlift.operators.running import identity_in

        identity = identity_in(context)
        manifest = object_manifest(
            self._object(),
            identity=identity,
            namespace=self.namespace,
            default_namespace=namespace,
            name=self.name,
            default_name=self.task_id,
            unique=self.random_name_suffix,
        )
        self._mark_pods(manifest, identity)
        version, kind = manifest["apiVersion"], manifest["kind"]
        patience = self._object_options().patience
        resource = await repeated(lambda: Discovery(client).find(version, kind), patience)
        if resource is None:
            raise PodNotCreated(f"The cluster knows no kind {kind} in {version}: is it installed?")
        if not resource.namespaced:
            raise PodNotCreated(f"{kind} does not live in a namespace, so no task can wait for it.")
        return resource, manifest

    def _mark_pods(self, manifest: Manifest, identity: Identity) -> None:
        """Have the object's pods carry labels by which people find them, where it can be told."""

    def _object(self) -> Manifest:
        from podlift.operators.object_manifest import read_object

        return read_object(self.body) if isinstance(self.body, str) else dict(self.body)

    def _object_options(self) -> ObjectOptions:
        from podlift.runs import OnFinish, OnKill, RunOptions
        from podlift.runs.objects import ObjectOptions, Propagation

        preset, timeout = self._preset(), self.startup_timeout_seconds or _NO_LIMIT
        base = self.base_container_name or preset.container
        pods = (self.pods or preset.pods) if self.get_logs and base else ""
        if self.pods and not base:
            raise PodNotCreated("pods needs base_container_name: the container that counts.")
        return ObjectOptions(
            judgement=preset.judgement,
            pods=pods,
            of_pods=RunOptions(
                base=base,
                schedule_timeout=timeout,
                startup_timeout=timeout,
                logs_of=(base,),
                tell_startup_events=self.log_events_on_startup,
                tell_failure_events=self.log_events_on_failure,
                on_finish=OnFinish.KEEP_POD,
            ),
            durable=self.durable,
            on_kill=OnKill(self.on_kill_action),
            propagation=Propagation(self.on_kill_propagation_policy),
            delete_finished=self.delete_on_termination,
        )

    def _preset(self) -> Preset:
        from podlift.runs.judging import Judgement
        from podlift.runs.kinds import PRESETS, Preset

        kind = self._object().get("kind", "")
        known = PRESETS.get(kind)
        if known is None and not (self.success_when or not self.waits):
            raise PodNotCreated(
                f"success_when must say where a {kind} shows that its work is done; what is known "
                f"is that of {', '.join(PRESETS)}."
            )
        if known is not None and not (self.success_when or self.failure_when):
            return known
        judgement = Judgement(
            success=_signs(self.success_when) or (known.judgement.success if known else ()),
            failure=_signs(self.failure_when) or (known.judgement.failure if known else ()),
            words=tuple(self.messages_at),
            progress=tuple(self.progress_at),
        )
        return Preset(judgement, *((known.pods, known.container) if known else ()))

    def _listeners(self, client: Client, context: Any) -> tuple[Any, ListenerOf]:
        from podlift.operators.calling_back import TaskListener

        base = self._object_options().of_pods.base
        listener = TaskListener(self.log, base=base, client=client, operator=self, context=context)
        return listener, lambda _: listener

    def _telling(self) -> Telling:
        from podlift.triggers.telling import Telling

        return Telling(base=self._object_options().of_pods.base)

    async def _value(self, run: ObjectRun, outcome: ObjectOutcome) -> Any:
        return (outcome.object or {}).get("status")


def _signs(table: Table | None) -> Any:
    from podlift.runs.judging import Sign

    return tuple(
        Sign(path, (values,) if isinstance(values, str) else tuple(values))
        for path, values in (table or {}).items()
    )
