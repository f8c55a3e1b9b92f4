"""What becomes of the pod afterwards."""

from __future__ import annotations

from podlift.kube import PODS, Client, KubeError, NotFound
from podlift.kube.pacing import repeated
from podlift.pods.reading import Pod, container_status, is_finished
from podlift.runs.listening import Listener
from podlift.runs.options import OnFinish, RunOptions

_PATIENCE = 30.0


def is_to_be_deleted(pod: Pod, options: RunOptions, *, succeeded: bool) -> bool:
    """Whether the pod goes. One that has not ended does: nobody would look after it. Pure."""
    ended = is_finished(pod) or _base_ended(pod, options.base)
    if not succeeded and not ended:
        return True
    match options.on_finish:
        case OnFinish.DELETE_POD:
            return True
        case OnFinish.DELETE_SUCCEEDED_POD:
            return succeeded
        case OnFinish.DELETE_ACTIVE_POD:
            return not is_finished(pod)
        case OnFinish.KEEP_POD:
            return False


def _base_ended(pod: Pod, base: str) -> bool:
    status = container_status(pod, base)
    return status is not None and status.state.terminated is not None


async def delete(
    client: Client, pod: Pod, listener: Listener, grace_period: int | None = None
) -> None:
    """Delete this very pod. The task's fate is decided: what goes wrong here is only told."""
    metadata = pod.metadata
    try:
        await repeated(
            lambda: client.delete(
                PODS,
                metadata.name,
                metadata.namespace,
                uid=metadata.uid,
                grace_period_seconds=grace_period,
            ),
            _PATIENCE,
        )
    except NotFound:
        return
    except KubeError as error:
        listener.warning(
            f"Pod {metadata.namespace}/{metadata.name} was not deleted: {error} Delete it by hand."
        )
    else:
        listener.info(f"Deleted pod {metadata.namespace}/{metadata.name}.")
