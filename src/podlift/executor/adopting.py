"""Taking over the pods that another scheduler left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from podlift.executor.control import Control
from podlift.executor.execution import EXECUTION, Execution, execution_of
from podlift.executor.messages import Adopt, Ended, Notice, Orphan
from podlift.kube.client import Client
from podlift.kube.errors import KubeError, NotFound
from podlift.kube.resources import PODS
from podlift.kube.verbs import Patch
from podlift.pods.labels import EXECUTOR, identity_of, selector_for
from podlift.pods.naming import label_value
from podlift.pods.reading import Pod

logger = logging.getLogger(__name__)

_AT_ONCE = 16
_NO_POD = "The scheduler that started this task is gone, and so is the task's pod."


class Adopter:
    """Finds orphans' pods by their annotations and makes them this executor's."""

    def __init__(
        self,
        client: Client,
        control: Control,
        namespaces: Iterable[str | None],
        executor_id: str,
        notify: Callable[[Notice], None],
    ) -> None:
        self._client = client
        self._control = control
        self._namespaces = tuple(namespaces)
        self._executor_id = executor_id
        self._notify = notify
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def adopt(self, request: Adopt) -> None:
        """Answer as soon as the pods are listed; then take them over one by one."""
        pods = _newest(await self._list(), {orphan.ti_id for orphan in request.orphans})
        if request.answer.set_running_or_notify_cancel():
            request.answer.set_result(frozenset(pods))
        else:  # the scheduler could not wait, and counts all of them as ours
            for orphan in request.orphans:
                if orphan.ti_id not in pods:
                    self._notify(Ended(orphan.number, orphan.key, False, _NO_POD))
        found = [orphan for orphan in request.orphans if orphan.ti_id in pods]
        await asyncio.gather(*(self._take_over(each, pods[each.ti_id]) for each in found))

    async def _list(self) -> list[Pod]:
        pods: list[Pod] = []
        for namespace in self._namespaces:
            pods += await self._list_patiently(namespace)
        return pods

    async def _list_patiently(self, namespace: str | None) -> list[Pod]:
        wait = 0.5
        while True:
            try:
                listing = await self._client.list(
                    PODS, namespace, label_selector=selector_for(), type=Pod
                )
                return listing.items
            except KubeError as error:
                if not error.transient:
                    raise
                logger.warning("Looking for pods to adopt: %s", error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, 10.0)

    async def _take_over(self, orphan: Orphan, pod: Pod) -> None:
        execution = execution_of(orphan.number, orphan.key, pod)
        owner = {
            "metadata": {
                "labels": {EXECUTOR: label_value(self._executor_id)},
                "annotations": {EXECUTOR: self._executor_id},
            }
        }
        try:
            async with self._slots:
                await self._client.patch(
                    PODS, pod.metadata.name, pod.metadata.namespace, owner, how=Patch.MERGE
                )
        except NotFound:
            self._notify(Ended(orphan.number, orphan.key, False, _NO_POD))
            return
        except KubeError as error:
            # The label tells other schedulers whose pod it is; the pod itself is ours all the same.
            logger.warning("Pod %s is not marked as adopted: %s", pod.metadata.name, error)
        self._begin(execution, pod)

    def _begin(self, execution: Execution, pod: Pod) -> None:
        self._control.adopt(execution, pod)


def _newest(pods: Iterable[Pod], wanted: set[str]) -> dict[str, Pod]:
    """For each task instance the pod of its last launch, which is the one that counts."""
    newest: dict[str, tuple[int, Pod]] = {}
    for pod in pods:
        identity = identity_of(pod)
        if identity is None or identity.ti_id not in wanted:
            continue
        if EXECUTION not in pod.metadata.annotations:
            continue
        known = newest.get(identity.ti_id)
        if known is None or identity.launch > known[0]:
            newest[identity.ti_id] = identity.launch, pod
    return {ti_id: pod for ti_id, (_, pod) in newest.items()}
