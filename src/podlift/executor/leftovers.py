"""What is to become of pods that no execution holds: rules on plain data. Pure.

Everything is told by the pod itself and by Airflow's database, so a restart changes no answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING
from uuid import UUID

from podlift.executor.claiming import job_of, owner_of
from podlift.executor.execution import EXECUTION
from podlift.pods.diagnosis import has_succeeded
from podlift.pods.labels import COMPONENT, Identity, identity_of
from podlift.pods.reading import Pod, is_deleted, is_finished

if TYPE_CHECKING:
    from podlift.executor.metadata import TaskState
    from podlift.settings import Settings

_WAITS_FOR_A_SCHEDULER = frozenset({"queued", "running", "restarting"})
"""States of a task instance that Airflow gives to another scheduler when the first one is gone."""


class Kind(Enum):
    """Whose concern a pod is that none of our executions holds."""

    NONE = "none"
    """Nobody's of the executor: an operator's pod, or one that is being deleted already."""
    STRANGE = "strange"
    """It bears our label, and nothing on it says what for."""
    OURS = "ours"
    """It ended, and we made it or took it over."""
    UNCLEAR = "unclear"
    """Another scheduler's, or one of ours that has not ended though nobody waits for it."""


def kind_of(pod: Pod, executor_id: str) -> Kind:
    """Whose concern the pod is."""
    if is_deleted(pod) or pod.metadata.labels.get(COMPONENT) == "operator":
        return Kind.NONE
    if whose(pod) is None:
        return Kind.STRANGE
    if owner_of(pod) == executor_id:
        return Kind.OURS if is_finished(pod) else Kind.UNCLEAR
    return Kind.UNCLEAR if job_of(owner_of(pod)) is not None else Kind.STRANGE


def whose(pod: Pod) -> Identity | None:
    """What the pod was made for; None if that is not written on it, or no longer whole."""
    identity = identity_of(pod)
    if identity is None or not pod.metadata.annotations.get(EXECUTION):
        return None
    try:
        UUID(identity.ti_id)
    except ValueError:
        return None
    return identity


def is_needed(pod: Pod, identity: Identity, task: TaskState | None) -> bool:
    """Whether Airflow still counts on this try of the task instance.

    Then some scheduler adopts the pod, or Airflow starts the task anew and says so.
    """
    if identity.workload != "task":  # Airflow does not hand these over: they end by themselves
        return not is_finished(pod)
    waits = task is not None and task.state in _WAITS_FOR_A_SCHEDULER
    return waits and task is not None and task.try_number == identity.try_number


@dataclass(frozen=True)
class Retention:
    """How long pods stay after their end, in seconds; None stands for ever."""

    succeeded: float | None = 0.0
    failed: float | None = 0.0

    def until(self, pod: Pod) -> datetime | None:
        """When the ended pod may be removed; None for never."""
        seconds = self.succeeded if has_succeeded(pod) else self.failed
        if seconds is None:
            return None
        return datetime.fromtimestamp(ended_at(pod).timestamp() + seconds, UTC)


def retention_of(settings: Settings) -> Retention:
    """What the settings say. A time set for failed pods goes before keeping them for ever."""
    at_once: Mapping[bool, float | None] = {True: 0.0, False: None}
    keep = settings.failed_pod_retention
    failed = at_once[settings.delete_worker_pods and settings.delete_worker_pods_on_failure]
    return Retention(at_once[settings.delete_worker_pods], keep or failed)


def ended_at(pod: Pod) -> datetime:
    """When the last of the pod's containers ended, or what comes closest to it.

    A pod that was evicted or refused by its node may have no container that ended.
    """
    statuses = (*pod.status.container_statuses, *pod.status.init_container_statuses)
    ends = [status.state.terminated.finished_at for status in statuses if status.state.terminated]
    changes = [condition.last_transition_time for condition in pod.status.conditions]
    for moments in (ends, changes, [pod.status.start_time, pod.metadata.creation_timestamp]):
        known = [moment for moment in moments if moment is not None and moment.year > 1970]
        if known:
            return max(known)
    return datetime.now(UTC)
