"""Wait in the triggerer for the end of a Job, or of another object that makes pods."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Self

import msgspec
from airflow.triggers.base import BaseTrigger, TriggerEvent

from podlift.hooks.kubernetes import KubernetesHook
from podlift.hooks.settings import InvalidConnection
from podlift.kube import KubeError
from podlift.runs import Listener, OnKill, RunError
from podlift.runs.members import label_of
from podlift.runs.object_run import ObjectRun
from podlift.runs.objects import ObjectOptions, Reference
from podlift.triggers.sharing import SharedCluster, shared_cluster
from podlift.triggers.telling import Telling, TriggerListener

if TYPE_CHECKING:
    from podlift.pods.reading import Pod


class KubernetesJobTrigger(BaseTrigger):
    """Sees an object to its end, tells its pods' logs, and says once how it ended.

    All triggers of a process that wait for objects of one kind in one namespace share one watch of
    them, one of their pods, and one of events.

    All arguments are plain data: what was made by ``to_watch``.

    :param of: which object: kind, name and UID.
    :param options: how it is run.
    :param telling: how lines of its pods are told.
    :param hook: the arguments of the hook that reaches the cluster.
    :param labels: whether lines say which pod's they are.
    """

    def __init__(
        self,
        of: dict[str, Any],
        options: dict[str, Any],
        telling: dict[str, Any],
        hook: dict[str, Any],
        labels: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.of = of
        self.options = options
        self.telling = telling
        self.hook_arguments = hook
        self.labels = labels
        self._has_fired = False

    @classmethod
    def to_watch(
        cls,
        of: Reference,
        options: ObjectOptions,
        telling: Telling,
        hook: KubernetesHook,
        *,
        labels: bool = False,
    ) -> Self:
        """A trigger for an object that exists."""
        return cls(
            msgspec.to_builtins(of),
            msgspec.to_builtins(options),
            msgspec.to_builtins(telling),
            hook.arguments(),
            labels,
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments that make this trigger again."""
        kind = type(self)
        return f"{kind.__module__}.{kind.__qualname__}", {
            "of": self.of,
            "options": self.options,
            "telling": self.telling,
            "hook": self.hook_arguments,
            "labels": self.labels,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: ``{"outcome": …}``, or ``{"error": …}`` in a sentence."""
        of = self._of()
        try:
            async with shared_cluster(self._hook()) as cluster:
                outcome = await self._run(cluster).see_to_its_end(of)
            event = {"outcome": msgspec.to_builtins(outcome)}
        except (RunError, KubeError, InvalidConnection) as error:
            event = {"error": f"{of}: {error}"}
        self._has_fired = True
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def cleanup(self) -> None:
        """Airflow 3.2 does not say why a trigger ends, so it is asked what became of the task."""
        from podlift.compat import deferred_task_was_ended

        if not self._has_fired and await deferred_task_was_ended(self):
            await self.on_kill()

    async def on_kill(self) -> None:
        """Somebody ended the task: its object goes, if it is to. Airflow 3.3 and later."""
        async with shared_cluster(self._hook()) as cluster:
            run = self._run(cluster)
            if run.options.on_kill is OnKill.DELETE_POD:
                await run.delete(self._of())

    def _run(self, cluster: SharedCluster) -> ObjectRun:
        options = msgspec.convert(self.options, ObjectOptions)
        return ObjectRun(
            cluster.client, options, self._listener(), self._listener, watches=cluster.objects
        )

    def _listener(self, pod: Pod | None = None) -> Listener:
        telling = msgspec.convert(self.telling, Telling)
        label = label_of(pod) if pod is not None and self.labels else ""
        return TriggerListener(self.log, telling, label)

    def _of(self) -> Reference:
        return msgspec.convert(self.of, Reference)

    def _hook(self) -> KubernetesHook:
        return KubernetesHook(**self.hook_arguments)
