"""What operators have in common that create an object and wait for the end of its work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from podlift.operators.errors import (
    ObjectFailed,
    PodNotCreated,
    PodNotObserved,
    PodStopped,
    PodTaskError,
    ResultNotRead,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from podlift.hooks.kubernetes import KubernetesHook
    from podlift.kube import Client, Resource
    from podlift.pods.plain import Manifest
    from podlift.runs import Listener
    from podlift.runs.background import Background
    from podlift.runs.members import ListenerOf
    from podlift.runs.object_run import ObjectRun
    from podlift.runs.objects import ObjectOptions, ObjectOutcome, Reference
    from podlift.triggers.telling import Telling

_TRIGGER_FAILED = "__fail__"
"""What Airflow calls the method of a task whose trigger failed or took too long."""

_TRIGGER_TIMEOUT = "Trigger timeout"

T = TypeVar("T")


class ObjectTask:
    """A part of an operator: its object's whole life, in the worker or partly in the triggerer.

    The operator says what the object is (``_described``), how it is run (``_object_options``) and
    what comes of it (``_value``).
    """

    log: Any
    hook: Callable[[], KubernetesHook]
    waits: bool = True
    """Whether the task waits for the end of the object's work."""

    # What the operator says

    async def _described(
        self, context: Context, client: Client, namespace: str, hook: KubernetesHook
    ) -> tuple[Resource, Manifest]:
        """What is to be created."""
        raise NotImplementedError

    def _object_options(self) -> ObjectOptions:
        """How it is run."""
        raise NotImplementedError

    def _listeners(self, client: Client, context: Any) -> tuple[Listener, ListenerOf]:
        """Who hears of it, and of each of its pods."""
        raise NotImplementedError

    def _telling(self) -> Telling | None:
        """How the triggerer tells the logs; None to have the worker do it afterwards."""
        raise NotImplementedError

    def _created(self, context: Context, of: Reference) -> None:
        """The object exists, or was found again."""

    async def _value(self, run: ObjectRun, outcome: ObjectOutcome) -> Any:
        """The task's result."""
        return None

    def _failure(self, outcome: ObjectOutcome) -> Exception:
        """What the task fails with."""
        return ObjectFailed(f"{outcome.of}: {outcome.sentence}")

    @property
    def _labels_pods(self) -> bool:
        """Whether lines begin with what tells one pod from another."""
        return False

    # What Airflow asks

    def execute_object(self, context: Context) -> Any:
        """Create the object and see it to its end; or have the triggerer do the waiting."""
        if self.waits and getattr(self, "deferrable", False):
            of = self._in_background(context, self._begin)
            return self._defer_object(context, of)
        return self._in_background(context, self._run)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on with what the trigger has to say."""
        if "error" in event:
            self._in_background(context, partial(self._give_up, False))
            raise PodNotObserved(event["error"])
        return self._in_background(context, partial(self._finish, event))

    def resume_execution(self, next_method: str, next_kwargs: Any, context: Context) -> Any:
        """Airflow's way back into a deferred task, also when its trigger failed or was too slow."""
        from airflow.sdk import BaseOperator

        if next_method == _TRIGGER_FAILED:
            is_late = (next_kwargs or {}).get("error") == _TRIGGER_TIMEOUT
            try:
                self._in_background(context, partial(self._give_up, is_late))
            except PodTaskError as error:  # that the trigger failed is what must be told
                self.log.warning("%s", error)
        operator: Any = self
        return BaseOperator.resume_execution(operator, next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Stop waiting; ``execute`` then fails. Safe in a signal handler.

        The object is deleted, unless the worker is only drained and another try may go on with it.
        """
        self._is_told_to_stop = True
        background = getattr(self, "_background", None)
        if background is not None:
            background.stop()

    def _defer_object(self, context: Context, of: Reference) -> Any:
        import msgspec

        from podlift.runs import RunOptions
        from podlift.triggers.job import KubernetesJobTrigger
        from podlift.triggers.telling import Telling

        options, telling = self._object_options(), self._telling()
        if telling is None:
            options = msgspec.structs.replace(options, of_pods=RunOptions(logs_of=()))
            self.log.info(
                "The pods' logs come when they have ended: there are callbacks, which are called "
                "in a worker."
            )
        trigger = KubernetesJobTrigger.to_watch(
            of, options, telling or Telling(), self.hook(), labels=self._labels_pods
        )
        operator: Any = self
        operator.defer(
            trigger=trigger,
            method_name="execute_complete",
            timeout=_remaining(context, operator.execution_timeout),
        )

    # In the event loop

    def _in_background(
        self, context: Context, part: Callable[[Context], Coroutine[Any, Any, Any]]
    ) -> Any:
        from podlift.runs.background import Background

        self._is_left_to_next_try = False
        self._background: Background[Any] | None = Background(lambda: _told(part(context)))
        try:
            return self._background.result()
        except CancelledError:
            raise PodStopped(self._fate()) from None
        except PodTaskError as error:
            # The message says it all; where in Podlift it was raised is of no use in a task's log.
            raise error.with_traceback(None) from None
        finally:
            self._background = None

    async def _begin(self, context: Context) -> Reference:
        async with self._opened(context) as run:
            return await self._start(context, run)

    async def _run(self, context: Context) -> Any:
        async with self._opened(context) as run:
            of = await self._start(context, run)
            return await self._end_object(run, await run.watched(of)) if self.waits else None

    async def _finish(self, event: dict[str, Any], context: Context) -> Any:
        import msgspec

        from podlift.runs.objects import ObjectOutcome

        outcome = msgspec.convert(event["outcome"], ObjectOutcome)
        async with self._opened(context) as run:
            if self._telling() is None and outcome.object is not None:
                outcome = await run.watched(outcome.of)
            return await self._end_object(run, outcome)

    async def _give_up(self, is_late: bool, context: Context) -> None:
        """The trigger failed: what becomes of the object is as when a worker is drained.

        The object of a task that took too long goes in any case.
        """
        async with self._opened(context) as run:
            from podlift.operators.running import has_another_try

            if is_late or not (run.options.durable and has_another_try(context)):
                await run.abandon(*await self._described_in(context, run))

    async def _start(self, context: Context, run: ObjectRun) -> Reference:
        of = await run.begin(*await self._described_in(context, run))
        async with run.looked_after(of):
            self._created(context, of)
        return of

    async def _described_in(self, context: Context, run: ObjectRun) -> tuple[Resource, Manifest]:
        hook, client = self.hook(), run.client
        await hook.read()
        namespace = hook.namespace() or client.connection.namespace
        return await self._described(context, client, namespace, hook)

    async def _end_object(self, run: ObjectRun, outcome: ObjectOutcome) -> Any:
        try:
            if outcome.succeeded:
                return await self._value(run, outcome)
            raise self._failure(outcome)
        finally:
            await run.clean_up(outcome)

    @asynccontextmanager
    async def _opened(self, context: Context) -> AsyncIterator[ObjectRun]:
        from podlift.runs.object_run import ObjectRun

        async with self.hook().client() as client:
            listener, of_pod = self._listeners(client, context)
            is_left = partial(self._is_left, context)
            yield ObjectRun(client, self._object_options(), listener, of_pod, is_left)

    async def _is_left(self, context: Context) -> bool:
        """Whether the object is left to the next try; as for a pod that an operator runs."""
        from podlift import compat
        from podlift.operators.running import has_another_try

        told = getattr(self, "_is_told_to_stop", False)
        if not (told and self._object_options().durable and has_another_try(context)):
            return False
        state = await asyncio.to_thread(compat.task_state, context["ti"])
        self._is_left_to_next_try = state in (compat.UNKNOWN, "running")
        return self._is_left_to_next_try

    def _fate(self) -> str:
        if self._is_left_to_next_try:
            return "The worker must stop. What it ran goes on, and the next try goes on with it."
        deleted = getattr(self, "on_kill_action", "delete_pod") == "delete_pod"
        return (
            f"The task was told to stop, and what it ran {'was deleted' if deleted else 'stays'}."
        )


def _remaining(context: Any, timeout: timedelta | None) -> timedelta | None:
    """What is left of the task's timeout, which counts from its start."""
    started: datetime | None = getattr(context["ti"], "start_date", None)
    if timeout is None or started is None:
        return timeout
    return max(timeout - (datetime.now(UTC) - started), timedelta(0))


async def _told(work: Coroutine[Any, Any, T]) -> T:
    """The work, its errors as those that a task fails with."""
    from podlift.hooks.settings import InvalidConnection
    from podlift.kube import ConfigurationError
    from podlift.pods.errors import InvalidManifest
    from podlift.runs import errors

    try:
        return await work
    except (ConfigurationError, InvalidConnection) as error:
        raise PodNotCreated(f"There is no cluster to run it in: {error}") from error
    except InvalidManifest as error:
        raise PodNotCreated(f"The task's parameters are not valid: {error}") from error
    except errors.PodNotCreated as error:
        raise PodNotCreated(str(error)) from error
    except errors.PodNotObserved as error:
        raise PodNotObserved(str(error)) from error
    except errors.ResultNotRead as error:
        raise ResultNotRead(str(error)) from error
