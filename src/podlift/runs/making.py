"""Create an object, or find the one that an earlier request or an earlier try created."""

from __future__ import annotations

from podlift.kube import AlreadyExists, Client, Conflict, KubeError, NotFound, Resource
from podlift.kube.pacing import repeated
from podlift.pods.labels import TI_ID
from podlift.pods.plain import Manifest
from podlift.runs.errors import PodNotCreated
from podlift.runs.judging import Judgement, verdict_of
from podlift.runs.listening import Listener
from podlift.runs.objects import Propagation, Reference

_PATIENCE = 30.0
_FINDS = ("dag_id", "task_id", "run_id", "map_index", "app.kubernetes.io/component")
"""The labels by which all tries of a task instance find their objects."""


async def make(
    client: Client, resource: Resource, manifest: Manifest, patience: float, listener: Listener
) -> Manifest:
    """The object as the server made it, or had made it for this try. Raises ``PodNotCreated``."""
    name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    what = f"{resource.kind} {namespace}/{name}"
    try:
        made = await repeated(
            lambda: client.create(resource, manifest, namespace),
            patience,
            lambda error: listener.warning(f"{what} is not created yet: {error} Trying again."),
        )
    except AlreadyExists:
        return await _own(client, resource, manifest, what, listener)
    except KubeError as error:
        raise PodNotCreated(f"{what} was not created: {error}") from error
    listener.info(f"Created {what}.")
    return made


async def _own(
    client: Client, resource: Resource, manifest: Manifest, what: str, listener: Listener
) -> Manifest:
    metadata = manifest["metadata"]
    try:
        found = await client.get(resource, metadata["name"], metadata["namespace"])
    except KubeError as error:
        raise PodNotCreated(f"{what} is there already and cannot be read: {error}") from error
    if _try_of(found) != _try_of(manifest):
        raise PodNotCreated(
            f"{what} is there already and does not belong to this try of the task. Delete it, or "
            "give the task another name."
        )
    listener.info(f"Found {what}, created before for this try; going on with it.")
    return found


async def find_own(client: Client, resource: Resource, manifest: Manifest) -> Manifest | None:
    """The object that a request for this try has created, if one can be seen."""
    metadata = manifest["metadata"]
    try:
        found = await client.get(resource, metadata["name"], metadata["namespace"])
    except KubeError:
        return None
    return found if _try_of(found) == _try_of(manifest) else None


async def find_former(
    client: Client, resource: Resource, manifest: Manifest, judgement: Judgement, patience: float
) -> list[Manifest]:
    """Objects of earlier tries of the same task instance whose work has not ended.

    Raises ``PodNotCreated`` where that cannot be seen: there might be two then.
    """
    metadata = manifest["metadata"]
    labels = {name: metadata["labels"][name] for name in _FINDS if name in metadata["labels"]}
    selector = ",".join(f"{name}={value}" for name, value in labels.items())
    if "map_index" not in labels:
        selector += ",!map_index"
    try:
        listing = await repeated(
            lambda: client.list(resource, metadata["namespace"], label_selector=selector), patience
        )
    except KubeError as error:
        raise PodNotCreated(
            f"Whether an earlier try has left a {resource.kind} cannot be seen: {error}"
        ) from error
    return [
        each
        for each in listing.items
        if _try_of(each) != _try_of(manifest)
        and "deletionTimestamp" not in each["metadata"]
        and verdict_of(each, judgement) is None
    ]


async def delete_object(
    client: Client, of: Reference, propagation: Propagation, listener: Listener
) -> None:
    """Delete this very object. The task's fate is decided: what goes wrong here is only told."""
    try:
        await repeated(
            lambda: client.delete(
                of.resource, of.name, of.namespace, uid=of.uid, propagation_policy=propagation.value
            ),
            _PATIENCE,
        )
    except (NotFound, Conflict):
        return  # gone, and perhaps another one has its name
    except KubeError as error:
        listener.warning(f"{of} was not deleted: {error} Delete it by hand.")
    else:
        listener.info(f"Deleted {of}.")


def _try_of(manifest: Manifest) -> str | None:
    annotation: str | None = (manifest["metadata"].get("annotations") or {}).get(TI_ID)
    return annotation
