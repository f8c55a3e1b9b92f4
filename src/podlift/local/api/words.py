"""How kubectl's columns put it: ages, and a pod's readiness, status and restarts."""

from __future__ import annotations

from datetime import UTC, datetime

from podlift.local.kinds import Obj


def duration(seconds: float) -> str:
    """A span as kubectl writes ages: ``5s``, ``3m20s``, ``25h``, ``4d2h``, ``2y30d``."""
    total = int(seconds)
    if total < 120:
        return f"{max(total, 0)}s"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d")


def _two(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first}{first_unit}" + (f"{second}{second_unit}" if second else "")


def since(timestamp: str | None) -> str:
    """The age of a timestamp, ``<unknown>`` where there is none."""
    if not timestamp:
        return "<unknown>"
    then = datetime.fromisoformat(timestamp.replace("Z", "+00:00"))
    return duration((datetime.now(UTC) - then).total_seconds())


def pod_ready(pod: Obj) -> str:
    """``ready/containers``; native sidecars count as containers."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    sidecars = {
        one["name"]
        for one in spec.get("initContainers") or ()
        if one.get("restartPolicy") == "Always"
    }
    statuses = list(status.get("containerStatuses") or ())
    statuses += [
        one for one in status.get("initContainerStatuses") or () if one["name"] in sidecars
    ]
    ready = sum(1 for one in statuses if one.get("ready") and "running" in (one.get("state") or {}))
    return f"{ready}/{len(spec.get('containers') or ()) + len(sidecars)}"


def pod_status(pod: Obj) -> str:
    """The word in kubectl's STATUS column, which tells more than the phase.

    See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase
    """
    status = pod.get("status") or {}
    reason = status.get("reason") or status.get("phase") or ""
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            reason = "SchedulingGated"
    initializing = _initializing(pod)
    reason = initializing or _containers_reason(status, reason)
    if pod["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            return "Unknown"
        if status.get("phase") not in ("Succeeded", "Failed"):
            return "Terminating"
    return str(reason)


def _initializing(pod: Obj) -> str:
    status = pod.get("status") or {}
    sidecars = {
        one["name"]
        for one in pod["spec"].get("initContainers") or ()
        if one.get("restartPolicy") == "Always"
    }
    total = len(pod["spec"].get("initContainers") or ())
    for index, one in enumerate(status.get("initContainerStatuses") or ()):
        state = one.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting")
        if terminated and terminated.get("exitCode") == 0:
            continue
        if one["name"] in sidecars and one.get("started"):
            continue
        if terminated:
            return f"Init:{_ended(terminated)}"
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{total}"
    return ""


def _containers_reason(status: Obj, reason: str) -> str:
    running = False
    for one in reversed(status.get("containerStatuses") or ()):
        state = one.get("state") or {}
        waiting, terminated = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason"):
            reason = waiting["reason"]
        elif terminated:
            reason = _ended(terminated)
        elif one.get("ready") and "running" in state:
            running = True
    if reason == "Completed" and running:
        ready = any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in status.get("conditions") or ()
        )
        return "Running" if ready else "NotReady"
    return reason


def _ended(terminated: Obj) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def pod_restarts(pod: Obj) -> str:
    """The number of restarts and, where there are any, when the last one was."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    count = sum(one.get("restartCount", 0) for one in statuses)
    ends = [
        one["lastState"]["terminated"]["finishedAt"]
        for one in statuses
        if (one.get("lastState") or {}).get("terminated", {}).get("finishedAt")
    ]
    return f"{count} ({since(max(ends))} ago)" if count and ends else str(count)
