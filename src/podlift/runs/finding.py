"""Find the pod that an earlier try of the same task left behind.

A try whose worker died, or was drained, leaves its pod running. It is known by its labels, and
exactly by its annotations. One that a try has judged carries a label that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from podlift.kube import PODS, Client, KubeError, NotFound, Patch
from podlift.kube.pacing import repeated
from podlift.pods.labels import Identity, identity_of, labels_of
from podlift.pods.plain import Manifest
from podlift.pods.reading import Pod, is_deleted, is_finished, read_pod
from podlift.runs.errors import PodNotCreated
from podlift.runs.listening import Listener

JUDGED = "podlift.dev/judged"
_SEARCHED = ("dag_id", "task_id", "run_id", "map_index")


def choose(
    pods: Iterable[Pod], identity: Identity, *, durable: bool
) -> tuple[Pod | None, list[Pod]]:
    """The pod to go on with, and those that must go before another may be started. Pure.

    One of this very try always is gone on with: its worker was replaced. One of an earlier try is
    only if it may still become a success: its failure was that try's.
    """
    left = [(found, pod) for pod in pods if (found := _left_behind(pod, identity)) is not None]
    left.sort(key=lambda each: (each[0].try_number, each[0].launch))
    chosen: Pod | None = None
    if left:
        newest, pod = left[-1]
        usable = durable and pod.status.phase != "Failed"
        chosen = pod if newest.ti_id == identity.ti_id or usable else None
    others = [pod for _, pod in left if pod is not chosen]
    return chosen, [pod for pod in others if not is_finished(pod)]


def _left_behind(pod: Pod, identity: Identity) -> Identity | None:
    found = identity_of(pod)
    if found is None or is_deleted(pod) or JUDGED in pod.metadata.labels:
        return None
    same = all(getattr(found, name) == getattr(identity, name) for name in _SEARCHED)
    return found if same else None


def has_forerunners(manifest: Manifest) -> bool:
    """Whether a pod of an earlier try may be there, which is not worth a question at the first.

    The first try's own pod is found by its name. Pure.
    """
    identity = identity_of(read_pod(manifest))
    return identity is not None and identity.try_number > 1


async def find(
    client: Client, manifest: Manifest, patience: float, listener: Listener, *, durable: bool
) -> tuple[Pod | None, list[Pod]]:
    """As ``choose``, of the pods that the server has. Raises ``PodNotCreated``."""
    identity = identity_of(read_pod(manifest))
    if identity is None:
        return None, []
    labels = labels_of(identity, component="operator")
    selector = _selector({name: labels[name] for name in labels if name != "try_number"})
    namespace = manifest["metadata"]["namespace"]
    try:
        listing = await repeated(
            lambda: client.list(PODS, namespace, label_selector=selector, type=Pod),
            patience,
            lambda error: listener.warning(
                f"Pods of earlier tries cannot be looked for yet: {error}"
            ),
        )
    except KubeError as error:
        raise PodNotCreated(
            f"Pods of earlier tries cannot be looked for in {namespace}: {error}"
        ) from error
    return choose(listing.items, identity, durable=durable)


async def mark_judged(client: Client, pod: Pod, listener: Listener) -> None:
    """Say on a pod that is kept that its end was told, so that no later try finds it again."""
    body = {"metadata": {"uid": pod.metadata.uid, "labels": {JUDGED: "true"}}}
    try:
        await client.patch(PODS, pod.metadata.name, pod.metadata.namespace, body, how=Patch.MERGE)
    except NotFound:
        return
    except KubeError as error:
        listener.warning(f"A later try of the task may take this pod for its own: {error}")


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items())
