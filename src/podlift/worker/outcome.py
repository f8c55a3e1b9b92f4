"""How a worker ends: the exit code that says what became of the task."""

from __future__ import annotations

from podlift.exit_codes import ExitCode

__all__ = ["FAILED_STATES", "ExitCode", "exit_code_of"]

FAILED_STATES = frozenset({"failed", "up_for_retry"})


def exit_code_of(
    state: str | None, supervisor_code: int, *, stopped: bool = False, out_of_memory: bool = False
) -> ExitCode:
    """Judge a run by the last state that Airflow accepted and the supervisor's own exit code.

    The supervisor ends with 0 also for a task that failed in an orderly way, so its code alone
    does not tell; and a task whose end Airflow never accepted did not end well. ``stopped`` says
    that the pod was told to stop, ``out_of_memory`` that a process was killed for want of it.
    """
    if supervisor_code == 0 and state is not None and state not in FAILED_STATES:
        return ExitCode.DONE
    if state is None and stopped:
        return ExitCode.STOPPED
    return ExitCode.OUT_OF_MEMORY if state is None and out_of_memory else ExitCode.FAILED
