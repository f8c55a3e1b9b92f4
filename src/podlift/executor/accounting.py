"""Watches executions go from state to state, and reports what that means to Airflow's metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from podlift.executor import metrics
from podlift.executor.census import count
from podlift.executor.execution import Execution
from podlift.executor.state import Created, CreateRefused, Observation, Record, State
from podlift.pods.building import BASE
from podlift.pods.diagnosis import diagnose

_INTERVAL = 10.0
"""Seconds between two reports of levels."""


class Accounts:
    """The figures of one executor. ``clock`` is the engine's loop's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due = 0.0
        self.lag: float | None = None
        """Seconds by which the watch was behind when it last told of a new pod."""

    def first_seen(self, execution: Execution) -> None:
        """The watch tells of the execution's pod for the first time."""
        if execution.created_at is None:  # it is faster than the answer to the creation
            execution.created_at = self._clock()
        self.lag = self._clock() - execution.created_at
        metrics.watch_lagged(self.lag)

    def moved(self, execution: Execution, before: Record, observation: Observation) -> None:
        """The state machine has taken a step; its effects are not carried out yet."""
        now, record = self._clock(), execution.record
        if isinstance(observation, Created) and execution.created_at is None:
            execution.created_at = now
        if record.launch != before.launch:
            if record.replaced > before.replaced:
                metrics.infrastructure_retried(_cause(execution))
            execution.created_at = None
        if record.state is State.RUNNING is not before.state and execution.created_at is not None:
            metrics.pod_started(now - execution.created_at)
        if before.verdict is None and record.verdict is not None and not record.silent:
            refused = isinstance(observation, CreateRefused)
            cause = "refused" if refused else _cause(execution)
            metrics.execution_ended(record.verdict.success, cause)

    def report(self, executions: Iterable[Execution], rate: float) -> None:
        """Report how things stand, if it is time to and anybody listens."""
        if metrics.are_on() and self._clock() >= self._due:
            self._due = self._clock() + _INTERVAL
            standing = count(executions, self._clock())
            metrics.standing(standing.by_state, standing.pending)
            metrics.creation_rate(rate)


def _cause(execution: Execution) -> str:
    """A word for what went wrong; ``deleted`` for a pod that was gone before it said anything."""
    if execution.pod is None:
        return "deleted"
    diagnosis = diagnose(execution.pod, main=BASE)
    return diagnosis.cause if diagnosis else "deleted"
