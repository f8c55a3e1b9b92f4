"""What the demo knows: task instances as Airflow tells them, pods as the watch shows them.

Plain data and pure functions; the clock is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from podlift.cli.airflow_api import TaskInstance
from podlift.pods.diagnosis import Diagnosis, diagnose
from podlift.pods.labels import COMPONENT, Identity, identity_of
from podlift.pods.reading import Pod, exit_code, is_deleted, is_finished

WORKER = "worker"
BASE = "base"


@dataclass(frozen=True)
class PodRecord:
    """One pod from its first to its last sighting; times are seconds of the caller's clock."""

    pod: Pod
    identity: Identity
    pending_since: float
    running_since: float | None = None
    ended_at: float | None = None

    @property
    def name(self) -> str:
        """The pod's name."""
        return self.pod.metadata.name

    @property
    def task(self) -> str:
        """Name of the task instance for people: `square[3]` for a mapped one."""
        return label_of(self.identity.task_id, self.identity.map_index)

    @property
    def is_worker(self) -> bool:
        """Whether the task itself runs here; otherwise a task's operator made this pod."""
        return self.pod.metadata.labels.get(COMPONENT) == WORKER

    @property
    def phase(self) -> str:
        """The pod's phase, or that it is being deleted while it still runs."""
        if is_deleted(self.pod) and not is_finished(self.pod):
            return "Terminating"
        return self.pod.status.phase

    @property
    def exit_code(self) -> int | None:
        """The exit code of its main container, if one was observed."""
        return exit_code(self.pod, BASE)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What is wrong with it; None while nothing is."""
        return diagnose(self.pod, main=BASE)

    def seconds_pending(self, now: float) -> float:
        """How long it waited, or has waited so far, until its containers ran."""
        return _first(self.running_since, self.ended_at, now) - self.pending_since

    def seconds_running(self, now: float) -> float | None:
        """How long it ran, or has run so far; None before that."""
        if self.running_since is None:
            return None
        return _first(self.ended_at, now) - self.running_since


@dataclass
class Board:
    """Everything seen of one DAG run."""

    dag_id: str
    run_id: str
    tasks: dict[str, TaskInstance] = field(default_factory=dict)
    pods: dict[str, PodRecord] = field(default_factory=dict)
    """By uid, in the order in which they were first seen."""

    def see_tasks(self, instances: Iterable[TaskInstance]) -> list[TaskInstance]:
        """Take in Airflow's answer; return the task instances whose state is new.

        A mapped task is listed without an index until it is expanded; then that entry goes.
        """
        fresh = {label_of(each.task_id, each.map_index): each for each in instances}
        changed = [
            each
            for label, each in fresh.items()
            if (before := self.tasks.get(label)) is None
            or (before.state, before.try_number) != (each.state, each.try_number)
        ]
        self.tasks = fresh
        return changed

    def see_pod(self, pod: Pod, now: float) -> PodRecord | None:
        """Take in a pod; return its record if its phase is new, None otherwise.

        Pods of other runs are ignored, and so is what becomes of a pod after its end: its deletion
        would look like the cause of that.
        """
        identity = identity_of(pod)
        if identity is None or (identity.dag_id, identity.run_id) != (self.dag_id, self.run_id):
            return None
        before = self.pods.get(pod.metadata.uid)
        if before is not None and before.ended_at is not None:
            return None
        record = _advance(before, pod, identity, now)
        self.pods[pod.metadata.uid] = record
        return record if before is None or before.phase != record.phase else None

    def lose_pod(self, pod: Pod, now: float) -> PodRecord | None:
        """Take in that a pod is gone; return its record if it had not ended before."""
        record = self.pods.get(pod.metadata.uid)
        if record is None or record.ended_at is not None:
            return None
        self.pods[pod.metadata.uid] = gone = replace(record, pod=pod, ended_at=now)
        return gone

    def pods_of(self, task_id: str, *, worker: bool = True) -> list[PodRecord]:
        """The pods that ran a task (all its instances), or that its operator made."""
        return [
            each
            for each in self.pods.values()
            if each.identity.task_id == task_id and each.is_worker == worker
        ]

    def instances_of(self, task_id: str) -> list[TaskInstance]:
        """The instances of a task."""
        return [each for each in self.tasks.values() if each.task_id == task_id]

    def cause_of(self, task_id: str) -> Diagnosis | None:
        """Why a task failed: what its operator's pod died of, else what its own pod died of."""
        for worker in (False, True):
            for record in reversed(self.pods_of(task_id, worker=worker)):
                if diagnosis := record.diagnosis:
                    return diagnosis
        return None


def label_of(task_id: str, map_index: int) -> str:
    """Name of a task instance for people."""
    return f"{task_id}[{map_index}]" if map_index >= 0 else task_id


def _advance(before: PodRecord | None, pod: Pod, identity: Identity, now: float) -> PodRecord:
    record = before or PodRecord(pod=pod, identity=identity, pending_since=now)
    ended = is_finished(pod)
    # A short pod may be seen only when it has ended already.
    started = pod.status.phase == "Running" or (ended and record.exit_code is not None)
    return replace(
        record,
        pod=pod,
        running_since=_keep(record.running_since, now, when=started),
        ended_at=_keep(record.ended_at, now, when=ended),
    )


def _keep(value: float | None, now: float, *, when: bool) -> float | None:
    return now if value is None and when else value


def _first(*moments: float | None) -> float:
    return next(each for each in moments if each is not None)
