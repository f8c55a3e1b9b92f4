"""How a worker ends: the exit codes that its pod's executor reads."""

from __future__ import annotations

from enum import IntEnum

MEMORY_GROWS = "PODLIFT_MEMORY_GROWS"
"""Variable by which a worker is told that a task which runs out of memory gets another pod."""


class ExitCode(IntEnum):
    """The worker's exit codes; from 64 to 78 they are those of ``sysexits.h``.

    Only with 0 and 1 did the task itself come to an end.
    """

    DONE = 0
    """The task succeeded, was skipped, deferred or rescheduled, and Airflow knows."""
    FAILED = 1
    """The task failed; Airflow may try it again."""
    NO_WORKLOAD = 64
    """The pod was started without a workload."""
    BAD_WORKLOAD = 65
    """The workload is not one that this version of Airflow can read."""
    UNREACHABLE = 69
    """Airflow's execution API could not be reached."""
    REFUSED = 76
    """Airflow's execution API does not want this worker to run the task (any more)."""
    WRONG_KEY = 77
    """The workload was sealed with a key that this pod does not have."""
    NO_KEY = 78
    """The pod was started without the key."""
    OUT_OF_MEMORY = 79
    """The task failed after one of its processes was killed for want of memory. Airflow has not
    been told, because another pod may get more; only where ``MEMORY_GROWS`` is set."""
    STOPPED = 143
    """The pod was told to stop, and the task with it. Airflow has not been told: whoever looks
    after the pod knows whether this was the infrastructure's doing."""
