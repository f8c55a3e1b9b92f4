"""What the scheduler's thread and the engine's thread tell each other.

Both sides only append to a deque and take from one; neither waits for the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from airflow.executors.workloads.types import WorkloadKey
    from airflow.models.taskinstancekey import TaskInstanceKey

    from podlift.executor.workloads import Workload


@dataclass(frozen=True, slots=True)
class Launch:
    """Run this workload. ``number`` tells apart the executions of one task instance."""

    number: int
    workload: Workload = field(repr=False)
    since: float = float("-inf")
    """When Airflow gave it to us, as ``uptime`` counts; long ago if that is not known."""


@dataclass(frozen=True, slots=True)
class Revoke:
    """Delete what runs for this task instance, and say nothing."""

    ti_id: str


@dataclass(frozen=True, slots=True)
class Orphan:
    """A task instance that another scheduler left behind."""

    number: int
    key: TaskInstanceKey
    ti_id: str
    queued: bool = False
    """Whether it was queued when it was left: its task has not begun, or not gone on."""
    left_by: int | None = None
    """The job of the scheduler that left it, as Airflow has it."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take these over: with the pods that they have, or with new ones."""

    orphans: tuple[Orphan, ...]


Request: TypeAlias = Launch | Revoke | Adopt


@dataclass(frozen=True, slots=True)
class Announced:
    """The execution's pod exists."""

    number: int
    key: WorkloadKey
    pod_name: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """The engine has taken over an execution that Airflow hands to nobody: a callback's, whose
    scheduler is gone. It counts and is reported like any other."""

    number: int
    key: WorkloadKey


@dataclass(frozen=True, slots=True)
class Started:
    """The execution's workload runs. Only told of callbacks and connection tests: a task tells
    Airflow itself."""

    number: int
    key: WorkloadKey


@dataclass(frozen=True, slots=True)
class Ended:
    """The execution is over."""

    number: int
    key: WorkloadKey
    success: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Told:
    """Something that a person who looks at the task should know."""

    key: WorkloadKey
    sentence: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Another scheduler has the execution now: it is no longer ours to count or to report."""

    number: int
    key: WorkloadKey


Notice: TypeAlias = Announced | Adopted | Started | Ended | Told | Dropped
