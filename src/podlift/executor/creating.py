"""Creating pods: in order of priority, a bounded number at once, as fast as the server takes it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from podlift.executor import metrics
from podlift.executor.blueprints import Blueprints
from podlift.executor.effects import Create
from podlift.executor.errors import TemplateError
from podlift.executor.execution import EXECUTION, Execution
from podlift.executor.observations import (
    CreateBegun,
    Created,
    CreateDelayed,
    CreateRefused,
    NameTaken,
    Observation,
)
from podlift.executor.pacing import Pace
from podlift.executor.queueing import Queue
from podlift.executor.sight import Sight
from podlift.executor.tasks import Tasks
from podlift.kube.client import Client
from podlift.kube.errors import (
    AlreadyExists,
    ApiError,
    ConfigurationError,
    ConnectionFailed,
    Forbidden,
    KubeError,
    NotFound,
    ServerError,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
)
from podlift.kube.resources import PODS
from podlift.pods.errors import PodError
from podlift.pods.reading import Pod, is_finished
from podlift.sealing import SealError

Observe = Callable[[Execution, Observation], None]
Confirm = Callable[[Execution], Awaitable[bool]]

_DENIED = "denied the request"
"""``admission webhook "…" denied the request: …``; one that could not be asked has ``failed calling
webhook`` (https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/).
"""
_NAMESPACE = "namespace"
"""Kind of all delays that a whole namespace shares, as for a quota that is used up."""
_OUT_OF_SIGHT = 10.0
"""Seconds until a creation is tried again in a namespace that cannot be watched."""
_LONGEST_WAIT = 30.0
"""Seconds between two tries for one pod, at most."""


class Creator:
    """Takes ``Create`` effects and answers each with an observation.

    ``confirm`` says right before a request whether the pod is still to be created.
    """

    def __init__(
        self,
        client: Client,
        blueprints: Blueprints,
        sight: Sight,
        observe: Observe,
        confirm: Confirm,
        tasks: Tasks,
        at_once: int,
    ) -> None:
        self._client = client
        self._blueprints = blueprints
        self._sight = sight
        self._observe = observe
        self._confirm = confirm
        self._tasks = tasks
        self._slots = asyncio.Semaphore(at_once)
        self._pace = Pace()
        self._queue = Queue()
        self._changed = asyncio.Event()

    @property
    def rate(self) -> float:
        """Creations a second that the server is asked for at most."""
        return self._pace.rate

    def ask(self, execution: Execution, effect: Create) -> None:
        """Queue the creation of the execution's pod, when the effect's wait is over."""
        if effect.wait:
            asyncio.get_running_loop().call_later(effect.wait, self._push, execution, effect.launch)
        else:
            self._push(execution, effect.launch)

    def freed(self, namespace: str) -> None:
        """A pod has ended there: a quota that was used up may have room again."""
        if self._queue.freed(namespace, asyncio.get_running_loop().time()):
            self._changed.set()

    def _push(self, execution: Execution, launch: int) -> None:
        self._queue.push(execution, launch)
        self._changed.set()

    async def run(self) -> None:
        """Begin one creation after the other, for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._somebody()
            await self._slots.acquire()
            # Only now: whoever has the highest priority by then is next.
            execution = self._queue.pop(clock())
            if execution is None:
                self._slots.release()
                continue
            self._pace.begin(clock())
            self._observe(execution, CreateBegun())
            self._tasks.spawn(self._create(execution))

    async def _somebody(self) -> None:
        """Wait until a creation may begin."""
        clock = asyncio.get_running_loop().time
        while True:
            self._changed.clear()
            now = clock()
            wait = self._queue.wait(now)
            if wait is not None:
                wait = max(wait, self._pace.wait(now))
            if wait == 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    async def _create(self, execution: Execution) -> None:
        try:
            observation = await self._try(execution)
        finally:
            self._slots.release()
        self._observe(execution, observation)
        self._queue.answered(execution)
        self._changed.set()

    async def _try(self, execution: Execution) -> Observation:
        clock = asyncio.get_running_loop().time
        try:
            built = await self._blueprints.build(execution)
            execution.namespace = built.namespace
            if problem := self._sight.problem(built.namespace):
                return CreateDelayed(problem, _OUT_OF_SIGHT)
            if reason := self._queue.held_back(execution):
                return CreateDelayed(reason, 0.0, _NAMESPACE)
            if not await self._confirm(execution):
                return CreateDelayed("The task is not ours any more.", 0.0)
            asked = clock()
            pod = await self._client.create(
                PODS, built.manifest, built.namespace, strict=True, type=Pod
            )
            metrics.pod_created(clock() - asked)
        except AlreadyExists:
            return await self._whose(execution)
        except (PodError, TemplateError, SealError) as error:
            metrics.creation_refused()
            return CreateRefused(f"The task's pod cannot be made: {error}")
        except KubeError as error:
            if _without_namespace(error):  # and so without its Secret
                self._blueprints.forget_key(execution.namespace)
            return self._delayed(execution, error) if _may_pass(error) else _refused(error)
        now = clock()
        self._pace.accepted(now)
        self._queue.accepted(execution, now)
        execution.delays = 0
        return Created(pod.metadata.uid)

    async def _whose(self, execution: Execution) -> Observation:
        """The name is there already, by an earlier try of ours or by an earlier execution."""
        try:
            pod = await self._client.get(PODS, execution.pod_name, execution.namespace, type=Pod)
        except NotFound as error:
            return self._delayed(execution, error)
        except KubeError as error:
            return self._delayed(execution, error) if _may_pass(error) else _refused(error)
        if pod.metadata.annotations.get(EXECUTION) == execution.id:
            return Created(pod.metadata.uid)
        return NameTaken(pod.metadata.uid, ended=is_finished(pod))

    def _delayed(self, execution: Execution, error: KubeError) -> CreateDelayed:
        metrics.creation_put_off()
        # The words of one refusal and the next differ in their figures; a task is told once.
        sentence, kind = f"The pod is not created yet: {error}", type(error).__name__
        now = asyncio.get_running_loop().time()
        # Whoever is refused because of others goes back to its place in the queue at once: queue
        # and pace hold all of them back, and the one of the highest priority is next again.
        if words := _about_namespace(error):
            where = f"namespace {execution.namespace!r} takes no more at present"
            sentence = f"The pod is not created yet, because {where}: {words}"
            self._queue.refused(execution, sentence, now)
            return CreateDelayed(sentence, 0.0, _NAMESPACE)
        if isinstance(error, TooManyRequests | ServerError):
            self._pace.refused(now, error.retry_after)
            return CreateDelayed(sentence, 0.0, kind)
        if isinstance(error, ConnectionFailed):
            self._pace.lost(now)
            return CreateDelayed(sentence, 0.0, kind)
        execution.delays += 1
        wait = min(_LONGEST_WAIT, 0.5 * 2 ** min(execution.delays, 10))
        return CreateDelayed(sentence, wait * random.uniform(0.8, 1.2), kind)


def _about_namespace(error: KubeError) -> str:
    """What the server has against pods of this namespace; empty if others are concerned too."""
    if isinstance(error, Forbidden) and error.quota_exceeded:
        return error.message[max(0, error.message.find("exceeded quota")) :]
    # An admission webhook that does not answer may be meant for some namespaces only.
    if isinstance(error, ServerError) and "failed calling webhook" in error.message:
        return error.message
    return ""


def _without_namespace(error: KubeError) -> bool:
    if isinstance(error, Forbidden):
        return error.namespace_terminating
    return isinstance(error, NotFound)


def _may_pass(error: KubeError) -> bool:
    """Whether the server's answer is about itself or the moment, and not about the pod."""
    if isinstance(error, ApiError) and _DENIED in error.message:
        return False  # whatever status the webhook gave its verdict
    return error.transient or isinstance(
        error, Unauthorized | ConfigurationError | UnexpectedAnswer
    )


def _refused(error: KubeError) -> CreateRefused:
    metrics.creation_refused()
    sentence = f"The Kubernetes API server refuses the task's pod: {error}"
    if isinstance(error, Forbidden) and not error.message.startswith("pods "):
        sentence += " (check the admission rules of the namespace and the executor's role)"
    return CreateRefused(sentence)
