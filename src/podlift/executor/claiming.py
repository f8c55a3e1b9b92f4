"""Writing this executor's id on another one's pod: of several that try, exactly one succeeds.

The patch names the version of the pod that was looked at, and the server refuses it if anything
has changed since (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
Then the pod is looked at again: a change of anything but its owner does not matter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial

from msgspec.structs import replace

from podlift.executor.patience import patiently
from podlift.kube.client import Client
from podlift.kube.errors import Conflict, KubeError, NotFound
from podlift.kube.resources import PODS
from podlift.kube.writing import Patch
from podlift.pods.labels import ADOPTIONS, EXECUTOR, MANAGED_BY, PODLIFT, adoptions_of
from podlift.pods.naming import label_value
from podlift.pods.reading import Pod, read_pod

logger = logging.getLogger(__name__)

_AT_ONCE = 16
"""Requests; a scheduler that starts may have thousands of pods to take over."""


class Taken(Exception):
    """Another scheduler was faster. ``pod`` is what it made of the pod."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        super().__init__(f"Pod {pod.metadata.name} belongs to scheduler {owner_of(pod)} now.")


def owner_of(pod: Pod) -> str:
    """Id of the executor that the pod belongs to; empty for a pod that names none."""
    return pod.metadata.annotations.get(EXECUTOR, "")


def job_of(executor_id: str) -> int | None:
    """The scheduler's job in Airflow's database that an executor's id names, if it names one."""
    job, _, _ = executor_id.partition("-")
    return int(job) if job.isdecimal() else None


class Claims:
    """Makes pods this executor's."""

    def __init__(self, client: Client, executor_id: str) -> None:
        self._client = client
        self._executor_id = executor_id
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def claim(self, pod: Pod, extra: Mapping[str, Mapping[str, str]] | None = None) -> Pod:
        """Write our id on the pod; returns the pod as it is then.

        ``extra`` holds labels and annotations to write in the same moment. While the server is busy
        it is asked again. A role that may not patch pods is no obstacle: the pod is ours all the
        same, only nobody else can see it.

        Raises ``Taken`` if another scheduler's id has come upon it, ``NotFound`` if it is gone.
        """
        extra = extra or {}
        try:
            return await self._contest(pod, extra)
        except NotFound:
            raise
        except KubeError as error:
            logger.warning("Pod %s is not marked as ours: %s", pod.metadata.name, error)
            return _with_annotations(pod, self._marks(pod, extra))

    async def _contest(self, pod: Pod, extra: Mapping[str, Mapping[str, str]]) -> Pod:
        doing = f"Taking over pod {pod.metadata.name}"
        while True:
            try:
                return await patiently(partial(self._write, pod, extra), doing)
            except Conflict:  # it has changed, or is another one of that name
                now = await patiently(partial(self._read, pod), doing)
            if now.metadata.uid != pod.metadata.uid or _hands(now) != _hands(pod):
                raise Taken(now)
            pod = now

    async def _write(self, pod: Pod, extra: Mapping[str, Mapping[str, str]]) -> Pod:
        name, namespace = pod.metadata.name, pod.metadata.namespace
        owner = {MANAGED_BY: PODLIFT, EXECUTOR: label_value(self._executor_id)}
        changes = {
            "resourceVersion": pod.metadata.resource_version,
            "labels": {**extra.get("labels", {}), **owner},
            "annotations": self._marks(pod, extra),
        }
        async with self._slots:
            answer = await self._client.patch(
                PODS, name, namespace, {"metadata": changes}, how=Patch.MERGE
            )
        return read_pod(answer)

    def _marks(self, pod: Pod, extra: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        count = str(adoptions_of(pod) + 1)
        return {**extra.get("annotations", {}), EXECUTOR: self._executor_id, ADOPTIONS: count}

    async def _read(self, pod: Pod) -> Pod:
        async with self._slots:
            return await self._client.get(PODS, pod.metadata.name, pod.metadata.namespace, type=Pod)


def _hands(pod: Pod) -> tuple[str, int]:
    return owner_of(pod), adoptions_of(pod)


def _with_annotations(pod: Pod, more: Mapping[str, str]) -> Pod:
    annotations = {**pod.metadata.annotations, **more}
    return replace(pod, metadata=replace(pod.metadata, annotations=annotations))
