"""One execution of an operator: what happens in the event loop while the task waits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from podlift import compat, runs
from podlift.kube import PODS, Client, ConfigurationError, KubeError, NotFound
from podlift.operators.calling_back import TaskListener
from podlift.operators.errors import PodNotCreated, PodNotObserved, ResultNotRead
from podlift.pods.labels import Identity
from podlift.pods.plain import Manifest
from podlift.pods.reading import ObjectMeta, Pod
from podlift.runs import Moment, Outcome, PodRun, RunOptions
from podlift.runs.relaunching import Launch

if TYPE_CHECKING:
    from airflow.sdk import Context

    from podlift.operators.pod import KubernetesPodOperator

_NOTE_EVERY = 15.0
"""Seconds; a task that is killed without warning may repeat so much of a busy log."""


class Begun(msgspec.Struct, frozen=True):
    """A pod that runs, and what is needed to go on with it elsewhere."""

    launch: Launch
    pod: Pod
    options: RunOptions


class OperatorRun:
    """Runs an operator's pod, or one of the parts that a deferred task consists of.

    ``is_told_to_stop`` is set by whoever cancels it because Airflow told the task to stop.
    """

    def __init__(self, operator: KubernetesPodOperator, context: Context) -> None:
        self.is_told_to_stop = False
        self.is_pod_left = False
        self._operator = operator
        self._context = context
        self._hook = operator.hook()
        self._listener: TaskListener

    async def run(self) -> Outcome:
        """All of it. Raises a ``PodTaskError``."""
        async with self._opened() as run:
            return await run.run(await self._manifest(run))

    async def begin(self) -> Begun:
        """As far as there is a pod. Raises a ``PodTaskError``."""
        async with self._opened() as run:
            launch, pod = await run.begin(await self._manifest(run))
            return Begun(launch, pod, run.options)

    async def go_on(self, event: dict[str, Any], *, tell_logs: bool) -> Outcome | None:
        """What is left to do when a trigger fired; None where it did not see the pod's end."""
        found = event.get("outcome")
        outcome = msgspec.convert(found, Outcome) if found else None
        async with self._opened() as run:
            pod = await self._pod_of(run.client, event)
            view = run.view(pod)
            view.gone = not pod.status.phase
            async with run.looked_after(view, at_the_end=True) as end:
                await self._listener.resuming(pod, event)
                if tell_logs and not view.gone:
                    await run.tell_logs(view)
                if outcome is None:
                    return None
                end.succeeded = outcome.succeeded
                if outcome.started:
                    await run.listener.reached(Moment.STARTED, pod)
                await run.listener.reached(Moment.COMPLETED, pod)
                if not (outcome.succeeded and run.options.result):
                    return outcome
                async with view.kept_current():
                    result = await run.read_result(view)
                return msgspec.structs.replace(outcome, result=result)

    async def give_up(self) -> None:
        """The trigger failed: what becomes of the pod is as when a worker is drained."""
        if not (self._operator.durable and has_another_try(self._context)):
            async with self._opened() as run:
                await run.abandon(self._built(run.client))

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[PodRun]:
        options = self._operator.run_options()
        if self._operator.durable:
            options = msgspec.structs.replace(options, note_every=_NOTE_EVERY)
        with _told_as_task_errors():
            async with self._hook.client() as client:
                self._listener = self._make_listener(client, options)
                await self._listener.client_created()
                yield PodRun(client, options, self._listener, is_left=self._is_left)

    async def _manifest(self, run: PodRun) -> Manifest:
        return await self._listener.manifest_created(self._built(run.client))

    def _built(self, client: Client) -> Manifest:
        namespace = self._hook.namespace() or client.connection.namespace
        identity = identity_in(self._context)
        return self._operator.build(identity, namespace, self._hook.xcom_sidecar())

    def _make_listener(self, client: Client, options: RunOptions) -> TaskListener:
        operator = self._operator
        return TaskListener(
            operator.log,
            base=options.base,
            prefix=operator.has_prefix(options),
            formatter=operator.log_formatter,
            callbacks=operator.callbacks,
            progress=operator.progress_callback,
            client=client,
            operator=operator,
            context=self._context,
        )

    async def _pod_of(self, client: Client, event: dict[str, Any]) -> Pod:
        """The pod that an event is about; with no phase if it is gone."""
        name, namespace, uid = event["name"], event["namespace"], event["uid"] or ""
        gone = Pod(metadata=ObjectMeta(name=name, namespace=namespace, uid=uid))
        try:
            pod = await client.get(PODS, name, namespace, type=Pod)
        except NotFound:
            return gone
        except KubeError as error:
            raise runs.PodNotObserved(f"Pod {namespace}/{name} cannot be read: {error}") from error
        return pod if uid in ("", pod.metadata.uid) else gone

    async def _is_left(self) -> bool:
        """Whether the pod is left to the next try, now that the task must stop.

        Airflow's supervisor tells the task in the same way when somebody ended it and when the
        worker is drained; but only in the first case the task's state is another one by then.
        """
        operator = self._operator
        if not (self.is_told_to_stop and operator.durable and has_another_try(self._context)):
            return False
        state = await asyncio.to_thread(compat.task_state, self._context["ti"])
        self.is_pod_left = state in (compat.UNKNOWN, "running")
        return self.is_pod_left


def identity_in(context: Context) -> Identity:
    """Who the pods of a task instance belong to."""
    return Identity.of(context["ti"])


def has_another_try(context: Context) -> bool:
    """Whether somebody comes who would find a pod that is left."""
    if "podlift.worker.running" in sys.modules:
        return True  # Podlift's executor starts another worker for the same try
    ti: Any = context["ti"]
    most: int = getattr(ti, "max_tries", 0) or 0
    return bool(most) and ti.try_number <= most


@contextmanager
def _told_as_task_errors() -> Iterator[None]:
    """Errors of the run, as those that a task fails with."""
    try:
        yield
    except ConfigurationError as error:
        raise PodNotCreated(f"There is no cluster to run the pod in: {error}") from error
    except runs.PodNotCreated as error:
        raise PodNotCreated(str(error)) from error
    except runs.PodNotObserved as error:
        raise PodNotObserved(str(error)) from error
    except runs.ResultNotRead as error:
        raise ResultNotRead(str(error)) from error
