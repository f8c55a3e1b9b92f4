"""From (pod, what its processes did) to the pod's status; pure.

The rules are those of https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/, their
order and wording those that a real kubelet was recorded with.
"""

from __future__ import annotations

from typing import Any

from podlift.local.kubelet.contract import Obj
from podlift.local.kubelet.facts import (
    STATUS_UNKNOWN,
    ContainerFacts,
    PodFacts,
    Running,
    State,
    Terminated,
    Waiting,
)
from podlift.local.kubelet.mounts import status_mounts

#: Containers share the machine's network.
POD_IP = "127.0.0.1"

_KUBELET_CONDITIONS = (
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
)


def is_sidecar(container: Obj) -> bool:
    """Whether an init container goes on beside the main ones.

    See https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
    """
    return container.get("restartPolicy") == "Always"


def pod_status(pod: Obj, facts: PodFacts, now: str) -> Obj:
    """The status to publish for *pod*, at the time *now* (RFC 3339).

    Keeps from the present status what is not the kubelet's: conditions of others and the times of
    conditions that stay as they are.
    """
    before: Obj = pod.get("status") or {}
    status: Obj = {"observedGeneration": pod["metadata"].get("generation", 1)}
    status["phase"] = _told_phase(pod, facts)
    status["conditions"] = _conditions(pod, facts, now)
    if facts.reason and not facts.failing:
        status |= {"message": facts.message, "reason": facts.reason}
    status |= {"hostIP": POD_IP, "hostIPs": [{"ip": POD_IP}]}
    if facts.ip:
        status |= {"podIP": facts.ip, "podIPs": [{"ip": facts.ip}]}
    status["startTime"] = before.get("startTime") or facts.start_time
    spec = pod["spec"]
    if facts.init:
        status["initContainerStatuses"] = [
            _container_status(container, facts.init[container["name"]], pod, init=True)
            for container in spec.get("initContainers") or ()
        ]
    status["containerStatuses"] = [
        _container_status(container, facts.main[container["name"]], pod, init=False)
        for container in spec["containers"]
    ]
    status["qosClass"] = before.get("qosClass", "BestEffort")
    return {key: value for key, value in before.items() if key not in status} | status


def rejected_status(pod: Obj, reason: str, message: str, now: str) -> Obj:
    """The status of a pod that the kubelet does not accept: no conditions, no containers."""
    before: Obj = pod.get("status") or {}
    return {
        "observedGeneration": pod["metadata"].get("generation", 1),
        "phase": "Failed",
        "message": message,
        "reason": reason,
        "startTime": now,
        "qosClass": before.get("qosClass", "BestEffort"),
    }


def phase(pod: Obj, facts: PodFacts) -> str:
    """The phase that the containers' states amount to."""
    policy = pod["spec"].get("restartPolicy", "Always")
    if facts.reason:
        return "Failed"
    if not initialized(pod, facts) and not _all_main_began(facts):
        failed = any(
            isinstance(facts.init[container["name"]].state, Terminated)
            and not facts.init[container["name"]].succeeded
            and not _unknown(facts.init[container["name"]])
            and not is_sidecar(container)
            for container in pod["spec"].get("initContainers") or ()
        )
        return "Failed" if failed and policy == "Never" else "Pending"
    states = [_effective(container) for container in facts.main.values()]
    if any(isinstance(state, Waiting) for state in states):
        return "Pending"
    sidecars = [
        facts.init[container["name"]].state
        for container in pod["spec"].get("initContainers") or ()
        if is_sidecar(container)
    ]
    if any(isinstance(state, Running) for state in [*states, *sidecars]):
        return "Running"
    if policy == "Always" and not facts.ended:
        return "Running"
    if all(isinstance(state, Terminated) and state.exit_code == 0 for state in states):
        return "Succeeded"
    return "Failed" if policy == "Never" or facts.ended else "Running"


def initialized(pod: Obj, facts: PodFacts) -> bool:
    """Whether all init containers ended well and all sidecars have started."""
    return not _incomplete(pod, facts)


def _all_main_began(facts: PodFacts) -> bool:
    return all(not isinstance(_effective(container), Waiting) for container in facts.main.values())


def _told_phase(pod: Obj, facts: PodFacts) -> str:
    """A terminal phase is told only once nothing runs; until then the one before stays."""
    actual = phase(pod, facts)
    if actual in ("Succeeded", "Failed"):
        if facts.ended:
            return actual
        before: str = (pod.get("status") or {}).get("phase", "Pending")
        return before
    return "Failed" if facts.ended else actual


def _effective(container: ContainerFacts) -> State:
    """A container between two runs counts as ended; one that never ran counts as waiting."""
    if isinstance(container.state, Waiting) and container.last:
        return container.last
    if _unknown(container):
        return Waiting(STATUS_UNKNOWN)
    return container.state


