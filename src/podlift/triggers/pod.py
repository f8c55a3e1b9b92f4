"""``KubernetesPodTrigger``: see a pod to its end while no worker waits for it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from airflow.sdk.exceptions import AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from podlift.hooks.kubernetes import KubernetesHook
from podlift.kube import PODS, ConfigurationError, KubeError
from podlift.pods.reading import ObjectMeta, Pod
from podlift.runs import OnKill, Outcome, PodNotObserved, PodRun, RunError, RunOptions
from podlift.runs.cleaning import delete
from podlift.runs.noting import note_in_time, noted
from podlift.runs.relaunching import Launch
from podlift.runs.sharing import is_covered
from podlift.runs.watching import PodView
from podlift.triggers.sharing import SharedCluster, shared_cluster
from podlift.triggers.telling import Telling, TriggerListener

if TYPE_CHECKING:
    from podlift.pods.plain import Manifest


class KubernetesPodTrigger(BaseTrigger):
    """Waits for the end of a pod, and tells its log on the way.

    It fires once. The event is a dict: ``status`` is ``success``, ``failed``, ``timeout`` or
    ``error``; ``name``, ``namespace`` and ``uid`` say which pod it is about; ``message`` what
    happened, in words; ``outcome`` is a ``podlift.runs.Outcome`` as plain data, or None where the
    pod's end was not seen. ``trigger_kwargs`` come along as they are.

    All triggers of a process that wait for operators' pods in one namespace share one watch.

    :param pod_name: name of the pod.
    :param pod_namespace: its namespace.
    :param pod_uid: its uid; without, the pod that has the name when the trigger starts.
    :param manifest: with it, another pod is made in place of one that the infrastructure took.
    :param launch: the number of the pod among those of this try.
    :param options: ``podlift.runs.RunOptions`` as plain data.
    :param hook: arguments of ``KubernetesHook``. What they name is looked up where the trigger
        runs: the Airflow connection, a kubeconfig's path.
    :param telling: ``podlift.triggers.telling.Telling`` as plain data.
    :param deadline: until when to wait, in seconds since 1970.
    :param trigger_kwargs: goes into the event.
    """

    def __init__(
        self,
        *,
        pod_name: str,
        pod_namespace: str,
        pod_uid: str | None = None,
        manifest: Manifest | None = None,
        launch: int = 1,
        options: Mapping[str, Any] | None = None,
        hook: Mapping[str, Any] | None = None,
        telling: Mapping[str, Any] | None = None,
        deadline: float | None = None,
        trigger_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.pod_name = pod_name
        self.pod_namespace = pod_namespace
        self.pod_uid = pod_uid
        self.manifest = manifest
        self.launch = launch
        self.options = dict(options or {})
        self.hook = dict(hook or {})
        self.telling = dict(telling or {})
        self.deadline = deadline
        self.trigger_kwargs = dict(trigger_kwargs or {})
        self._pod: Pod | None = None
        self._parent = os.getppid()
        self._has_fired = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class and arguments, from which another process makes the same trigger."""
        names = (
            *("pod_name", "pod_namespace", "pod_uid", "manifest", "launch", "options", "hook"),
            *("telling", "deadline", "trigger_kwargs"),
        )
        values = {name: getattr(self, name) for name in names}
        return "podlift.triggers.pod.KubernetesPodTrigger", values

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire once, when the pod has ended, or its end cannot be waited for."""
        remaining = None if self.deadline is None else self.deadline - time.time()
        try:
            async with asyncio.timeout(remaining):
                payload = await self._wait()
        except TimeoutError:
            payload = self._payload("timeout", "The task took longer than it may.")
        except (AirflowException, ConfigurationError, RunError) as error:
            payload = self._payload("error", str(error), kind=type(error).__name__)
        self._has_fired = True
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """A user ended the task: the pod goes too, unless it is to be kept.

        Airflow 3.3 calls this, and not when a triggerer stops or hands its triggers over.
        """
        if self._has_fired or self._run_options.on_kill is OnKill.KEEP_POD:
            return
        async with shared_cluster(KubernetesHook(**self.hook)) as cluster:
            pod = self._pod or await self._find(cluster)
            await delete(cluster.client, pod, self._listener(), self._run_options.grace_period)

    async def cleanup(self) -> None:
        """Airflow 3.2 does not say why a trigger ends, so it is asked what became of the task."""
        from podlift.compat import deferred_task_was_ended

        if not self._has_fired and await deferred_task_was_ended(self):
            await self.on_kill()

    async def _wait(self) -> dict[str, Any]:
        async with shared_cluster(KubernetesHook(**self.hook)) as cluster:
            pod = self._pod = await self._find(cluster)
            outcome = await self._see_to_the_end(cluster, pod)
        if outcome.succeeded:
            return self._payload("success", "", outcome)
        return self._payload("failed", outcome.sentence, outcome)

    async def _see_to_the_end(self, cluster: SharedCluster, pod: Pod) -> Outcome:
        run = self._pod_run(cluster, pod)
        launch = Launch(self.manifest or {}, self._run_options, self.launch)
        while True:
            view = run.view(pod)
            async with view.kept_current():
                await view.change()  # what was noted on the pod must be known
                outcome = await self._see_one_to_its_end(run, view)
            following = launch.after(outcome) if self.manifest else None
            if following is None:
                return outcome
            pod = self._pod = await run.start_another(following, view, outcome)
            launch = following

    async def _see_one_to_its_end(self, run: PodRun, view: PodView) -> Outcome:
        places = noted(view.pod)
        try:
            return await run.see_to_its_end(view, places)
        except asyncio.CancelledError:
            # The process that writes the log may have died and taken along what was told last:
            # then it is better told again than never.
            if os.getppid() == self._parent and not view.gone:
                await note_in_time(run.client, view.pod, places, run.listener)
            raise
        finally:
            self._pod = view.pod

    def _pod_run(self, cluster: SharedCluster, pod: Pod) -> PodRun:
        # The worker that goes on with the task reads the result: there it is needed.
        options = msgspec.structs.replace(self._run_options, result=False, note_every=None)
        watch = cluster.watch(self.pod_namespace) if is_covered(pod) else None
        return PodRun(cluster.client, options, self._listener(), watch)

    async def _find(self, cluster: SharedCluster) -> Pod:
        """The pod, as far as it must be known: the watch tells the rest."""
        if self.pod_uid is not None and self.manifest is not None:
            return Pod(
                metadata=ObjectMeta(
                    name=self.pod_name,
                    namespace=self.pod_namespace,
                    uid=self.pod_uid,
                    labels=self.manifest["metadata"]["labels"],
                )
            )
        try:
            return await cluster.client.get(PODS, self.pod_name, self.pod_namespace, type=Pod)
        except KubeError as error:
            where = f"{self.pod_namespace}/{self.pod_name}"
            raise PodNotObserved(f"Pod {where} cannot be read: {error}") from error

    def _payload(
        self, status: str, message: str, outcome: Outcome | None = None, **more: Any
    ) -> dict[str, Any]:
        metadata = self._pod.metadata if self._pod else ObjectMeta(name=self.pod_name)
        return {
            **self.trigger_kwargs,
            "status": status,
            "message": message,
            "name": outcome.name if outcome else metadata.name,
            "namespace": self.pod_namespace,
            "uid": metadata.uid or self.pod_uid,
            "outcome": None if outcome is None else msgspec.to_builtins(outcome),
            **more,
        }

    def _listener(self) -> TriggerListener:
        return TriggerListener(self.log, msgspec.convert(self.telling, Telling))

    @property
    def _run_options(self) -> RunOptions:
        return msgspec.convert(self.options, RunOptions)
