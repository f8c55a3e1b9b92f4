"""What a job's status says, and what follows from it: pure functions of the job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from podlift.local.controllers.job_pods import index_of
from podlift.local.kinds import Obj
from podlift.local.store import now

Change = Callable[[Obj], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a job ended."""

    complete: bool
    reason: str
    message: str
    event: str


def is_over(job: Obj) -> bool:
    """Whether the job is Complete or Failed."""
    return any(
        one["status"] == "True" and one["type"] in ("Complete", "Failed")
        for one in (job.get("status") or {}).get("conditions") or ()
    )


def count(job: Obj, ended: list[Obj]) -> None:
    """Add pods that have ended to the numbers of the status."""
    status = job.setdefault("status", {})
    if not job["spec"].get("suspend"):
        status.setdefault("startTime", now())
    done = set(_indexes(status.get("completedIndexes", "")))
    for pod in ended:
        index = index_of(pod)
        if pod["status"].get("phase") != "Succeeded":
            status["failed"] = status.get("failed", 0) + 1
        elif index is None:
            status["succeeded"] = status.get("succeeded", 0) + 1
        else:
            done.add(index)
    if job["spec"]["completionMode"] == "Indexed":
        status["completedIndexes"] = _ranges(sorted(done))
        status["succeeded"] = len(done)


def describe(job: Obj, active: list[Obj], ending: int) -> None:
    """Write how many pods there are now."""
    status = job.setdefault("status", {})
    status.pop("active", None)
    if active:
        status["active"] = len(active)
    status["terminating"] = ending
    status["uncountedTerminatedPods"] = {}
    status["ready"] = sum(1 for pod in active if _is_ready(pod))


def verdict(job: Obj, active: list[Obj], moment: float) -> Verdict | None:
    """Whether and how the job is over at *moment*; None while it goes on."""
    spec, status = job["spec"], job.get("status") or {}
    succeeded, failed = status.get("succeeded", 0), status.get("failed", 0)
    completions = spec.get("completions")
    enough = succeeded >= completions if completions is not None else succeeded and not active
    if enough:
        text = "Reached expected number of succeeded pods"
        return Verdict(True, "CompletionsReached", text, "Job completed")
    restarts = sum(
        one.get("restartCount", 0)
        for pod in active
        for one in (pod.get("status") or {}).get("containerStatuses") or ()
    )
    if failed > spec["backoffLimit"] or (restarts and failed + restarts > spec["backoffLimit"]):
        text = "Job has reached the specified backoff limit"
        return Verdict(False, "BackoffLimitExceeded", text, text)
    end = deadline(job)
    if end is not None and moment >= end:
        text = "Job was active longer than specified deadline"
        return Verdict(False, "DeadlineExceeded", text, text)
    return None


def finish(job: Obj, how: Verdict) -> None:
    """Write the end into the status."""
    status, moment = job.setdefault("status", {}), now()
    types = ("SuccessCriteriaMet", "Complete") if how.complete else ("FailureTarget", "Failed")
    kept = [one for one in status.get("conditions") or () if one["type"] not in types]
    status["conditions"] = kept + [
        {
            "type": type_,
            "status": "True",
            "lastProbeTime": moment,
            "lastTransitionTime": moment,
            "reason": how.reason,
            "message": how.message,
        }
        for type_ in types
    ]
    if how.complete:
        status["completionTime"] = moment
    status.pop("active", None)
    status |= {"terminating": 0, "uncountedTerminatedPods": {}, "ready": 0}


def deadline(job: Obj) -> float | None:
    """When activeDeadlineSeconds are over."""
    seconds: int | None = job["spec"].get("activeDeadlineSeconds")
    start = (job.get("status") or {}).get("startTime")
    return _timestamp(start) + seconds if seconds is not None and start else None


def expiry(job: Obj) -> float | None:
    """When a job that is over is to be deleted."""
    seconds: int | None = job["spec"].get("ttlSecondsAfterFinished")
    if seconds is None:
        return None
    ends = [
        one["lastTransitionTime"]
        for one in job["status"]["conditions"]
        if one["type"] in ("Complete", "Failed")
    ]
    return _timestamp(max(ends)) + seconds


def missing(job: Obj, active: int) -> int:
    """How many pods to start (or, negative, to end)."""
    spec, status = job["spec"], job.get("status") or {}
    wanted: int = spec["parallelism"]
    if spec.get("completions") is not None:
        wanted = min(wanted, spec["completions"] - status.get("succeeded", 0))
    elif status.get("succeeded"):
        # Without a number of completions one success means that no more pods are started.
        wanted = min(wanted, active)
    return wanted - active


def free_indexes(job: Obj, taken: list[int | None]) -> list[int] | None:
    """The indexes that still need a pod; None for a job without indexes."""
    if job["spec"]["completionMode"] != "Indexed":
        return None
    done = _indexes((job.get("status") or {}).get("completedIndexes", ""))
    return [one for one in range(job["spec"]["completions"]) if one not in {*done, *taken}]


def _indexes(text: str) -> list[int]:
    """``0-2,5`` as numbers."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _ranges(numbers: list[int]) -> str:
    """``0-2,5``; two neighbours are not a range, as a real cluster writes them: ``0,1``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(
        f"{a}-{b}" if b - a > 1 else ",".join(map(str, sorted({a, b}))) for a, b in parts
    )


def _is_ready(pod: Obj) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _timestamp(text: str) -> float:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.timestamp()
