"""Create the pod, or find the one that an earlier request for the same try created."""

from __future__ import annotations

import asyncio

from podlift.kube import PODS, AlreadyExists, Client, KubeError
from podlift.kube.pacing import repeated
from podlift.pods.labels import identity_of
from podlift.pods.plain import Manifest
from podlift.pods.reading import Pod, read_pod
from podlift.runs.cleaning import delete
from podlift.runs.errors import PodNotCreated
from podlift.runs.listening import Listener


async def create(client: Client, manifest: Manifest, patience: float, listener: Listener) -> Pod:
    """The pod as the server made it, or had made it.

    A server that is busy or a quota that is used up is waited for, ``patience`` seconds long.
    Raises ``PodNotCreated``; then, and when it is cancelled, no pod is left behind.
    """
    try:
        return await _create(client, manifest, patience, listener)
    except (PodNotCreated, asyncio.CancelledError):
        # A request whose answer never came may have created it all the same.
        await _delete_unseen(client, manifest, listener)
        raise


async def _create(client: Client, manifest: Manifest, patience: float, listener: Listener) -> Pod:
    name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    try:
        pod = await repeated(
            lambda: client.create(PODS, manifest, namespace, type=Pod),
            patience,
            lambda error: listener.warning(f"The pod is not created yet: {error} Trying again."),
        )
    except AlreadyExists:
        return await _find_own(client, manifest, listener)
    except KubeError as error:
        raise PodNotCreated(f"Pod {namespace}/{name} was not created: {error}") from error
    listener.info(f"Created pod {namespace}/{name}.")
    return pod


async def _find_own(client: Client, manifest: Manifest, listener: Listener) -> Pod:
    name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    try:
        pod = await client.get(PODS, name, namespace, type=Pod)
    except KubeError as error:
        raise PodNotCreated(
            f"Pod {namespace}/{name} is there already and cannot be read: {error}"
        ) from error
    if not _is_own(pod, manifest):
        raise PodNotCreated(
            f"Pod {namespace}/{name} is there already and does not belong to this try of the "
            "task. Delete it, or give the task another name."
        )
    listener.info(f"Found pod {namespace}/{name}, created before for this try; going on with it.")
    return pod


async def _delete_unseen(client: Client, manifest: Manifest, listener: Listener) -> None:
    metadata = manifest["metadata"]
    try:
        pod = await client.get(PODS, metadata["name"], metadata["namespace"], type=Pod)
    except KubeError:
        return  # most likely it was never created; the error under way says what is wrong
    if _is_own(pod, manifest):
        await delete(client, pod, listener)


def _is_own(pod: Pod, manifest: Manifest) -> bool:
    return identity_of(pod) == identity_of(read_pod(manifest))
