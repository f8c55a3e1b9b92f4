"""How a worker ends: the exit code that says what became of the task."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The worker's exit codes; from 64 on they are those of ``sysexits.h``.

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
    """Airflow's execution API could not be reached, or refused this worker."""
    WRONG_KEY = 77
    """The workload was sealed with a key that this pod does not have."""
    NO_KEY = 78
    """The pod was started without the key."""


_FAILED_STATES = frozenset({"failed", "up_for_retry"})


def exit_code_of(state: str | None, supervisor_code: int) -> ExitCode:
    """Judge a run by the last state that Airflow accepted and the supervisor's own exit code.

    The supervisor ends with 0 also for a task that failed in an orderly way, so its code alone
    does not tell; and a task whose end Airflow never accepted did not end well.
    """
    if supervisor_code != 0 or state is None or state in _FAILED_STATES:
        return ExitCode.FAILED
    return ExitCode.DONE
