"""What is wanted of a run: plain data, so that another process can go on with it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec


class OnFinish(StrEnum):
    """What becomes of the pod when its task has ended."""

    KEEP_POD = "keep_pod"
    DELETE_POD = "delete_pod"
    DELETE_ACTIVE_POD = "delete_active_pod"
    """Only one that has not ended by itself."""
    DELETE_SUCCEEDED_POD = "delete_succeeded_pod"


class OnKill(StrEnum):
    """What becomes of the pod when somebody ends the task."""

    DELETE_POD = "delete_pod"
    KEEP_POD = "keep_pod"


Containers: TypeAlias = tuple[str, ...] | Literal[True]
"""Names of containers; True stands for all there are."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one pod is run. Times are in seconds."""

    base: str = "base"
    """The container whose end is the pod's end, and whose exit code decides."""
    schedule_timeout: float = 120.0
    """Within this time from its creation a node must have been found for the pod."""
    startup_timeout: float = 120.0
    """Within this time from then the base container must have started."""
    logs_of: Containers = ("base",)
    """The containers whose output is told; none of them for an empty list."""
    init_logs_of: Containers = ()
    """The init containers whose output is told."""
    tell_startup_events: bool = True
    """Whether what the pod waits for is told."""
    tell_failure_events: bool = True
    """Whether the pod's warning events are told when it fails."""
    result: bool = False
    """Whether the pod has the sidecar that hands over a result, and it is read."""
    infrastructure_retries: int = 3
    """How many more pods may be started for what is not the task's fault."""
    memory_factor: float = 1.0
    """How much more a pod gets that ran out of memory; with 1, no other is started for that."""
    memory_ceiling: int | None = None
    """Bytes that it may get at most."""
    grace_period: int | None = None
    """How long the containers get to end when the pod is deleted; None for the pod's own."""
    on_finish: OnFinish = OnFinish.DELETE_POD
    on_kill: OnKill = OnKill.DELETE_POD
    durable: bool = True
    """Whether a pod that an earlier try of the task left behind is gone on with."""
    note_every: float | None = None
    """Seconds after which it is noted on the pod again how far its log was told, so that whoever
    goes on after a crash knows. With None only when the pod is left in good order."""
