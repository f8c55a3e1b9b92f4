"""The job controller: runs pods until enough have succeeded or too many have failed.

See https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime

from podlift.local import errors
from podlift.local.api.deleting import pod_grace
from podlift.local.api.requests import Target
from podlift.local.api.writing import create
from podlift.local.controllers import job_status
from podlift.local.controllers.job_pods import TRACKING, index_of, pod_for
from podlift.local.controllers.recorder import Recorder
from podlift.local.kinds import JOB, POD, Obj
from podlift.local.store import (
    Event,
    Store,
    Subscription,
    begin_deletion,
    drop_finalizer,
)

#: A failed pod's successor waits this long, twice as long after each further failure.
BACKOFF_SECONDS = 10.0
MOST_BACKOFF_SECONDS = 360.0

Key = tuple[str, str]


@dataclass(slots=True)
class _Pods:
    """A job's pods by what they mean to it."""

    active: list[Obj] = field(default_factory=list)
    ended: list[Obj] = field(default_factory=list)
    ending: list[Obj] = field(default_factory=list)


class JobController:
    """Brings every job's pods and status to what its spec asks for."""

    def __init__(self, store: Store, backoff_seconds: float = BACKOFF_SECONDS) -> None:
        self._store = store
        self._backoff = backoff_seconds
        self._recorder = Recorder(store, "job-controller")
        self._due: dict[Key, float] = {}

    async def run(self) -> None:
        """Look at a job when it or one of its pods changes, and when its time has come."""
        events: Subscription[Event] = self._store.subscribe(JOB, POD)
        for job in self._store.list(JOB):
            self._sync((job["metadata"]["namespace"], job["metadata"]["name"]))
        while True:
            keys = set()
            try:
                async with asyncio.timeout(self._pause()):
                    batch = await events.batch()
                if not batch:
                    return
                keys = {key for event in batch if (key := _job_of(event)) is not None}
            except TimeoutError:
                moment = time.time()
                keys = {key for key, due in self._due.items() if due <= moment}
            for key in keys:
                self._due.pop(key, None)
                self._sync(key)

    def _pause(self) -> float | None:
        return max(0.0, min(self._due.values()) - time.time()) if self._due else None

    def _wake(self, key: Key, moment: float) -> None:
        self._due[key] = min(moment, self._due.get(key, moment))

    def _sync(self, key: Key) -> None:
        job = self._store.find(JOB, *key)
        if job is None or job["metadata"].get("deletionTimestamp"):
            self._let_go(key)
            return
        pods = self._pods(job)
        if job_status.is_over(job):
            self._clean_up(key, job, pods)
            return
        job = self._count(job, pods)
        verdict = job_status.verdict(job, pods.active, time.time())
        if verdict is not None:
            self._finish(job, pods, verdict)
            return
        if job["spec"].get("suspend"):
            self._end_pods(pods.active)
        else:
            self._start_pods(key, job, pods)
        self._write_status(job, self._pods(job))
        deadline = job_status.deadline(job)
        if deadline is not None:
            self._wake(key, deadline)

    def _pods(self, job: Obj) -> _Pods:
        uid, labels = job["metadata"]["uid"], job["spec"]["selector"].get("matchLabels") or {}
        found = _Pods()
        for record in self._store.records(POD, job["metadata"]["namespace"]):
            if not labels.items() <= record.facts.labels.items():
                continue
            pod = self._store.get(POD, record.facts.namespace, record.facts.name)
            meta = pod["metadata"]
            if all(owner["uid"] != uid for owner in meta.get("ownerReferences") or ()):
                continue  # a selector of the user's own may fit other pods as well
            if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
                found.ended.append(pod)
            elif meta.get("deletionTimestamp") is None:
                found.active.append(pod)
            elif meta.get("deletionGracePeriodSeconds") == 0:
                found.ended.append(pod)
            else:
                found.ending.append(pod)
        return found

    def _count(self, job: Obj, pods: _Pods) -> Obj:
        """Count ended pods once each; the finalizer keeps a pod until it has been counted."""
        fresh = [one for one in pods.ended if TRACKING in (one["metadata"].get("finalizers") or ())]
        if not fresh and (job.get("status") or {}).get("startTime"):
            return job
        after = self._modify(job, lambda copy: job_status.count(copy, fresh))
        for pod in fresh:
            drop_finalizer(self._store, POD, pod, TRACKING)
        return after

    def _finish(self, job: Obj, pods: _Pods, verdict: job_status.Verdict) -> None:
        self._end_pods(pods.active)
        after = self._modify(job, lambda copy: job_status.finish(copy, verdict))
        record = self._recorder.normal if verdict.complete else self._recorder.warning
        record(after, "Completed" if verdict.complete else verdict.reason, verdict.event)

    def _clean_up(self, key: Key, job: Obj, pods: _Pods) -> None:
        """After the end: no pod is held any longer, and the job goes when its time is up."""
        for pod in pods.ended:
            drop_finalizer(self._store, POD, pod, TRACKING)
        self._end_pods(pods.active)
        expiry = job_status.expiry(job)
        if expiry is None:
            return
        if expiry > time.time():
            self._wake(key, expiry)
        else:
            begin_deletion(self._store, JOB, job, 0)

    def _let_go(self, key: Key) -> None:
        """A job that is gone must not hold its pods."""
        for pod in self._store.list(POD, key[0]):
            meta = pod["metadata"]
            owners = [
                one["name"] for one in meta.get("ownerReferences") or () if one["kind"] == "Job"
            ]
            if key[1] in owners and TRACKING in (meta.get("finalizers") or ()):
                drop_finalizer(self._store, POD, pod, TRACKING)

    def _end_pods(self, pods: list[Obj]) -> None:
        for pod in pods:
            begin_deletion(self._store, POD, pod, pod_grace(pod, None))

    def _start_pods(self, key: Key, job: Obj, pods: _Pods) -> None:
        missing = job_status.missing(job, len(pods.active))
        if missing < 0:
            self._end_pods(pods.active[missing:])
        if missing <= 0:
            return
        wait = self._backoff_until(job, pods)
        if wait > time.time():
            self._wake(key, wait)
            return
        indexes = job_status.free_indexes(job, [index_of(pod) for pod in pods.active])
        for number in range(missing):
            index = indexes[number] if indexes is not None else None
            if not self._start_pod(job, index):
                self._wake(key, time.time() + self._backoff)
                return

    def _start_pod(self, job: Obj, index: int | None) -> bool:
        target = Target(POD, "create", job["metadata"]["namespace"], None, "")
        try:
            pod = create(self._store, target, pod_for(job, index), {}).object
        except errors.ApiStatus as error:
            self._recorder.warning(job, "FailedCreate", f"Error creating: {error.message}")
            return False
        name = pod["metadata"]["name"]
        self._recorder.normal(job, "SuccessfulCreate", f"Created pod: {name}")
        return True

    def _backoff_until(self, job: Obj, pods: _Pods) -> float:
        failed = (job.get("status") or {}).get("failed", 0)
        ends = [_end(pod) for pod in pods.ended if pod["status"].get("phase") == "Failed"]
        if not failed or not ends:
            return 0.0
        delay: float = min(self._backoff * 2.0 ** (failed - 1), MOST_BACKOFF_SECONDS)
        return max(ends) + delay

    def _write_status(self, job: Obj, pods: _Pods) -> None:
        def write(copy: Obj) -> None:
            job_status.describe(copy, pods.active, len(pods.ending))

        self._modify(job, write)

    def _modify(self, job: Obj, change: job_status.Change) -> Obj:
        meta = job["metadata"]
        after = self._store.modify(JOB, meta["namespace"], meta["name"], change, uid=meta["uid"])
        return after if after is not None else job


def _job_of(event: Event) -> Key | None:
    meta = event.object["metadata"]
    if event.kind is JOB:
        return (meta["namespace"], meta["name"])
    for owner in meta.get("ownerReferences") or ():
        if owner["kind"] == "Job":
            return (meta["namespace"], owner["name"])
    return None


def _end(pod: Obj) -> float:
    """When the last container of a pod ended; its creation where none ran."""
    times = [
        one["state"]["terminated"]["finishedAt"]
        for one in pod["status"].get("containerStatuses") or ()
        if ((one.get("state") or {}).get("terminated") or {}).get("finishedAt")
    ]
    text: str = max(times) if times else pod["metadata"]["creationTimestamp"]
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.timestamp()
