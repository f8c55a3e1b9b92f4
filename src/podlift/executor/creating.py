"""Creating pods: in order of priority, a bounded number at once, as fast as the server takes it."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable

from podlift.executor import metrics
from podlift.executor.blueprints import Blueprints
from podlift.executor.errors import TemplateError
from podlift.executor.execution import EXECUTION, Execution
from podlift.executor.pacing import Pace
from podlift.executor.state import (
    Create,
    CreateBegun,
    Created,
    CreateDelayed,
    CreateRefused,
    NameTaken,
    Observation,
    State,
)
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

_DENIED = "denied the request"
"""``admission webhook "…" denied the request: …``; one that could not be asked has ``failed calling
webhook`` (https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/).
"""
_LONGEST_WAIT = 30.0
"""Seconds between two tries for one pod, at most."""


class Creator:
    """Takes ``Create`` effects and answers each with an observation."""

    def __init__(
        self, client: Client, blueprints: Blueprints, observe: Observe, tasks: Tasks, at_once: int
    ) -> None:
        self._client = client
        self._blueprints = blueprints
        self._observe = observe
        self._tasks = tasks
        self._slots = asyncio.Semaphore(at_once)
        self._pace = Pace()
        self._heap: list[tuple[int, int, int, Execution]] = []
        self._waiting = asyncio.Event()

    def ask(self, execution: Execution, effect: Create) -> None:
        """Queue the creation of the execution's pod, when the effect's wait is over."""
        if effect.wait:
            asyncio.get_running_loop().call_later(effect.wait, self._push, execution, effect.launch)
        else:
            self._push(execution, effect.launch)

    def _push(self, execution: Execution, launch: int) -> None:
        heapq.heappush(self._heap, (-execution.priority, execution.number, launch, execution))
        self._waiting.set()

    async def run(self) -> None:
        """Begin one creation after the other, for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._waiting.wait()
            if wait := self._pace.wait(clock()):
                await asyncio.sleep(wait)
                continue
            await self._slots.acquire()
            # Only now: whoever has the highest priority by then is next.
            execution = self._pop()
            if execution is None:
                self._slots.release()
                continue
            self._pace.begin(clock())
            self._observe(execution, CreateBegun())
            self._tasks.spawn(self._create(execution))

    def _pop(self) -> Execution | None:
        while self._heap:
            _, _, launch, execution = heapq.heappop(self._heap)
            record = execution.record
            if record.state is State.QUEUED and record.launch == launch:
                return execution
        self._waiting.clear()
        return None

    async def _create(self, execution: Execution) -> None:
        try:
            observation = await self._try(execution)
        finally:
            self._slots.release()
        self._observe(execution, observation)

    async def _try(self, execution: Execution) -> Observation:
        clock = asyncio.get_running_loop().time
        try:
            built = await self._blueprints.build(execution)
            execution.namespace = built.namespace
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
            return self._delayed(execution, error) if _may_pass(error) else _refused(error)
        self._pace.accepted(clock())
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

    @property
    def rate(self) -> float:
        """Creations a second that the server is asked for at most."""
        return self._pace.rate

    def _delayed(self, execution: Execution, error: KubeError) -> CreateDelayed:
        metrics.creation_put_off()
        execution.delays += 1
        wait = min(_LONGEST_WAIT, 0.5 * 2 ** min(execution.delays, 10)) * random.uniform(0.8, 1.2)
        if isinstance(error, TooManyRequests | ServerError | ConnectionFailed):
            retry_after = error.retry_after if isinstance(error, ApiError) else None
            # The rate holds everybody back; the one that was refused is not to be the last.
            wait = self._pace.refused(asyncio.get_running_loop().time(), retry_after)
        # The words of one refusal and the next differ in their figures.
        return CreateDelayed(f"The pod is not created yet: {error}", wait, type(error).__name__)


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
