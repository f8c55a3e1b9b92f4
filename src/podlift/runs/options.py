"""What is wanted of a run: plain data, so that another process can go on with it."""

from __future__ import annotations

from enum import StrEnum

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


class RunOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one pod is run. Times are in seconds."""

    base: str = "base"
    """The container whose end is the pod's end, and whose exit code decides."""
    startup_timeout: float = 120.0
    """Within this time from its creation the base container must have started."""
    get_logs: bool = True
    """Whether the output of the base container is told."""
    on_finish: OnFinish = OnFinish.DELETE_POD
    on_kill: OnKill = OnKill.DELETE_POD
