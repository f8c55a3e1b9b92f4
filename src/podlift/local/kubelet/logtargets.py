"""Which run of which container a log request means; pure, from the pod's status."""

from __future__ import annotations

from podlift.local.errors import BadRequest
from podlift.local.kubelet.contract import LogOptions, Obj


def log_run(pod: Obj, options: LogOptions) -> tuple[str, int] | None:
    """The container and the number of its run; None while the pod is on no node.

    Raises :class:`~podlift.local.errors.BadRequest` in the words of the real kubelet.
    """
    name = _container(pod, options.container)
    if not pod["spec"].get("nodeName"):
        return None
    status = _status(pod, name)
    restarts = int(status.get("restartCount", 0))
    waiting = (status.get("state") or {}).get("waiting")
    is_waiting = waiting is not None
    has_last = "terminated" in (status.get("lastState") or {})
    if options.previous:
        if not has_last:
            raise BadRequest(
                f'previous terminated container "{name}" in pod "{pod["metadata"]["name"]}" '
                "not found"
            )
        return name, restarts if is_waiting else restarts - 1
    if not status.get("containerID"):
        reason = (waiting or {}).get("reason", "ContainerCreating")
        raise BadRequest(
            f'container "{name}" in pod "{pod["metadata"]["name"]}" is waiting to start: {reason}'
        )
    return name, restarts


def _container(pod: Obj, name: str | None) -> str:
    spec, pod_name = pod["spec"], pod["metadata"]["name"]
    main = [one["name"] for one in spec["containers"]]
    init = [one["name"] for one in spec.get("initContainers") or ()]
    if name is None:
        if len(main) == 1:
            return str(main[0])
        also = f" or one of the init containers: [{' '.join(init)}]" if init else ""
        raise BadRequest(
            f"a container name must be specified for pod {pod_name}, "
            f"choose one of: [{' '.join(main)}]{also}"
        )
    if name not in main and name not in init:
        raise BadRequest(f"container {name} is not valid for pod {pod_name}")
    return name


def _status(pod: Obj, name: str) -> Obj:
    status = pod.get("status") or {}
    for kind in ("initContainerStatuses", "containerStatuses"):
        for one in status.get(kind) or ():
            if one["name"] == name:
                return dict(one)
    return {}