def _unknown(container: ContainerFacts) -> bool:
    return (
        isinstance(container.state, Terminated)
        and container.state.reason == STATUS_UNKNOWN
        and not container.container_id
    )


def _incomplete(pod: Obj, facts: PodFacts) -> list[str]:
    names = []
    for container in pod["spec"].get("initContainers") or ():
        one = facts.init[container["name"]]
        if is_sidecar(container):
            done = one.started or (one.last is not None or _all_main_began(facts))
        else:
            done = one.succeeded
        if not done:
            names.append(one.name)
    return names


def _unready(pod: Obj, facts: PodFacts) -> list[str]:
    sidecars = [
        facts.init[container["name"]]
        for container in pod["spec"].get("initContainers") or ()
        if is_sidecar(container)
    ]
    return [one.name for one in [*sidecars, *facts.main.values()] if not is_ready(one)]


def is_ready(container: ContainerFacts) -> bool:
    """Whether it runs, has started up and its readiness probe agrees."""
    return isinstance(container.state, Running) and container.started and container.ready


def _conditions(pod: Obj, facts: PodFacts, now: str) -> list[Obj]:
    actual = phase(pod, facts)
    verdicts = {
        "PodReadyToStartContainers": _verdict(facts.sandbox_ready),
        "Initialized": _initialized_verdict(pod, facts, actual),
        "Ready": _ready_verdict(pod, facts, actual),
        "ContainersReady": _ready_verdict(pod, facts, actual),
        "PodScheduled": _verdict(True),
    }
    before = {one["type"]: one for one in (pod.get("status") or {}).get("conditions") or ()}
    generation = pod["metadata"].get("generation", 1)
    conditions = [one for type_, one in before.items() if type_ not in verdicts]
    for type_ in _KUBELET_CONDITIONS:
        verdict, old = verdicts[type_], before.get(type_)
        same = old is not None and old["status"] == verdict["status"]
        condition = {
            "type": type_,
            "observedGeneration": generation,
            "status": verdict["status"],
            "lastProbeTime": None,
            "lastTransitionTime": old["lastTransitionTime"] if old and same else now,
        } | verdict
        conditions.append(condition)
    return conditions


def _verdict(true: bool, reason: str = "", message: str = "") -> Obj:
    verdict = {"status": "True" if true else "False"}
    if reason:
        verdict["reason"] = reason
    if message:
        verdict["message"] = message
    return verdict


def _initialized_verdict(pod: Obj, facts: PodFacts, actual: str) -> Obj:
    if actual == "Succeeded":
        return _verdict(True, "PodCompleted")
    names = _incomplete(pod, facts)
    if not names:
        return _verdict(True)
    message = f"containers with incomplete status: [{' '.join(names)}]"
    return _verdict(False, "ContainersNotInitialized", message)


def _ready_verdict(pod: Obj, facts: PodFacts, actual: str) -> Obj:
    if actual == "Succeeded":
        return _verdict(False, "PodCompleted")
    if actual == "Failed":
        return _verdict(False, "PodFailed")
    names = _unready(pod, facts)
    if not names:
        return _verdict(True)
    message = f"containers with unready status: [{' '.join(names)}]"
    return _verdict(False, "ContainersNotReady", message)


def _container_status(container: Obj, facts: ContainerFacts, pod: Obj, *, init: bool) -> Obj:
    ready = is_ready(facts)
    if init and not is_sidecar(container):
        ready = facts.succeeded
    status: Obj = {
        "name": facts.name,
        "state": _state(facts.state),
        "lastState": _state(facts.last) if facts.last else {},
        "ready": ready,
        "restartCount": facts.restarts,
        "image": container.get("image", ""),
        "imageID": "",
    }
    if facts.container_id:
        status["containerID"] = facts.container_id
    status["started"] = isinstance(facts.state, Running) and facts.started
    if facts.container_id:
        resources = container.get("resources") or {}
        if resources.get("requests"):
            status["allocatedResources"] = resources["requests"]
        status["resources"] = resources
    mounts = status_mounts(container)
    if mounts:
        status["volumeMounts"] = mounts
    return status


def _state(state: State) -> dict[str, Any]:
    if isinstance(state, Running):
        return {"running": {"startedAt": state.started_at}}
    if isinstance(state, Waiting):
        waiting = {"reason": state.reason}
        if state.message:
            waiting["message"] = state.message
        return {"waiting": waiting}
    terminated: Obj = {"exitCode": state.exit_code, "reason": state.reason}
    if state.message:
        terminated["message"] = state.message
    terminated |= {"startedAt": state.started_at, "finishedAt": state.finished_at}
    if state.container_id:
        terminated["containerID"] = state.container_id
    return {"terminated": terminated}
