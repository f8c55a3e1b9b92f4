"""What a former run of the cluster left behind: pods that ran, processes, folders.

A cluster that is stopped tidies up itself; this is for one that was killed.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterable
from pathlib import Path

from podlift.local.kubelet.contract import Obj
from podlift.local.kubelet.facts import STATUS_UNKNOWN, STATUS_UNKNOWN_MESSAGE
from podlift.local.kubelet.places import recorded_ids
from podlift.local.kubelet.runner import Ending
from podlift.local.kubelet.spawner import MARKER

DISRUPTED = {
    "type": "DisruptionTarget",
    "status": "True",
    "lastProbeTime": None,
    "reason": "TerminationByKubelet",
}

STOPPING = "The local cluster was stopped while this pod was running."
LOST = "The local cluster ended without warning while this pod was running, and the pod with it."


def stopping(grace_seconds: float) -> Ending:
    """How a pod ends when the cluster is stopped."""
    return Ending(
        grace_seconds, "Terminated", STOPPING, condition=DISRUPTED | {"message": STOPPING}
    )


def was_running(pod: Obj) -> bool:
    """Whether the pod's status says that one of its containers had been started."""
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return False
    lists = ("initContainerStatuses", "containerStatuses")
    return any(one.get("containerID") for name in lists for one in status.get(name) or ())


def mark_lost(pod: Obj, now: str) -> None:
    """Edit the pod: it failed, because the cluster that ran it is gone."""
    status = pod["status"]
    status |= {"phase": "Failed", "reason": "NodeLost", "message": LOST}
    initialized = all(one.get("ready") for one in status.get("initContainerStatuses") or ())
    for name in ("initContainerStatuses", "containerStatuses"):
        for one in status.get(name) or ():
            never = name == "containerStatuses" and not one.get("containerID") and not initialized
            if "terminated" not in one["state"] and not never:
                _lose(one, now)
    conditions = [DISRUPTED | {"message": LOST, "lastTransitionTime": now}]
    for one in status.get("conditions") or ():
        if one["type"] in ("Ready", "ContainersReady", "PodReadyToStartContainers"):
            ready = one["type"] != "PodReadyToStartContainers"
            one = {
                **{key: value for key, value in one.items() if key not in ("reason", "message")},
                "status": "False",
                "lastTransitionTime": now if one["status"] == "True" else one["lastTransitionTime"],
                **({"reason": "PodFailed"} if ready else {}),
            }
        conditions.append(one)
    status["conditions"] = conditions


def _lose(container: Obj, now: str) -> None:
    running = container["state"].get("running") or {}
    container["state"] = {
        "terminated": {
            "exitCode": 137,
            "reason": STATUS_UNKNOWN,
            "message": STATUS_UNKNOWN_MESSAGE,
            "startedAt": running.get("startedAt"),
            "finishedAt": now,
        }
    }
    container["ready"] = container["started"] = False


def kill_leftovers(home: Path) -> int:
    """Kill processes of containers of this *home* that outlived it; returns how many.

    They are known by the id in their environment, which is recorded here: a process id alone
    may by now be another program's.
    """
    ids = recorded_ids(home)
    return sum(_kill_if_marked(pid, ids) for pid in _processes()) if ids else 0


def remove_strangers(home: Path, known: Iterable[str]) -> None:
    """Remove the folders of pods that are no more."""
    keep = set(known)
    for folder in home.glob("pods/*"):
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _kill_if_marked(pid: int, ids: set[str]) -> bool:
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
        prefix = f"{MARKER}=".encode()
        marks = {one.removeprefix(prefix) for one in environ.split(b"\0") if one.startswith(prefix)}
        if not any(mark.decode() in ids for mark in marks):
            return False
        os.kill(pid, signal.SIGKILL)
    except (PermissionError, ProcessLookupError, FileNotFoundError):
        return False
    return True
