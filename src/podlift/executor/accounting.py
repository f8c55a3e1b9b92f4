"""Watches executions go from state to state, and reports what that means to Airflow's metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from podlift.executor import metrics
from podlift.executor.census import count
from podlift.executor.execution import Execution
from podlift.executor.observations import Created, LogKept, Observation, Requeued
from podlift.executor.state import Record, State

_INTERVAL = 10.0
"""Seconds between two reports of levels."""
_OVER = (State.DELETING, State.GONE)


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
                metrics.infrastructure_retried(_cause(before))
            if record.grown > before.grown:
                metrics.memory_grown()
            execution.created_at = None
        if record.state is State.RUNNING is not before.state and execution.created_at is not None:
            metrics.pod_started(now - execution.created_at)
        # A verdict alone is no end: after it another pod may be started.
        told = isinstance(observation, LogKept | Requeued) and record.state in _OVER
        if told and before.verdict is not None and not before.silent:
            metrics.execution_ended(before.verdict.success, _cause(before))

    def report(self, executions: Iterable[Execution], rate: float) -> None:
        """Report how things stand, if it is time to and anybody listens."""
        if metrics.are_on() and self._clock() >= self._due:
            self._due = self._clock() + _INTERVAL
            standing = count(executions, self._clock())
            metrics.standing(standing.by_state, standing.pending)
            metrics.creation_rate(rate)


def _cause(record: Record) -> str:
    """A word for what went wrong; ``refused`` for what never became a pod."""
    return (record.verdict.cause if record.verdict else "") or "refused"
