"""Deleting pods in the background, until the server takes it."""

from __future__ import annotations

import asyncio
import logging
import random

from podlift.executor import metrics
from podlift.executor.creating import Observe
from podlift.executor.execution import EXECUTION, Execution
from podlift.executor.observations import DeleteRefused, PodGone
from podlift.kube.client import Client
from podlift.kube.errors import Conflict, KubeError, NotFound
from podlift.kube.pacing import Backoff
from podlift.kube.resources import PODS
from podlift.pods.reading import Pod
from podlift.settings import DeleteOptions

logger = logging.getLogger(__name__)


class Deleter:
    """Takes ``Delete`` effects. That the pod is gone is seen by the watch, or by its absence."""

    def __init__(
        self, client: Client, observe: Observe, at_once: int, options: DeleteOptions
    ) -> None:
        self._client = client
        self._observe = observe
        self._options = options
        self._slots = asyncio.Semaphore(at_once)

    async def delete(self, execution: Execution, name: str, uid: str) -> None:
        """Delete the pod called ``name``; with a ``uid``, only if it is that one."""
        backoff = Backoff(random.random)
        while True:
            try:
                async with self._slots:
                    await self._once(execution, name, uid)
                return
            except (NotFound, Conflict):  # Conflict: the name has been taken by a later pod
                self._observe(execution, PodGone(uid))
                return
            except KubeError as error:
                if not error.transient:
                    sentence = f"Pod {name} cannot be deleted: {error}"
                    logger.warning("%s", sentence)
                    self._observe(execution, DeleteRefused(sentence))
                    return
                wait = backoff.next(error)  # as long as the server asks for, at least
            await asyncio.sleep(wait)

    async def _once(self, execution: Execution, name: str, uid: str) -> None:
        if not uid:  # the outcome of its creation is unknown: it may be another execution's pod
            pod = await self._client.get(PODS, name, execution.namespace, type=Pod)
            if pod.metadata.annotations.get(EXECUTION) != execution.id:
                self._observe(execution, PodGone(""))
                return
            uid = pod.metadata.uid
        clock = asyncio.get_running_loop().time
        asked = clock()
        await self._client.delete(
            PODS,
            name,
            execution.namespace,
            uid=uid,
            grace_period_seconds=self._options.grace_period_seconds,
            propagation_policy=self._options.propagation_policy,
        )
        metrics.pod_deleted(clock() - asked)
